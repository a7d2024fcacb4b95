"""Which passwords may be chosen, and how they are kept."""

import asyncio

import pytest

from adapters.web.logins import plain_email
from adapters.web.passwords import Passwords, TooBusy, why_refused


@pytest.mark.parametrize(
    "password",
    [
        "short", "", "            ", "aaaaaaaaaaaaaaa", "abcabcabcabc", "Password1234",
        "TicketRestaurant", "1234567890123", "joe@example.com", "x" * 129,
    ],
)  # fmt: skip
def test_a_weak_password_is_refused_with_a_reason(password: str) -> None:
    why = why_refused(password, email="joe@example.com")
    assert why
    assert password not in why or not password.strip()


@pytest.mark.parametrize(
    "password", ["three unrelated words", "päron 🍐 och äpple", "x7#kQ!m2Wz$p"]
)
def test_a_good_password_is_taken(password: str) -> None:
    assert why_refused(password, email="joe@example.com") is None


def test_the_hash_is_argon2id_with_our_parameters_and_salted() -> None:
    passwords = Passwords()
    first = asyncio.run(passwords.hash("three unrelated words"))
    second = asyncio.run(passwords.hash("three unrelated words"))
    assert first.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert first != second
    assert asyncio.run(passwords.verify(first, "three unrelated words"))
    assert not asyncio.run(passwords.verify(first, "three unrelated word"))
    assert not asyncio.run(passwords.verify(None, "nobody has this password"))
    assert not asyncio.run(passwords.verify("no hash at all", "three unrelated words"))


def test_the_same_characters_match_however_they_were_typed() -> None:
    passwords = Passwords()
    composed = asyncio.run(passwords.hash("caf\u00e9 and more words"))
    assert asyncio.run(passwords.verify(composed, "cafe\u0301 and more words"))


def test_a_crowd_is_turned_away_rather_than_queued_without_end() -> None:
    passwords = Passwords()

    async def crowd() -> list[bool | BaseException]:
        tries = (passwords.verify(None, "guess") for _ in range(24))
        return await asyncio.gather(*tries, return_exceptions=True)

    outcomes = asyncio.run(crowd())
    assert sum(isinstance(outcome, TooBusy) for outcome in outcomes) == 8


@pytest.mark.parametrize(
    ("text", "email"),
    [
        (" Joe@Example.COM ", "joe@example.com"),
        ("a.b+c@sub.example.co", "a.b+c@sub.example.co"),
        ("joe", None),
        ("joe@localhost", None),
        ("joe@example..com", None),
        ("@example.com", None),
        ("joe@example.com\r\nBcc: x@y.z", None),
        ("j oe@example.com", None),
        ("x" * 250 + "@example.com", None),
    ],
)
def test_an_address_is_compared_in_one_form(text: str, email: str | None) -> None:
    assert plain_email(text) == email
