"""A payment that an operator confirmed pays for one refill of a company."""

from typing import Any
from uuid import UUID

import pytest

from application.decide_refill import CancelRefill, ConfirmPayment
from application.payment_reference import REFERENCE_CLAIM, same_reference
from application.refill import Payment
from tests.unit.application.happened import ACCOUNT
from tests.unit.application.ledger_double import DEADLINE_US, Ledger, origin
from tests.unit.application.refilling import balance, ledger, order, refill_of


def paid(*digests: bytes) -> Payment:
    """By a transfer that is known by these."""
    return Payment(confirmed=True, reference="WIRE-7", digests=digests)


def confirm(place: Ledger, number: int, refill: dict[str, Any], *digests: bytes) -> Any:
    """The answer to an operator who saw the money."""
    return place.when(
        ConfirmPayment(
            origin(number),
            DEADLINE_US,
            refill_id=UUID(refill["id"]),
            text="WIRE-7",
            digests=digests,
        )
    )


def test_the_same_payment_pays_for_one_order() -> None:
    place = ledger()
    first, _ = place.when(order((ACCOUNT, 2_000), payment=paid(b"7")))
    assert place.log.claims[REFERENCE_CLAIM, b"7"] == UUID(first["id"])
    no, events = place.when(order((ACCOUNT, 2_000), number=2, payment=paid(b"7")))
    assert (no.code, events) == ("reference-used", [])
    assert first["id"] in no.text and "WIRE-7/2" in no.text
    other, _ = place.when(order((ACCOUNT, 2_000), number=3, payment=paid(b"7/2")))
    assert (other["status"], balance(place)) == ("credited", 4_000)


def test_the_same_order_again_still_gets_its_answer() -> None:
    place = ledger()
    first, _ = place.when(order((ACCOUNT, 2_000), payment=paid(b"7")))
    again, events = place.when(order((ACCOUNT, 2_000), payment=paid(b"7")))
    assert (again, events) == ({**first, "repeated": True}, [])


def test_a_payment_that_is_confirmed_later_is_the_same_payment() -> None:
    place = ledger()
    one, two = (place.when(order((ACCOUNT, 2_000), number=n, payment=Payment()))[0] for n in (1, 2))
    answer, _ = confirm(place, 3, one, b"7")
    assert answer["status"] == "approved"
    assert confirm(place, 3, one, b"7")[0] == {**answer, "repeated": True}
    no, events = confirm(place, 4, two, b"7")
    assert (no.code, events, refill_of(place, two).paid_cents) == ("reference-used", [], 0)
    assert place.when(order((ACCOUNT, 1), number=5, payment=paid(b"7")))[0].code == "reference-used"
    assert confirm(place, 6, two, b"8")[0]["status"] == "approved"


def test_what_was_not_confirmed_claims_nothing() -> None:
    place = ledger()
    made, _ = place.when(order((ACCOUNT, 2_000), payment=Payment()))
    place.when(CancelRefill(origin(2), DEADLINE_US, refill_id=UUID(made["id"]), text="x"))
    assert confirm(place, 3, made, b"7")[0].code == "already-decided"
    assert (REFERENCE_CLAIM, b"7") not in place.log.claims


def test_a_payment_is_known_again_by_an_older_key() -> None:
    place = ledger()
    place.when(order((ACCOUNT, 2_000), payment=paid(b"old")))
    no, _ = place.when(order((ACCOUNT, 2_000), number=2, payment=paid(b"new", b"old")))
    assert no.code == "reference-used"


@pytest.mark.parametrize(
    ("given", "same"),
    [("wire-7", True), (" WIRE-7  ", True), ("WIRE-7/2", False), ("WIRE7", False)],
)
def test_case_and_blanks_make_no_other_payment(given: str, same: bool) -> None:
    assert (same_reference(given) == same_reference("WIRE-7")) == same
