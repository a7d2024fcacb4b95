"""What is read of refills, schedules, groups and webhooks: `operator_ports.RefillReads`."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol
from uuid import UUID

from adapters.backend.holder_names import names_of_accounts
from adapters.backend.operator_ports import Denied, Rows
from adapters.backend.refill_story import story
from adapters.backend.refill_work import ordered_lines
from adapters.backend.webhooks import Webhooks
from adapters.reports.refill_pdf import invoice_pdf, receipt_pdf
from domain.aggregates import refill as refills
from domain.aggregates.company import Company
from domain.aggregates.group import Groups
from domain.aggregates.refill import Refill, RefillCredited, RefillFailed
from domain.aggregates.refill_undone import RefillGivenBack, RefillTakenBack
from domain.aggregates.schedule import ACTIVE, Schedule
from domain.aggregates.webhook import Webhook
from domain.books.bank import reference_of
from domain.event import Event

OF_ONE = ("refill", "refill-lines", "refill-steps")
LISTS = ("refills", *OF_ONE, "schedules", "groups", "webhooks")
OWNED = (*OF_ONE, "groups")
RECEIPT, INVOICE = "receipt", "invoice"
DOCUMENTS = (RECEIPT, INVOICE)
ENDED = "ended"
"""An active schedule after its last due date; nobody decided that, so no event says it."""
PAGE = 500
MEMBERS_SHOWN = 500


class Pages(Protocol):
    """`adapters.ledger_views.Listed`."""

    def get(self, id: UUID) -> Any | None: ...

    def pages(
        self, kind: str, parent: UUID | None = None, size: int = 100
    ) -> Iterator[list[Any]]: ...


class RefillLists:
    """`stream` gives the events of a refill; `trouble` why the processor could not be asked."""

    def __init__(
        self,
        pages: Pages,
        stream: Callable[[UUID], Sequence[Event]],
        webhooks: Webhooks,
        trouble: Callable[[UUID], str],
        issuer_name: str,
    ) -> None:
        self._pages, self._stream, self._webhooks = pages, stream, webhooks
        self._trouble, self._issuer_name = trouble, issuer_name

    def rows(self, what: str, of: UUID | None, most: int | None = None) -> Rows:
        """See the port."""
        if of is None and what in OWNED:
            raise Denied("invalid", f"A list of {what} is of something: give its id.")
        if what in OF_ONE:
            assert of is not None, "asked before"
            return self._of_one(what, self._refill(of), most)
        if what == "refills":
            companies: dict[UUID, str] = {}
            return [self._row(each, companies) for each in self._all(Refill, "refill", of)]
        if what == "schedules":
            return [_schedule_row(each) for each in self._all(Schedule, "schedule", of)]
        if what == "groups":
            return [
                {
                    "group": group.name,
                    "accounts": len(group.accounts),
                    "members": [str(account) for account in group.accounts[:MEMBERS_SHOWN]],
                }
                for each in self._all(Groups, "group", of)
                for group in each.groups.values()
            ]
        return self._told()

    def document(self, what: str, refill_id: UUID) -> bytes:
        """See the port."""
        refill = self._refill(refill_id)
        company = self._pages.get(refill.company_id)
        if not isinstance(company, Company):
            raise Denied("no-such-company", "The company of that refill is not listed yet.")
        if what == INVOICE:
            if not refill.fee_cents:
                raise Denied("no-fee", "No fee was charged for that refill.")
            if not refill.paid_cents:
                raise Denied("not-paid", "That refill was not paid: there is nothing to invoice.")
            return invoice_pdf(refill, company, self._issuer_name)
        if not refill.paid_cents:
            raise Denied("not-paid", "That refill was not paid: there is nothing to confirm.")
        lines = _line_rows(refill, self._stream(refill_id))
        return receipt_pdf(refill, company, lines, self._issuer_name)

    def _refill(self, refill_id: UUID) -> Refill:
        found = self._pages.get(refill_id)
        if not isinstance(found, Refill):
            raise Denied("no-such-refill", "There is no refill with that id.")
        return found

    def _of_one(self, what: str, refill: Refill, most: int | None) -> Rows:
        if what == "refill":
            return [{**self._row(refill, {}), "waits_because": self._trouble(refill.id)}]
        if what == "refill-steps":
            return story(self._stream(refill.id))
        rows = _line_rows(refill, self._stream(refill.id))[:most]
        names = names_of_accounts(
            self._pages.get, self._all, refill.company_id, [UUID(row["account"]) for row in rows]
        )
        return [{**row, "name": names.get(UUID(row["account"]), "")} for row in rows]

    def _row(self, refill: Refill, companies: dict[UUID, str]) -> dict[str, Any]:
        """As it is listed. `companies`: the names that were looked up before."""
        if refill.company_id not in companies:
            company = self._pages.get(refill.company_id)
            companies[refill.company_id] = company.name if isinstance(company, Company) else ""
        return _refill_row(refill, companies[refill.company_id])

    def _told(self) -> Rows:
        """What processors told, stored ones first, then what was refused since the start."""
        rows: Rows = [
            {
                "received_ms": each.received_us // 1000,
                "processor": each.processor,
                "event": each.event,
                "kind": each.kind,
                "refill": str(each.refill_id) if each.refill_id else "",
                "outcome": each.outcome,
            }
            for each in self._all(Webhook, "webhook", None)
        ]
        rows.sort(key=lambda row: row["received_ms"])
        return rows + [
            {
                "received_ms": at_us // 1000,
                "processor": processor,
                "event": "",
                "kind": "",
                "refill": "",
                "outcome": f"refused: {why}",
            }
            for at_us, processor, why in list(self._webhooks.refused)
        ]

    def _all(self, cls: Any, kind: str, parent: UUID | None) -> Iterator[Any]:
        for page in self._pages.pages(kind, parent, PAGE):
            for state in page:
                assert isinstance(state, cls)
                yield state


def _refill_row(refill: Refill, company_name: str) -> dict[str, Any]:
    return {
        "refill": str(refill.id),
        "status": refill.status,
        "company": str(refill.company_id),
        "company_name": company_name,
        "ordered_ms": refill.ordered_us // 1000,
        "source": refill.source,
        "group": refill.group,
        "schedule": str(refill.schedule_id) if refill.schedule_id else "",
        "due_on": refill.due_on,
        "last_day": refill.last_day,
        "accounts": refill.accounts,
        "total_cents": refill.total_cents,
        "fee_cents": refill.fee_cents,
        "method": refill.method,
        "processor": refill.processor,
        "reference": refill.reference,
        "payment_reference": reference_of(refill.id),
        "two_persons": refill.two_persons,
        "alone_before_cents": refill.alone_before_cents,
        "ordered_by": refill.ordered_by,
        "paid_by": refill.paid_by,
        "approved_by": refill.approved_by,
        "paid_cents": refill.paid_cents,
        "done_lines": refill.done_lines,
        "credited_lines": refill.credited_lines,
        "credited_cents": refill.credited_cents,
        "failed_lines": refill.failed_lines,
        "failed_cents": refill.failed_cents,
        "left_out_lines": refill.left_out_lines,
        "charged_back_cents": refill.charged_back_cents,
        "chargeback_won_cents": refill.won_cents,
        "looked_at_lines": refill.looked_at_lines,
        "taken_cents": refill.taken_cents,
        "receivable_cents": refill.receivable_cents,
        "fee_receivable_cents": refill.fee_receivable_cents,
        "fee_paid_apart_cents": refill.fee_paid_cents,
        "refund_due_cents": refill.unclaimed_cents,
        "refunded_cents": refill.refunded_cents,
        "inquiry": refill.inquiry,
        "why": refill.why,
    }


def _schedule_row(schedule: Schedule) -> dict[str, Any]:
    row = {
        "schedule": str(schedule.id),
        "status": schedule.status,
        "company": str(schedule.company_id),
        "group": schedule.group,
        "each_cents": schedule.each_cents,
        "method": schedule.method,
        "every": schedule.rule.every,
        "day": schedule.rule.day,
        "hour": schedule.rule.hour,
        "timezone": schedule.rule.timezone,
        "holidays": schedule.rule.holidays,
        "until": schedule.until,
        "runs": schedule.runs,
        "last_on": schedule.last_on if schedule.runs else "",
        "last_refill": str(schedule.last_refill_id) if schedule.last_refill_id else "",
        "last_why": schedule.last_why,
    }
    if schedule.status == ACTIVE:
        if schedule.coming is None:
            return row | {"status": ENDED}
        due_on, at_us = schedule.coming
        row |= {"next_on": due_on.isoformat(), "next_ms": at_us // 1000}
    return row


def _line_rows(refill: Refill, events: Sequence[Event]) -> Rows:
    """Every line in the order's order, then those that were left out of it, and what became of
    each."""
    lines = ordered_lines(events)
    places = {line.account_id: place for place, line in enumerate(lines)}
    outcomes: dict[int, dict[str, Any]] = {}
    left_out: list[Any] = []
    for event in events:
        match event:
            case RefillFailed(ordered=False):
                left_out += event.lines
            case RefillFailed():
                for bad in event.lines:
                    failed = {"outcome": "failed", "why": bad.reason}
                    outcomes[places[bad.account_id]] = failed
            case RefillCredited():
                for line in event.lines:
                    outcomes[places[line.account_id]] = {"outcome": "credited"}
            case RefillTakenBack():
                for line in event.lines:
                    row = outcomes[places[line.account_id]]
                    row["taken_cents"] = row.get("taken_cents", 0) + line.amount_cents
            case RefillGivenBack():
                for line in event.lines:
                    outcomes[places[line.account_id]]["taken_cents"] -= line.amount_cents
    open_outcome = "waiting" if refill.is_open or refill.status == refills.APPROVED else "no"
    rows = [
        {
            "line": number,
            "account": str(line.account_id),
            "amount_cents": line.amount_cents,
            **outcomes.get(number - 1, {"outcome": open_outcome}),
        }
        for number, line in enumerate(lines, start=1)
    ]
    return rows + [
        {
            "line": 0,
            "account": str(line.account_id),
            "amount_cents": line.amount_cents,
            "outcome": "left out",
            "why": line.reason,
        }
        for line in left_out
    ]
