"""Receipts and invoices as PDF, and the lines of a refill with what became of each."""

import re
import zlib
from base64 import a85decode
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from msgspec.structs import replace

from adapters.backend.operator_ports import Denied
from adapters.backend.refill_reads import RefillLists
from adapters.reports.refill_pdf import MOST_LINES, invoice_pdf, receipt_pdf
from application.decide_refill import CancelRefill
from application.pay_fee import PayFee
from application.payment_processor import DISPUTED
from application.payment_processor import PAID as CHARGED
from application.refill import Payment, Terms
from domain.aggregates.company import Company
from domain.aggregates.refill import Refill
from domain.aggregates.schedule import Schedule
from tests.unit.application.happened import ACCOUNT, COMPANY
from tests.unit.application.ledger_double import DEADLINE_US, Ledger, origin
from tests.unit.application.refilling import (
    BY_CARD,
    FOREIGN,
    SECOND,
    charged,
    credited_by_card,
    ledger,
    order,
    refill_of,
    state,
    step_back,
)
from tests.unit.application.refilling import LINES as BY_CARD_LINES
from tests.unit.application.test_schedule import added as scheduled
from tests.unit.application.test_schedule import run


def text_of(pdf: bytes) -> str:
    """The texts that the pages of one of our documents show."""
    pieces = re.findall(rb"stream\n(.*?)endstream", pdf, re.DOTALL)
    opened = (zlib.decompress(a85decode(b"<~" + piece.strip(), adobe=True)) for piece in pieces)
    return b"\n".join(opened).decode("latin-1")


class PagesDouble:
    def __init__(self, place: Ledger) -> None:
        self._place = place

    def get(self, id: UUID) -> Any | None:
        return self._place.states.get(id, Refill) or self._place.states.get(id, Company)

    def pages(self, kind: str, parent: UUID | None = None, size: int = 100) -> Iterator[list[Any]]:
        found = {event.originator_id for event in self._place.log.events}
        yield [each for each in map(self.get, found) if isinstance(each, Refill)]


class NoWebhooks:
    refused: tuple[Any, ...] = ()


def lists(place: Ledger) -> RefillLists:
    webhooks: Any = NoWebhooks()
    return RefillLists(
        PagesDouble(place),
        lambda refill_id: place.log.load([refill_id]).get(refill_id, []),
        webhooks,
        lambda _: "",
        "TicketRestaurant US",
    )


def paid(**facts: Any) -> tuple[Ledger, Refill]:
    place = ledger()
    answer, _ = place.when(order((ACCOUNT, 5_000), (SECOND, 700), **facts))
    return place, refill_of(place, answer)


def test_a_receipt_says_what_was_paid_and_what_became_of_it() -> None:
    place, refill = paid(terms=Terms(fee_cents=150))
    pdf = lists(place).document("receipt", refill.id)
    text = text_of(pdf)
    for said in ("Acme Widgets", "$58.50", "$57.00", "$1.50", "WIRE-7", str(ACCOUNT), "credited"):
        assert said in text
    assert "SANDBOX" not in text
    assert pdf == lists(place).document("receipt", refill.id), "the same bytes again"


def test_an_invoice_is_of_the_fee() -> None:
    place, refill = paid(terms=Terms(fee_cents=150))
    text = text_of(lists(place).document("invoice", refill.id))
    assert f"FEE-{refill.id}" in text
    assert "$1.50" in text
    assert "$57.00" not in text


@pytest.mark.parametrize(("paid_cents", "open_"), [(0, "$2.50"), (100, "$1.50"), (250, "$0.00")])
def test_an_invoice_says_what_is_open_after_a_chargeback(paid_cents: int, open_: str) -> None:
    place, id = credited_by_card(Terms(fee_cents=250))
    charged(place, id, 3, DISPUTED, 11_250)
    if paid_cents:
        place.when(
            PayFee(origin(4), DEADLINE_US, refill_id=id, amount_cents=paid_cents, text="WIRE-9")
        )
    text = text_of(lists(place).document("invoice", id))
    assert open_ in text[text.index("(Open)") :]
    assert ("Paid since" in text) == bool(paid_cents)


