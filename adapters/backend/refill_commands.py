"""C REFILL, C SCHEDULE and C CHARGEBACK: orders of refills and what operators decide over them."""

import asyncio
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from msgspec.structs import replace

from adapters.backend.carrying_out import Answer, CarryingOut
from adapters.backend.operator_ports import Denied, Refills
from adapters.backend.refund_by_hand import REFUNDED, takes_two
from adapters.backend.two_persons import Stored
from application import decide_refill, fields
from application.command import Command
from application.pay_fee import PayFee
from application.read import Read
from application.refill import NOT_OF_COMPANY, Line, OrderRefill, Payment, faults_of
from application.schedule import AddSchedule, ChangeSchedule, SetGroup
from application.states import States
from domain.aggregates import refill as refills
from domain.aggregates import schedule as schedules
from domain.aggregates.group import Groups, groups_id
from domain.aggregates.refill import Refill
from domain.recurrence import EVERY, HOLIDAYS, KEEP, WEEKLY, Rule
from domain.refill_lines import FailedLine
from protocol.errors import UNAVAILABLE

if TYPE_CHECKING:
    from adapters.backend.operator_commands import OperatorCommands
    from adapters.backend.told import Told

ORDER: Final = "order"
_DECISIONS: Final[dict[str, type[decide_refill.DecideRefill]]] = {
    "confirm": decide_refill.ConfirmPayment,
    "approve": decide_refill.ApproveRefill,
    "reject": decide_refill.RejectRefill,
    "cancel": decide_refill.CancelRefill,
    REFUNDED: decide_refill.ConfirmRefund,
}
_POLL, _RESEND, _FEE_PAID = "poll", "resend", "fee-paid"
_REFILL: Final = (ORDER, *_DECISIONS, _POLL, _RESEND, _FEE_PAID)
_SCHEDULE: Final = {
    "pause": schedules.PAUSED,
    "resume": schedules.ACTIVE,
    "remove": schedules.REMOVED,
}
TOKEN_MOST = 100
GROUP_MOST_ACCOUNTS = 5_000


async def refill(commands: "OperatorCommands", told: "Told") -> Answer:
    """An order, a decision over one, or a question to the processor."""
    body = {"what": ORDER, **told.body}
    what = fields.choice(body, "what", _REFILL)
    if what == ORDER:
        return await _Ordering(commands, told).order()
    refill_id = fields.uuid(body, "refill")
    work = commands.outside.refills
    if what == _POLL:
        return await work.poll(refill_id)
    if what == _RESEND:
        return await work.resend(refill_id)
    if what == REFUNDED and await takes_two(commands.works, body):
        return await commands.propose(told)
    if what == _FEE_PAID:
        return await commands.works.carry_out(
            PayFee(
                told.origin,
                commands.works.deadline_us(),
                refill_id=refill_id,
                amount_cents=fields.cents(body, "amount_cents", 1, refills.MOST_CENTS),
                text=fields.text(body, "why", fields.WHY_MOST),
            )
        )
    decide = _DECISIONS[what]
    text = "" if what == "approve" else fields.text(body, "why", fields.WHY_MOST)
    facts: dict[str, Any] = {"refill_id": refill_id, "text": text}
    if decide is decide_refill.ConfirmPayment:
        facts["digests"] = await _payment_digests(commands, refill_id, text)
    answer = await commands.works.carry_out(
        decide(told.origin, commands.works.deadline_us(), **facts)
    )
    work.wake(refill_id)
    return answer


async def _payment_digests(
    commands: "OperatorCommands", refill_id: UUID, reference: str
) -> tuple[bytes, ...]:
    """By what the payment that is confirmed for a refill is known again; none for no refill."""

    def look(states: States, _: int) -> UUID | None:
        refill = states.get(refill_id, Refill)
        return refill.company_id if refill is not None else None

    works, hsm = commands.works, commands.outside.personalisation
    company_id = await works.through_engine(Read(refill_id, look, works.deadline_us()))
    if company_id is None:
        return ()
    return await works.in_lane(lambda: hsm.payment_digests(company_id, reference))


async def schedule(commands: "OperatorCommands", told: "Told") -> Answer:
    """A new schedule, a change of one, or the accounts of a group."""
    body, works = told.body, commands.works
    what = fields.choice(body, "what", ("add", *_SCHEDULE, "group"))
    if what == "group":
        return await works.carry_out(_group(told, works.deadline_us()))
    command: Command
    if what == "add":
        command = _added(commands, told)
    else:
        command = ChangeSchedule(
            told.origin,
            works.deadline_us(),
            schedule_id=fields.uuid(body, "schedule"),
            to=_SCHEDULE[what],
            why=fields.text(body, "why", fields.WHY_MOST),
        )
    answer = await works.carry_out(command)
    commands.outside.refills.schedule_changed(UUID(answer["id"]))
    return answer


