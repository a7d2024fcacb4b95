"""What credits lose by expiry, followed through being reactivated and expiring once more."""

from domain import gone
from domain.lots import Lot

MARCH, APRIL, MAY = "2026-03-31", "2026-04-30", "2026-05-31"


def of(found: tuple[gone.Gone, ...], last_day: str) -> int:
    return gone.cents(found, (), last_day)


def test_what_expires_is_gone_from_the_credits_through_that_day_alone() -> None:
    found = gone.expired(gone.expired((), MARCH, 500), MARCH, 20)
    assert (of(found, MARCH), of(found, APRIL), of(found, "")) == (520, 0, 0)


def test_what_is_not_booked_yet_counts_as_well() -> None:
    found = gone.expired((), MARCH, 500)
    assert gone.cents(found, [Lot(MARCH, 30, 2), Lot(APRIL, 7, 3)], MARCH) == 530


def test_what_is_reactivated_is_back_and_expires_with_its_new_day() -> None:
    back = gone.reactivated(gone.expired((), MARCH, 500), MARCH, APRIL, 500)
    assert (of(back, MARCH), of(back, APRIL)) == (0, 0)
    again = gone.expired(back, APRIL, 400)
    assert (of(again, MARCH), of(again, APRIL)) == (400, 400)
    twice = gone.expired(gone.reactivated(again, APRIL, MAY, 400), MAY, 300)
    assert (of(twice, MARCH), of(twice, APRIL), of(twice, MAY)) == (300, 300, 300)


def test_less_than_nothing_is_never_gone() -> None:
    assert of(gone.reactivated((), MARCH, APRIL, 10), MARCH) == 0
