"""The demo's forged stripe is right in all but its verification value."""

from adapters.cli.demo.counter import Tally, forged
from devices.magstripe import read_stripe

TRACKS = "%B9840001234567892^RUIZ/ANA^29117271 0112345678?;9840001234567892=29117271 0112345678?\n"
GENUINE = TRACKS.replace(" ", "")


def test_a_forged_stripe_is_read_without_complaint_and_differs_in_the_last_eight_digits() -> None:
    genuine, made_up = read_stripe(GENUINE), read_stripe(forged(GENUINE))
    assert (made_up.pan, made_up.expiry, made_up.service_code) == (
        genuine.pan,
        genuine.expiry,
        genuine.service_code,
    )
    assert made_up.discretionary[:-8] == genuine.discretionary[:-8]
    assert made_up.discretionary[-8:] == "23456789"
    assert forged(GENUINE).count("23456789?") == 2


def test_an_undecided_payment_is_neither_approved_nor_refused() -> None:
    tally = Tally()
    for outcome in ({"approved": True, "code": "00"}, {"code": "51"}, {"code": "91"}):
        tally.count(outcome)
    assert (tally.approved, tally.refused) == (1, 1)