def _added(commands: "OperatorCommands", told: "Told") -> AddSchedule:
    body = {"holidays": KEEP, "method": refills.BANK, **told.body}
    every = fields.choice(body, "every", EVERY)
    payment = _payment(commands, body)
    return AddSchedule(
        told.origin,
        commands.works.deadline_us(),
        company_id=fields.uuid(body, "company"),
        group=_group_name(body),
        each_cents=fields.cents(body, "each_cents", 1, refills.MOST_CENTS),
        method=payment.method,
        payment_method=payment.token,
        rule=Rule(
            every=every,
            day=fields.whole(body, "day", 1, 7 if every == WEEKLY else 31),
            hour=fields.whole(body, "hour", 0, 23),
            timezone=fields.timezone(body),
            holidays=fields.choice(body, "holidays", HOLIDAYS),
        ),
        until=fields.last_day(body, "until"),
    )


def _group(told: "Told", deadline_us: int) -> SetGroup:
    body = told.body
    add, remove = (
        fields.uuids(body, field, GROUP_MOST_ACCOUNTS) if body.get(field) else []
        for field in ("add", "remove")
    )
    if not add and not remove:
        raise fields.Invalid("add", "or remove must name accounts.")
    return SetGroup(
        told.origin,
        deadline_us,
        company_id=fields.uuid(body, "company"),
        name=fields.text(body, "group", fields.LABEL_MOST),
        add=add,
        remove=remove,
    )


class ChargeBackVerb:
    """`two_persons.Verb`: takes money from employees, or with `won` gives it back as if it were
    paid, so never one operator's decision."""

    def __init__(self, works: CarryingOut) -> None:
        self._works = works

    def summary(self, body: Mapping[str, Any]) -> str:
        """See `Verb`."""
        refill_id, why = _charged_back(body)
        if fields.flag(body, "won"):
            return f"Give back what was taken of refill {refill_id}, its chargeback was won: {why}"
        return f"Take back refill {refill_id}, its payment was taken back: {why}"

    def needs_two(self, body: Mapping[str, Any]) -> bool:
        """See `Verb`."""
        return True

    async def make(self, told: "Told") -> None:
        """See `Verb`: nothing."""

    def command(self, told: "Told", made: None) -> Command:
        """See `Verb`."""
        refill_id, why = _charged_back(told.body)
        won = fields.flag(told.body, "won")
        decide = decide_refill.ChargebackWon if won else decide_refill.ChargeBack
        return decide(told.origin, self._works.deadline_us(), refill_id=refill_id, text=why)


def decided_by_two(work: Refills) -> Stored:
    """`two_persons.Stored`: the refill goes on, as by taking back what is still on accounts."""

    async def stored(body: Mapping[str, Any]) -> None:
        work.wake(fields.uuid(body, "refill"))

    return stored


def _charged_back(body: Mapping[str, Any]) -> tuple[UUID, str]:
    return fields.uuid(body, "refill"), fields.text(body, "why", fields.WHY_MOST)


