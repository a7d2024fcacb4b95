"""A wrong amount is put right by compensating events; the balance never goes below zero."""

import pytest

from application.correct import CorrectPayment
from domain.aggregates.account import Account, DebitCorrected
from domain.aggregates.transaction import Corrected
from tests.unit.application import happened
from tests.unit.application.ledger_double import DEADLINE_US, Ledger, origin


def ledger() -> Ledger:
    return Ledger().given(
        happened.account_opened(),
        happened.credited(10_000),
        happened.authorized(4_500),
        happened.debited(4_500),
    )


def correct(amount_cents: int, number: int = 1, preview: bool = False) -> CorrectPayment:
    return CorrectPayment(
        origin(number),
        DEADLINE_US,
        transaction_id=happened.PAYMENT,
        amount_cents=amount_cents,
        why="typed 45.00 for 4.50",
        preview=preview,
    )


def balance(place: Ledger) -> int:
    account = place.states.get(happened.ACCOUNT, Account)
    assert account is not None
    return account.balance_cents


def test_the_difference_goes_back_to_the_account() -> None:
    place = ledger()
    answer, (payment, account) = place.when(correct(450))
    assert isinstance(payment, Corrected)
    assert (payment.from_cents, payment.to_cents, payment.corrects_version) == (4_500, 450, 1)
    assert isinstance(account, DebitCorrected)
    assert (account.change_cents, account.corrects_version) == (4_050, 3)
    assert balance(place) == 9_550
    assert answer["amount_cents"] == {"before": 4_500, "after": 450}
    assert answer["balance_cents"] == {"before": 5_500, "after": 9_550}


def test_a_correction_of_a_correction_names_the_events_of_the_first() -> None:
    place = ledger()
    place.when(correct(450))
    _, (payment, account) = place.when(correct(4_600, number=2))
    assert isinstance(payment, Corrected)
    assert (payment.from_cents, payment.corrects_version) == (450, 2)
    assert isinstance(account, DebitCorrected)
    assert (account.change_cents, account.corrects_version) == (-4_150, 4)
    assert balance(place) == 5_400


def test_the_same_correction_again_moves_nothing() -> None:
    place = ledger()
    place.when(correct(450))
    answer, events = place.when(correct(450))
    assert (answer["repeated"], answer["net_cents"], events) == (True, 450, [])
    assert balance(place) == 9_550


def test_a_preview_shows_before_and_after_and_stores_nothing() -> None:
    place = ledger()
    answer, events = place.when(correct(450, preview=True))
    assert (answer["preview"], events) == (True, [])
    assert answer["balance_cents"] == {"before": 5_500, "after": 9_550}
    answer, events = place.when(correct(450))
    assert len(events) == 2, "a preview does not use up the command's id"


@pytest.mark.parametrize(
    ("amount_cents", "code"),
    [(4_500, "no-change"), (-1, "amount"), (1 << 31, "amount"), (10_001, "balance")],
)
def test_what_cannot_be_right_is_refused(amount_cents: int, code: str) -> None:
    place = ledger()
    answer, events = place.when(correct(amount_cents))
    assert (answer.code, events) == (code, [])
    assert balance(place) == 5_500


def test_a_refused_payment_has_no_amount_to_correct() -> None:
    place = Ledger().given(happened.account_opened(), happened.declined())
    assert place.when(correct(450))[0].code == "not-approved"


def test_an_unknown_payment_is_refused() -> None:
    assert Ledger().when(correct(450))[0].code == "no-such-payment"
