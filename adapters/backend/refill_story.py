"""What happened to a refill, step by step, read from its own events: when, what, by whom."""

from collections.abc import Sequence
from typing import Any, Final

from adapters.backend.operator_ports import Rows
from domain.aggregates import refill as refills
from domain.aggregates import refill_undone as undone
from domain.event import Event

_WORK: Final = ("credited", "failed", "taken-back", "given-back")
"""Done some lines at a time: as many events, one step."""


def story(events: Sequence[Event]) -> Rows:
    """A row each: `at_ms`, of many lines when the last was done, `what`, `by`, `amount_cents`,
    `lines` and `why`, where there are any."""
    rows: Rows = []
    for event in events:
        told = _told(event)
        if told is None:
            continue
        row = {"at_ms": event.occurred_at_us // 1000, "by": event.actor, **told}
        before = _going_on(rows, row["what"])
        if before is None:
            rows.append(row)
        else:
            before["at_ms"] = row["at_ms"]
            before["amount_cents"] += row["amount_cents"]
            before["lines"] += row["lines"]
    return rows


def _going_on(rows: Rows, what: str) -> dict[str, Any] | None:
    """The row that this is more of: nothing else happened since but work on other lines."""
    for row in reversed(rows):
        if what not in _WORK or row["what"] not in _WORK:
            return None
        if row["what"] == what:
            return row
    return None


def _told(event: Event) -> dict[str, Any] | None:
    """What an event says; None for what nobody asks about."""
    match event:
        case refills.RefillOrdered():
            due_cents = event.total_cents + event.fee_cents
            return {"what": "ordered", "by": event.ordered_by, "amount_cents": due_cents}
        case refills.RefillPaid():
            facts = {"what": "paid", "by": event.paid_by, "amount_cents": event.amount_cents}
            return {**facts, "why": event.reference}
        case refills.RefillApproved():
            return {"what": "approved", "by": event.approved_by}
        case refills.RefillRejected():
            return {"what": "rejected", "by": event.rejected_by, "why": event.why}
        case refills.RefillCancelled():
            return {"what": "cancelled", "by": event.cancelled_by, "why": event.why}
        case refills.RefillCredited():
            return _lines("credited", event.total_cents, len(event.lines))
        case refills.RefillFailed():
            what = "failed" if event.ordered else "left-out"
            return _lines(what, event.total_cents, len(event.lines))
        case _:
            return _undone(event)


def _undone(event: Event) -> dict[str, Any] | None:
    match event:
        case undone.RefillChargedBack():
            return _moved("charged-back", event.amount_cents, event.why)
        case undone.RefillTakenBack():
            return _lines("taken-back", event.taken_cents, len(event.lines))
        case undone.RefillChargebackWon():
            return _moved("chargeback-won", event.amount_cents, event.why)
        case undone.RefillGivenBack():
            return _lines("given-back", event.given_cents, len(event.lines))
        case undone.RefillRefunded():
            return _moved("refunded", event.amount_cents, event.reference)
        case undone.RefillFeePaid():
            return {**_moved("fee-paid", event.amount_cents, event.reference), "by": event.paid_by}
        case undone.RefillInquired():
            what = "inquiry-closed" if event.closed else "inquiry"
            return _moved(what, event.amount_cents, event.reason)
        case _:
            return None


def _moved(what: str, amount_cents: int, why: str) -> dict[str, Any]:
    return {"what": what, "amount_cents": amount_cents, "why": why}


def _lines(what: str, amount_cents: int, lines: int) -> dict[str, Any]:
    return {"what": what, "amount_cents": amount_cents, "lines": lines}