class _Ordering:
    """An order: which lines, whether they are the company's, how they are paid."""

    def __init__(self, commands: "OperatorCommands", told: "Told") -> None:
        self._commands, self._told, self._body = commands, told, told.body
        self._outside = commands.outside
        self._company_id = fields.uuid(told.body, "company")

    async def order(self) -> Answer:
        """The order's answer; what is approved goes on by itself."""
        body, works = self._body, self._commands.works
        payment = await self._known_again(_payment(self._commands, body))
        source = fields.choice({"source": refills.FORM, **body}, "source", _SOURCES)
        group = _group_name(body)
        lines, checked = await self._lines(group)
        # By the file as it was given: also one whose lines are partly left out comes once.
        digests = await self._digests(lines) if source == refills.FILE else ()
        left_out: list[FailedLine] = []
        if fields.flag(body, "partial") or (len(lines) > refills.STEP_LINES and not checked):
            lines, left_out = await self._compared(lines, fields.flag(body, "partial"))
            checked = True
        answer = await works.carry_out(
            OrderRefill(
                self._told.origin,
                works.deadline_us(),
                company_id=self._company_id,
                lines=lines,
                payment=payment,
                terms=self._outside.refills.terms,
                source=source,
                group=group,
                checked=checked,
                left_out=left_out,
                file_digests=digests,
                again=fields.flag(body, "again"),
                last_day=fields.last_day(body),
            )
        )
        self._outside.refills.wake(UUID(answer["id"]))
        return answer

    async def _known_again(self, payment: Payment) -> Payment:
        """With the digests of its reference, where an operator saw the money."""
        if not (payment.confirmed and payment.reference):
            return payment
        hsm = self._outside.personalisation
        digests = await self._commands.works.in_lane(
            lambda: hsm.payment_digests(self._company_id, payment.reference)
        )
        return replace(payment, digests=digests)

    async def _lines(self, group: str) -> tuple[Sequence[Line], bool]:
        """The lines, and whether they are the company's own already."""
        body = self._body
        if "each_cents" not in body:
            if group:
                raise fields.Invalid("group", "goes with each_cents.")
            return fields.refill_lines(body), False
        if "lines" in body:
            raise fields.Invalid("lines", "or each_cents: give one of the two.")
        each = fields.cents(body, "each_cents", 1, refills.MOST_CENTS)
        accounts = await (self._of_group(group) if group else self._all_accounts())
        return [(account, each) for account in accounts], True

    async def _of_group(self, name: str) -> Sequence[UUID]:
        found = groups_id(self._company_id)

        def look(states: States, _: int) -> Sequence[UUID]:
            known = states.get(found, Groups)
            group = known.get(name) if known is not None else None
            return group.accounts if group is not None else ()

        works = self._commands.works
        accounts: Sequence[UUID]
        accounts = await works.through_engine(Read(found, look, works.deadline_us()))
        if not accounts:
            raise Denied("no-such-group", "This company has no accounts in a group of that name.")
        return accounts

    async def _all_accounts(self) -> Sequence[UUID]:
        accounts = await asyncio.to_thread(self._known)
        if not accounts:
            raise Denied("no-accounts", "This company has no accounts yet. Issue cards first.")
        if len(accounts) > refills.MOST_LINES:
            raise Denied(
                "refill-size",
                f"This company has {len(accounts):,} accounts and a refill at most"
                f" {refills.MOST_LINES:,}. Refill group by group.",
            )
        return accounts

    def _known(self) -> Sequence[UUID]:
        if not self._outside.catch_up():
            # An account that is not listed yet would go without its money, unnoticed.
            raise Denied(UNAVAILABLE, "The list of accounts is behind. Try again in a moment.")
        return self._outside.directory.account_ids(self._company_id)

    async def _compared(
        self, lines: Sequence[Line], partial: bool
    ) -> tuple[Sequence[Line], list[FailedLine]]:
        """The lines of the company's accounts. Raises Denied for others, unless `partial`."""
        known = frozenset(await asyncio.to_thread(self._known))
        faults = list(faults_of(lines, known.__contains__))
        if faults and not partial:
            texts = [text for _, text in faults]
            raise Denied("refill-lines", "Nothing was refilled:" + fields.some_of(texts))
        bad = {number for number, _ in faults}
        good = [line for number, line in enumerate(lines, start=1) if number not in bad]
        if not good:
            raise Denied("refill-lines", "No line of this refill can be credited.")
        reason = NOT_OF_COMPANY
        return good, [
            FailedLine(
                account_id=lines[number - 1][0],
                amount_cents=lines[number - 1][1],
                reason=reason if lines[number - 1][0] not in known else "twice",
            )
            for number in sorted(bad)
        ]

    async def _digests(self, lines: Sequence[Line]) -> tuple[bytes, ...]:
        """By what the same content is known again, in whatever order its lines are."""
        text = "\n".join(sorted(f"{account} {amount}" for account, amount in lines))
        content = sha256(text.encode()).hexdigest()
        hsm = self._outside.personalisation
        return await self._commands.works.in_lane(
            lambda: hsm.file_digests(self._company_id, content)
        )


_SOURCES = (refills.FORM, refills.FILE)


def _group_name(body: Mapping[str, Any]) -> str:
    return fields.text(body, "group", fields.LABEL_MOST) if body.get("group") else ""


def _payment(commands: "OperatorCommands", body: Mapping[str, Any]) -> Payment:
    """How it is paid. A card only where there is a processor, and never confirmed by hand."""
    method = fields.choice({"method": refills.BANK, **body}, "method", refills.METHODS)
    confirmed = fields.flag(body, "confirmed") and method != refills.CARD
    reference = fields.text(body, "reference", fields.LABEL_MOST) if body.get("reference") else ""
    token = ""
    if method == refills.CARD:
        if not commands.outside.refills.processor_name:
            raise Denied("no-processor", "No payment processor is set up. Pay by bank or check.")
        token = fields.text(body, "token", TOKEN_MOST)
        if any(run.isdigit() for run in _digit_runs(token)):
            raise fields.Invalid(
                "token", "looks like a card number. Give the processor's token: pm_…"
            )
    return Payment(method=method, token=token, confirmed=confirmed, reference=reference)


def _digit_runs(token: str) -> list[str]:
    """Parts of the token, without blanks and dashes, as long as a card number is."""
    plain = token.replace(" ", "").replace("-", "")
    return [plain[at : at + 12] for at in range(max(0, len(plain) - 11))]