def test_an_invoice_of_an_order_that_was_given_up_charges_nothing() -> None:
    place, refill = paid(payment=BY_CARD, terms=Terms(alone_most_cents=0, fee_cents=150))
    charged(place, refill.id, 2, CHARGED, 5_850)
    place.when(CancelRefill(origin(3), DEADLINE_US, refill_id=refill.id, text="x"))
    text = text_of(lists(place).document("invoice", refill.id))
    assert "Nothing: the order was given up" in text
    assert "(Open)" not in text
    assert "(Paid)" not in text


def test_no_document_of_what_was_not_paid() -> None:
    place, refill = paid(payment=Payment(), terms=Terms(fee_cents=150))
    for what in ("receipt", "invoice"):
        with pytest.raises(Denied, match="not-paid"):
            lists(place).document(what, refill.id)
    place, refill = paid()
    with pytest.raises(Denied, match="no-fee"):
        lists(place).document("invoice", refill.id)
    with pytest.raises(Denied, match="no-such-refill"):
        lists(place).document("receipt", ACCOUNT)


def test_the_sandboxs_receipt_says_that_no_money_moved() -> None:
    place, id = credited_by_card()
    assert "SANDBOX: no money moved" in text_of(lists(place).document("receipt", id))


def test_names_that_look_like_markup_stay_names() -> None:
    place, refill = paid()
    company = place.states.get(COMPANY, Company)
    assert company is not None
    odd = replace(company, name='<b>A</b> & "B" <img src="file:///etc/passwd"/>')
    for pdf in (receipt_pdf(refill, odd, [], "I"), invoice_pdf(refill, odd, "I")):
        shown = "".join(re.findall(r"\((.*?)\) Tj", text_of(pdf)))
        assert odd.name in shown


def test_a_long_receipt_names_the_lines_that_failed() -> None:
    place, refill = paid()
    company = place.states.get(COMPANY, Company)
    assert company is not None
    lines: list[dict[str, Any]] = [
        {"line": n, "account": "A", "amount_cents": 1, "outcome": "credited"}
        for n in range(1, MOST_LINES + 2)
    ]
    lines[7] = {**lines[7], "account": str(FOREIGN), "outcome": "failed", "why": "unknown-account"}
    text = text_of(receipt_pdf(refill, company, lines, "I"))
    assert str(FOREIGN) in text
    assert "unknown-account" in text
    assert len(text) < 20_000


def test_each_line_tells_what_became_of_it() -> None:
    place, id = credited_by_card()
    assert [row["outcome"] for row in lists(place).rows("refill-lines", id)] == ["credited"] * 2
    charged(place, id, 3, "charged-back")
    place.when(step_back(state(place, id), BY_CARD_LINES))
    rows = lists(place).rows("refill-lines", id)
    assert [row["taken_cents"] for row in rows] == [6_000, 5_000]
    (row,) = lists(place).rows("refill", id)
    assert (row["status"], row["taken_cents"]) == ("charged-back", 11_000)


def test_a_list_of_something_needs_its_owner() -> None:
    with pytest.raises(Denied):
        lists(ledger()).rows("refill", None)


def test_a_fee_that_is_owed_is_shown() -> None:
    place, id = credited_by_card(Terms(fee_cents=250))
    charged(place, id, 3, DISPUTED, 11_250)
    place.when(step_back(state(place, id), BY_CARD_LINES))
    (row,) = lists(place).rows("refill", id)
    assert (row["receivable_cents"], row["fee_receivable_cents"]) == (250, 250)
    assert "Of that, our fee" in text_of(lists(place).document("receipt", id))


class SchedulesDouble(PagesDouble):
    def pages(self, kind: str, parent: UUID | None = None, size: int = 100) -> Iterator[list[Any]]:
        found = {event.originator_id for event in self._place.log.events}
        yield [state for each in found if (state := self._place.states.get(each, Schedule))]


def test_a_schedule_after_its_last_day_is_listed_as_ended() -> None:
    place, schedule = scheduled(until="2026-10-02")
    webhooks: Any = NoWebhooks()
    read = RefillLists(SchedulesDouble(place), lambda _: [], webhooks, lambda _: "", "x")
    (row,) = read.rows("schedules", None)
    assert (row["status"], row["until"], row["next_on"] <= "2026-10-02") == (
        "active", "2026-10-02", True,
    )  # fmt: skip
    for due_on in ("2026-09-25", "2026-10-02"):
        run(place, schedule, due_on)
    (row,) = read.rows("schedules", None)
    assert (row["status"], row["last_on"], "next_on" in row) == ("ended", "2026-10-02", False)
