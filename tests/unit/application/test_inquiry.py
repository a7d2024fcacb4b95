"""An inquiry of the cardholder's bank is seen and moves nothing; a dispute that follows does."""

import pytest

from application.payment_processor import DISPUTED, INQUIRY, INQUIRY_CLOSED, WON
from tests.unit.application.refilling import balance, credited_by_card, state
from tests.unit.application.test_charge_back import books_of
from tests.unit.application.test_charge_back_won import told

OPEN, BEFORE = "nothing was taken; answer it", "told before"


@pytest.mark.parametrize(
    ("kinds", "outcomes", "shown"),
    [
        ([INQUIRY], [OPEN], "x"),
        ([INQUIRY, INQUIRY], [OPEN, BEFORE], "x"),
        ([INQUIRY, INQUIRY_CLOSED], [OPEN, "was closed"], ""),
        ([INQUIRY_CLOSED, INQUIRY, INQUIRY_CLOSED], ["was closed", BEFORE, BEFORE], ""),
    ],
)
def test_an_inquiry_is_shown_and_moves_nothing(
    kinds: list[str], outcomes: list[str], shown: str
) -> None:
    place, id = credited_by_card()
    books = books_of(place)
    for number, (kind, outcome) in enumerate(zip(kinds, outcomes, strict=True), start=3):
        assert outcome in told(place, id, number, kind)
    refill = state(place, id)
    assert (refill.status, refill.inquiry, refill.at_work) == ("credited", shown, False)
    assert (balance(place), books_of(place)) == (6_000, books)


def test_an_inquiry_may_become_a_chargeback() -> None:
    place, id = credited_by_card()
    told(place, id, 3, INQUIRY)
    assert told(place, id, 4, DISPUTED) == "charged back"
    assert (state(place, id).status, state(place, id).inquiry) == ("charged-back", "")
    assert BEFORE in told(place, id, 5, INQUIRY)
    told(place, id, 6, WON)
    assert BEFORE in told(place, id, 7, INQUIRY)
    assert state(place, id).inquiry == ""
