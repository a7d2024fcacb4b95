"""Stripe text as readers deliver it: accepted in every usual shape, refused without leaking it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.magstripe import StripeError, luhn_ok, mask, read_stripe

PAN = "6039530000000016"
FREE = "10112345678"
T1 = f"%B{PAN}^DOE/JANE^2912725{FREE}?"
T2 = f";{PAN}=2912725{FREE}?"


def lrc(track: str) -> str:
    base, bits = (0x20, 0x3F) if track[0] == "%" else (0x30, 0x0F)
    total = 0
    for character in track:
        total ^= (ord(character) - base) & bits
    return chr(base + total)


def luhn_digit(digits: str) -> str:
    return next(d for d in "0123456789" if luhn_ok(digits + d))


@pytest.mark.parametrize(
    "text",
    [
        T2,
        T1,
        T1 + T2,
        T1.lower() + T2,
        f"  {T1}\r\n{T2}\r\n",
        T2 + lrc(T2),
        T1 + lrc(T1) + T2 + lrc(T2),
        T1 + lrc(T1) + "\n" + T2 + lrc(T2) + "\n",
        "%E?" + T2,
        T1 + ";E?",
        T1 + T2 + "+0123456789?",
        T1 + "\n" + T2 + lrc(T2) + "\n+E?\n",
    ],
)
def test_every_usual_shape_reads_the_same(text: str) -> None:
    stripe = read_stripe(text)
    assert (stripe.pan, stripe.expiry, stripe.service_code) == (PAN, "2912", "725")
    assert stripe.track2 == T2


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "empty"),
        (" \r\n", "empty"),
        ("x" * 600, "too-long"),
        ("hello", "unreadable"),
        ("%E?;E?", "unreadable"),
        (T2[:-1], "unreadable"),
        (f";{PAN}=2912?", "unreadable"),
        (f";{PAN}=2912725{'1' * 20}?", "too-long"),
        (f";{PAN[:-1]}7=2912725{FREE}?", "check-digit"),
        (f";{PAN}=2913725{FREE}?", "expiry"),
        (f";{PAN}=2900725{FREE}?", "expiry"),
        (T2 + "A", "lrc"),
        (T1 + f";{PAN}=2911725{FREE}?", "tracks-differ"),
        (f";{PAN}=29127２5{FREE}?", "unreadable"),
    ],
)
def test_what_cannot_be_read_says_why_and_nothing_more(text: str, code: str) -> None:
    with pytest.raises(StripeError) as refused:
        read_stripe(text)
    assert refused.value.code == code
    assert PAN[:8] not in str(refused.value)
    assert refused.value.__cause__ is None


def test_a_stripe_shows_first_six_and_last_four_at_most() -> None:
    stripe = read_stripe(T2)
    assert PAN not in repr(stripe)
    assert stripe.masked == mask(PAN) == "603953******0016"


@given(
    st.from_regex(r"[0-9]{15}", fullmatch=True), st.text(st.sampled_from("0123456789"), max_size=11)
)
def test_any_track_with_its_lrc_is_read_back(digits: str, free: str) -> None:
    pan = digits + luhn_digit(digits)
    track1, track2 = f"%B{pan}^A/B^2912725{free}?", f";{pan}=2912725{free}?"
    for text in (
        track2 + lrc(track2),
        track1 + lrc(track1) + track2 + lrc(track2),
        track1 + lrc(track1),
    ):
        assert read_stripe(text).track2 == track2


@given(st.text(max_size=120))
def test_noise_is_refused_and_never_crashes(noise: str) -> None:
    with pytest.raises(StripeError):
        read_stripe(";" + noise)
