"""A stripe that the HSM wrote is believed, and no other."""

import re

import pytest

from adapters.hsm.card_verification import (
    SERVICE_CODE,
    CardVerification,
    Track2,
    TrackFault,
    draw_pan,
    stripe_name,
)
from adapters.hsm.token import Token
from devices.magstripe import read_stripe
from domain import pan as pans

PAN = pans.make("508900", 123_456_789)


@pytest.fixture
def cards(token: Token) -> CardVerification:
    return CardVerification(token)


@pytest.fixture
def track2(cards: CardVerification) -> str:
    return cards.make_tracks(PAN, "DOE/JANE", "2911", SERVICE_CODE, 3)[1]


def test_a_stripe_of_ours_is_believed(cards: CardVerification, track2: str) -> None:
    found = cards.verify_track2(track2)
    assert found == Track2(PAN, "2911", SERVICE_CODE, 3)
    assert PAN not in repr(found)


def test_its_layout_is_that_of_iso_7813(cards: CardVerification) -> None:
    track1, track2 = cards.make_tracks(PAN, "DOE/JANE", "2911", "725", 3)
    assert re.fullmatch(rf"%B{PAN}\^DOE/JANE\^2911725103[0-9]{{8}}\?", track1)
    assert re.fullmatch(rf";{PAN}=2911725103[0-9]{{8}}\?", track2)
    assert len(track1) + 1 <= 79
    assert len(track2) + 1 <= 40
    assert track1[-12:] == track2[-12:]


def test_the_reader_of_the_terminals_understands_it(cards: CardVerification) -> None:
    track1, track2 = cards.make_tracks(PAN, "DOE/JANE", "2911", SERVICE_CODE, 3)
    assert read_stripe(track1 + track2).track2 == track2
    assert read_stripe(track1).track2 == track2


@pytest.mark.parametrize(
    ("place", "name"),
    [(18, "expiry"), (21, "service code"), (26, "sequence"), (30, "verification value")],
)
def test_a_changed_digit_is_a_forgery(
    cards: CardVerification, track2: str, place: int, name: str
) -> None:
    digit = str((int(track2[place]) + 1) % 10)
    assert cards.verify_track2(track2[:place] + digit + track2[place + 1 :]) in (
        TrackFault.CARD_CHECK,
        TrackFault.EXPIRY,
    )


def test_the_value_of_one_card_is_none_for_another(cards: CardVerification, track2: str) -> None:
    other = pans.make("508900", 123_456_788)
    assert cards.verify_track2(track2.replace(PAN, other)) is TrackFault.CARD_CHECK


def test_a_re_issue_has_another_value(cards: CardVerification, track2: str) -> None:
    again = cards.make_tracks(PAN, "DOE/JANE", "2911", SERVICE_CODE, 4)[1]
    assert again[-9:] != track2[-9:]


def test_another_key_version_is_a_forgery(cards: CardVerification, track2: str) -> None:
    assert cards.verify_track2(track2[:25] + "2" + track2[26:]) is TrackFault.CARD_CHECK


def test_a_wrong_check_digit_is_named(cards: CardVerification, track2: str) -> None:
    wrong = PAN[:-1] + str((int(PAN[-1]) + 1) % 10)
    assert cards.verify_track2(track2.replace(PAN, wrong)) is TrackFault.CHECK_DIGIT


@pytest.mark.parametrize(
    "change",
    [
        lambda track: "",
        lambda track: track[1:],
        lambda track: track[:-1],
        lambda track: track + "?",
        lambda track: track.replace("=", "D"),
        lambda track: track.replace("5", "٥", 1),
        lambda track: track + "\n",
        lambda track: track * 1000,
    ],
)
def test_anything_else_is_no_track(cards: CardVerification, track2: str, change: object) -> None:
    assert callable(change)
    assert cards.verify_track2(change(track2)) is TrackFault.FORMAT


@pytest.mark.parametrize(
    ("pan", "name", "expiry", "service_code", "sequence"),
    [
        ("5089001234567891", "DOE/JANE", "2911", "727", 1),
        (PAN, "DOE^JANE", "2911", "727", 1),
        (PAN, "D", "2911", "727", 1),
        (PAN, "DOE/JANE", "2913", "727", 1),
        (PAN, "DOE/JANE", "2911", "72", 1),
        (PAN, "DOE/JANE", "2911", "727", 100),
    ],
)
def test_what_a_stripe_cannot_carry_is_not_made(
    cards: CardVerification, pan: str, name: str, expiry: str, service_code: str, sequence: int
) -> None:
    with pytest.raises(ValueError):
        cards.make_tracks(pan, name, expiry, service_code, sequence)


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        ("Jane", "Doe", "DOE/JANE"),
        ("Zoë", "O'Neil-Łukasz", "O'NEIL-UKASZ/ZOE"),
        ("Ana María", "de la Cruz", "DE LA CRUZ/ANA MARIA"),
        ("美", "王", "CARDHOLDER"),
        ("A" * 30, "B" * 30, "B" * 26),
        ("%^?;", "=", "CARDHOLDER"),
    ],
)
def test_names_are_written_as_track_1_can(first: str, last: str, expected: str) -> None:
    assert stripe_name(first, last) == expected


def test_drawn_numbers_are_card_numbers_and_differ() -> None:
    drawn = {draw_pan("508900") for _ in range(50)}
    assert len(drawn) == 50
    assert all(pans.parse(pan) == pan for pan in drawn)
