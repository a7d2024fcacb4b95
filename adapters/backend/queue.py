"""What waits for an operator: one list of it all, oldest first, and each matter in full.

A kind of matter is one entry of KINDS: which aggregates of the directory it is made of, when one
of them waits and what it is in words, and what else is shown of it before somebody decides. The
command that decides it is known to `adapters/cli/queue.py`, never told from here: nobody should
sign what a server names.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple
from uuid import UUID

from adapters.backend.carrying_out import CarryingOut
from adapters.backend.correcting import VERB as CORRECT
from adapters.backend.correcting import effects, money_moved, previewed, read_corrections
from adapters.backend.directory_lists import alert_row
from adapters.backend.operator_ports import Denied, Rows, Surroundings
from application import fields
from application.command import Origin
from application.contest import shown
from domain.actor import person_of
from domain.aggregates import alert as alerts
from domain.aggregates import enrolment as enrolments
from domain.aggregates import refill as refills
from domain.aggregates.alert import Alert
from domain.aggregates.dispute import OPEN, Dispute
from domain.aggregates.enrolment import QUEUED, Enrolment
from domain.aggregates.proposal import WAITING, Proposal
from domain.aggregates.refill import Refill
from domain.answers import dollars
from protocol import bodies, messages
from protocol.certificates import OPERATOR, Peer
from protocol.errors import UNAVAILABLE

WHAT: Final = "queue"
"""The list's name in D QUERY."""
_LINES_SHOWN: Final = 100
"""Of a refill; `refill show` has all."""


class Matter(NamedTuple):
    """One thing to decide. `asked_by` may not decide it; None where anybody may.

    `seen` is what the decision has to name, in hexadecimal, empty for nothing. `amount_cents` is
    None where no money moves, `expires_us` 0 where it waits for ever.
    """

    id: UUID
    what: str
    since_us: int
    expires_us: int = 0
    asked_by: UUID | None = None
    amount_cents: int | None = None
    seen: str = ""


class Desk(NamedTuple):
    """What the details of a matter are looked up with."""

    works: CarryingOut
    outside: Surroundings


async def _nothing_more(desk: Desk, state: Any) -> Rows:
    return []


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """`name` as operators see it; `of`, the directory's kind. `matter(state)` is None for what
    does not wait as this kind; `detail` gives rows of its own making."""

    name: str
    of: str
    matter: Callable[[Any], Matter | None]
    detail: Callable[[Desk, Any], Awaitable[Rows]] = _nothing_more


def _proposal(proposal: Proposal) -> Matter | None:
    if proposal.status != WAITING or proposal.verb == CORRECT:
        return None
    return _proposed(proposal)


def _correction(proposal: Proposal) -> Matter | None:
    if proposal.status != WAITING or proposal.verb != CORRECT:
        return None
    asked = read_corrections(_command_of(proposal))
    return _proposed(proposal)._replace(amount_cents=money_moved(asked))


def _proposed(proposal: Proposal) -> Matter:
    return Matter(
        id=proposal.id,
        what=proposal.summary,
        since_us=proposal.made_us,
        expires_us=proposal.expires_us,
        asked_by=proposal.proposer_id,
        seen=proposal.command_hash.hex(),
    )


def _enrolment(enrolment: Enrolment) -> Matter | None:
    if enrolment.status != QUEUED:
        return None
    return Matter(
        id=enrolment.id,
        what=f"First certificate of {enrolment.role} {enrolment.subject_id}: {enrolment.why}",
        since_us=enrolment.opened_us,
        expires_us=enrolment.expires_us,
        asked_by=_person(enrolments.barred(enrolment)),
    )


async def _key(desk: Desk, enrolment: Enrolment) -> Rows:
    """The key that came with the code: whoever decides compares it with the one at the device."""
    return [{"key_hash": enrolment.key_hash.hex()}]


def _dispute(dispute: Dispute) -> Matter | None:
    if dispute.status != OPEN:
        return None
    said = dispute.evidence[0].text
    return Matter(
        id=dispute.id,
        what=f"Dispute over payment {dispute.transaction_id}: {said}",
        since_us=dispute.opened_us,
        asked_by=dispute.opened_by,
        amount_cents=dispute.amount_cents,
    )


async def _evidence(desk: Desk, dispute: Dispute) -> Rows:
    """How it stands, and what both sides said."""
    return list(_in_rows(_that_is_said(shown(dispute, desk.outside.clock.now_us()))))


def _alert(alert: Alert) -> Matter | None:
    if alert.status != alerts.OPEN:
        return None
    row = alert_row(alert)
    says = {alerts.MINE: "; the cardholder: mine", alerts.NOT_MINE: "; the cardholder: not mine"}
    return Matter(
        id=alert.id,
        what=f"Suspicious payment of {dollars(alert.amount_cents)} by {alert.kind} card:"
        f" {row['words']}{says.get(alert.answer, '')}",
        since_us=alert.raised_us,
    )


async def _suspicion(desk: Desk, alert: Alert) -> Rows:
    """Which card, account and shop, what was unusual, and what the cardholder says."""
    return list(_in_rows(_that_is_said(alert_row(alert))))


def _refill(refill: Refill) -> Matter | None:
    """A paid order that another person has to approve."""
    if refill.status != refills.AWAITING_APPROVAL:
        return None
    return _ordered(refill)._replace(since_us=refill.paid_us, asked_by=_orderer(refill))


def _refill_payment(refill: Refill) -> Matter | None:
    """An order whose payment only an operator can see; a card's the processor tells."""
    if refill.status != refills.AWAITING_PAYMENT or refill.method == refills.CARD:
        return None
    return _ordered(refill)


