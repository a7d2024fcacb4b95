"""C CORRECT: what amounts should have been, of payments and refill credits, by two operators.

With `preview` it only says what would change: amounts, balances, and the statements of shops. Else
everything is checked first, so that nobody is asked to approve what cannot be done, and checked
again when it is approved.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from adapters.backend.carrying_out import Answer, CarryingOut
from adapters.backend.operator_ports import Denied, Surroundings
from application import fields
from application.command import Command, Origin
from application.correct import CorrectAmounts, PreviewCorrections
from application.corrections import (
    Agreement,
    Correction,
    CreditsByRefill,
    Plan,
    Seen,
    credits_asked,
)
from domain.aggregates.proposal import WAITING, Proposal
from domain.answers import dollars
from protocol import bodies, messages
from protocol.errors import UNAVAILABLE

if TYPE_CHECKING:
    from adapters.backend.operator_commands import OperatorCommands
    from adapters.backend.told import Told

VERB: Final = "CORRECT"
LINES_MOST: Final = 1_000
LINE_MOST: Final = 10_000_000
EVIDENCE_MOST: Final = 200
VERSION_MOST: Final = 1 << 40


class Correcting:
    """`two_persons.Verb`: always two."""

    def __init__(self, works: CarryingOut, outside: Surroundings) -> None:
        self._works = works
        self._outside = outside

    def summary(self, body: Mapping[str, Any]) -> str:
        """See `Verb`."""
        asked = read_corrections(body)
        if len(asked) > 1:
            moved = dollars(money_moved(asked))
            return f"Correct {len(asked):,} amounts by {moved} in all: {asked[0].why}"
        (one,) = asked
        what = f"payment {one.transaction_id}"
        if one.transaction_id is None:
            what = f"the credit of account {one.account_id} by refill {one.refill_id}"
        before = dollars(one.seen.cents) if one.seen else "?"
        return f"Correct {what} from {before} to {dollars(one.to_cents)}: {one.why}"

    def needs_two(self, body: Mapping[str, Any]) -> bool:
        """See `Verb`."""
        return True

    async def make(self, told: "Told") -> CreditsByRefill:
        """See `Verb`: nothing is made, but the credits are found."""
        return await _credited(self._outside, read_corrections(told.body))

    def command(self, told: "Told", made: CreditsByRefill | None) -> Command:
        """See `Verb`."""
        proposal = told.proposal
        return CorrectAmounts(
            told.origin,
            self._works.deadline_us(),
            asked=read_corrections(told.body),
            credited=made or {},
            agreement=Agreement(proposal.id, proposal.proposer_id) if proposal else None,
        )


async def correct(commands: "OperatorCommands", told: "Told") -> Answer:
    """A preview, or a proposal for the second operator. Raises Denied, Invalid, Unavailable."""
    preview = fields.flag(told.body, "preview")
    asked = read_corrections(told.body, seen=not preview)
    outside = commands.outside
    plan = await previewed(commands.works, outside, told.origin, asked)
    if plan is None:  # this very command came before
        return await commands.two_persons(told)
    if plan.refused is not None:
        raise Denied(plan.refused.code, plan.refused.text)
    if preview:
        return {**await effects(outside, plan), "preview": True}
    await _not_asked_before(outside, told, asked)
    return await commands.two_persons(told)


async def previewed(
    works: CarryingOut, outside: Surroundings, origin: Origin, asked: Sequence[Correction]
) -> Plan | None:
    """What would become of it now; None where this command was carried out before."""
    plan: Plan | None = await works.through_engine(
        PreviewCorrections(
            origin,
            works.deadline_us(),
            asked=asked,
            credited=await _credited(outside, asked),
        )
    )
    return plan


async def effects(outside: Surroundings, plan: Plan) -> Answer:
    """The plan for the wire: also what each record is now, and what it does to statements."""
    changes = [
        (effect.record, effect.shop_change_cents) for effect in plan.effects if effect.shop_id
    ]
    now_us = outside.clock.now_us()
    read = outside.corrections.statements
    statements = await asyncio.to_thread(read, changes, now_us) if changes else []
    seen = [[effect.version, effect.from_cents] for effect in plan.effects]
    return {**plan.answer, "statements": statements, "seen": seen}


def money_moved(asked: Sequence[Correction]) -> int:
    """The cents that all corrections move together, in whatever direction."""
    return sum(abs(each.to_cents - each.seen.cents) for each in asked if each.seen)


async def _credited(outside: Surroundings, asked: Sequence[Correction]) -> CreditsByRefill:
    wanted = list(credits_asked(asked))
    if not wanted:
        return {}
    return await asyncio.to_thread(outside.corrections.credited, wanted)


async def _not_asked_before(
    outside: Surroundings, told: "Told", asked: Sequence[Correction]
) -> None:
    """Refuses the same file a second time while the first waits. (Once that is approved the
    records are not as this one says they were.)"""

    def waiting() -> list[Proposal]:
        if not outside.catch_up():
            raise Denied(UNAVAILABLE, "The list of proposals is behind. Try again in a moment.")
        now_us, every = outside.clock.now_us(), outside.directory.states("proposal")
        return [each for each in every if each.status == WAITING and now_us <= each.expires_us]

    wanted = _content(asked)
    for proposal in await asyncio.to_thread(waiting):
        if proposal.verb != VERB:
            continue
        command = bodies.read(proposal.command, messages.Command)
        if command["command_id"] == str(told.command_id):
            return
        if _content(read_corrections(command["body"])) == wanted:
            raise Denied(
                "already-proposed",
                f"Proposal {proposal.id} asks for the same and waits for a second operator."
                " Approve or reject that one.",
            )


def _content(asked: Sequence[Correction]) -> frozenset[tuple[UUID | int | None, ...]]:
    return frozenset(
        (each.transaction_id, each.refill_id, each.account_id, each.to_cents) for each in asked
    )


def read_corrections(body: Mapping[str, Any], seen: bool = True) -> list[Correction]:
    """The corrections of a command's body. Raises Invalid that names every line at fault.

    A line's own `why` and evidence go before those of the whole. `seen`: whether each must say
    which version of its record it is about.
    """
    whole = {name: body[name] for name in ("why", "evidence", "document_sha256") if name in body}
    found: list[Correction] = []
    faults: list[str] = []
    lines = fields.rows(body, "lines", LINES_MOST)
    for number, row in enumerate(lines, start=1):
        named = {"line": number, **whole, **row}
        try:
            found.append(_correction(named, seen))
        except fields.Invalid as error:
            if len(lines) == 1:
                raise
            faults.append(f"Line {named['line']}, {error.text}")
    if faults:
        raise fields.Invalid("lines", "nothing was corrected:" + fields.some_of(faults))
    return found


def _correction(row: Mapping[str, Any], seen: bool) -> Correction:
    credit = "refill" in row or "account" in row
    if credit == ("transaction" in row):
        text = "must be given, or refill and account: one of the two."
        raise fields.Invalid("transaction", text)
    record = {
        "transaction_id": None if credit else fields.uuid(row, "transaction"),
        "refill_id": fields.uuid(row, "refill") if credit else None,
        "account_id": fields.uuid(row, "account") if credit else None,
    }
    to_cents = fields.cents(row, "amount_cents", 0, fields.CORRECT_MOST_CENTS)
    evidence = fields.text(row, "evidence", EVIDENCE_MOST) if "evidence" in row else ""
    document = b""
    if "document_sha256" in row:
        document = fields.hex_bytes(row, "document_sha256", 64)
    if not evidence and not document:
        text = "is missing. Refer to it in words, or give the SHA-256 of a document."
        raise fields.Invalid("evidence", text)
    known = None
    if seen:
        version = fields.whole(row, "version", 0, VERSION_MOST)
        known = Seen(version, fields.cents(row, "from_cents", 0, fields.CORRECT_MOST_CENTS))
    return Correction(
        line=fields.whole(row, "line", 1, LINE_MOST),
        to_cents=to_cents,
        why=fields.text(row, "why", fields.WHY_MOST),
        evidence=evidence,
        document_sha256=document,
        seen=known,
        **record,
    )