def _ordered(refill: Refill) -> Matter:
    accounts = "1 account" if refill.accounts == 1 else f"{refill.accounts:,} accounts"
    return Matter(
        id=refill.id,
        what=f"Refill of {accounts} of company {refill.company_id}, by {refill.method}",
        since_us=refill.ordered_us,
        amount_cents=refill.due_cents,
    )


def _orderer(refill: Refill) -> UUID | None:
    """Who may not approve it; None where anybody may."""
    return _person(person_of(refill.ordered_by)) if refill.two_persons else None


def _person(id: str) -> UUID | None:
    try:
        return UUID(id)
    except ValueError:  # a part of the system, or nobody
        return None


async def _order(desk: Desk, refill: Refill) -> Rows:
    """What is known of it, and its first lines."""
    reads = desk.outside.refill_reads

    def read() -> Rows:
        (known,) = reads.rows("refill", refill.id)
        lines = reads.rows("refill-lines", refill.id, _LINES_SHOWN)
        return list(_in_rows({**_that_is_said(known), "line": lines}))

    return await asyncio.to_thread(read)


async def _command(desk: Desk, proposal: Proposal) -> Rows:
    """The signed command, field by field: what exactly would be done."""
    return list(_in_rows(_command_of(proposal)))


async def _corrections(desk: Desk, proposal: Proposal) -> Rows:
    """The same, and what it would do now to amounts, balances and statements."""
    body = _command_of(proposal)
    now_ms = desk.outside.clock.now_us() // 1000
    nobody = Origin(
        command_id=UUID(int=secrets.randbits(128)),
        issued_ms=now_ms,
        actor="system:queue",
        issuer_id=desk.outside.issuer_id,
    )
    plan = await previewed(desk.works, desk.outside, nobody, read_corrections(body))
    assert plan is not None, "a new id was never used"
    if plan.refused is not None:
        shown: dict[str, Any] = {"refused": plan.refused.text, "code": plan.refused.code}
    else:
        shown = {"effects": await effects(desk.outside, plan)}
    return [shown, *_in_rows(body)]


KINDS: Final = (
    Kind(name="correction", of="proposal", matter=_correction, detail=_corrections),
    Kind(name="proposal", of="proposal", matter=_proposal, detail=_command),
    Kind(name="refill", of="refill", matter=_refill, detail=_order),
    Kind(name="refill-payment", of="refill", matter=_refill_payment, detail=_order),
    Kind(name="enrolment", of="enrolment", matter=_enrolment, detail=_key),
    Kind(name="dispute", of="dispute", matter=_dispute, detail=_evidence),
    Kind(name="alert", of="alert", matter=_alert, detail=_suspicion),
)


class Queue:
    """D QUERY `queue`. Raises Denied, Invalid, Unavailable."""

    def __init__(self, outside: Surroundings) -> None:
        self._outside = outside
        self._desk = Desk(CarryingOut(outside), outside)

    async def rows(self, peer: Peer, body: Mapping[str, Any]) -> Rows:
        """All that waits, as this peer sees it; with `of` that one, and rows of its details."""
        if "of" not in body:
            found = await asyncio.to_thread(lambda: list(self._waiting()))
            found.sort(key=lambda each: each[1].since_us)
            return [self._row(peer, kind, matter) for kind, matter, _ in found]
        id = fields.uuid(body, "of")
        every = await asyncio.to_thread(
            lambda: [each for each in self._waiting() if each[1].id == id]
        )
        if not every:
            raise Denied(
                "not-waiting", "Nothing with that id waits: it was decided, is void, or never was."
            )
        kind, matter, state = every[0]
        details = await kind.detail(self._desk, state)
        return [self._row(peer, kind, matter), *details]

    def _waiting(self) -> Iterator[tuple[Kind, Matter, Any]]:
        """In a thread."""
        if not self._outside.catch_up():
            raise Denied(UNAVAILABLE, "The lists are behind. Try again in a moment.")
        now_us = self._outside.clock.now_us()
        for of in dict.fromkeys(kind.of for kind in KINDS):
            kinds = [kind for kind in KINDS if kind.of == of]
            for state in self._outside.directory.states(of):
                for kind in kinds:
                    matter = kind.matter(state)
                    if matter is not None and not 0 < matter.expires_us < now_us:
                        yield kind, matter, state

    def _row(self, peer: Peer, kind: Kind, matter: Matter) -> dict[str, Any]:
        why_not = ""
        if peer.role != OPERATOR:
            why_not = "not-an-operator"
        elif matter.asked_by == peer.subject_id:
            why_not = "same-operator"
        return {
            "kind": kind.name,
            "id": str(matter.id),
            "what": matter.what,
            "asked_by": str(matter.asked_by) if matter.asked_by else "",
            "since_ms": matter.since_us // 1000,
            "expires_ms": matter.expires_us // 1000,
            "age_s": max(0, self._outside.clock.now_us() - matter.since_us) // 1_000_000,
            "amount_cents": matter.amount_cents,
            "may_decide": not why_not,
            "why_not": why_not,
            "seen": matter.seen,
        }


def _command_of(proposal: Proposal) -> Mapping[str, Any]:
    body: Mapping[str, Any] = bodies.read(proposal.command, messages.Command)["body"]
    return body


def _that_is_said(row: Mapping[str, Any]) -> dict[str, Any]:
    """Without what is empty."""
    return {name: value for name, value in row.items() if value}


def _in_rows(body: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """A field a row; the entries of a list one by one, so that none is too long for a line."""
    for name, value in body.items():
        for each in value if isinstance(value, list) else [value]:
            yield {"field": name, "value": each}
