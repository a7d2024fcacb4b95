"""A person gets an account and cards in one command, once, under numbers nobody else has."""

from uuid import UUID

from application.authorize import CARD_NUMBER
from application.command import Refused
from application.erase import EraseCardholder
from application.issue import NUMBER_TAKEN, Issue, NewCard, Person, card_id
from application.register import IssuedCertificate
from domain.aggregates.account import AccountOpened
from domain.aggregates.card import CardIssued
from domain.aggregates.cardholder import CardholderRegistered
from domain.aggregates.certificate import CertificateIssued
from domain.ids import partition_of
from tests.unit.application.happened import COMPANY, company_registered
from tests.unit.application.ledger_double import DEADLINE_US, NOW_MS, NOW_US, Ledger, origin

PARTITION = 77


def certificate() -> IssuedCertificate:
    return IssuedCertificate(
        role="card", serial="1f", fingerprint=b"f" * 32, not_before_us=NOW_US, not_after_us=NOW_US
    )


def issue(
    number: int = 1,
    stripe: bytes = b"s" * 32,
    virtual: bytes = b"v" * 32,
    email_digests: tuple[bytes, ...] = (),
    another: bool = False,
) -> Issue:
    masked, expiry = "984000******1234", "2911"
    return Issue(
        origin(number),
        DEADLINE_US,
        partition=PARTITION,
        company_id=COMPANY,
        person=Person(first_name="Ana", last_name="Núñez", email="ana@example.com"),
        cards=[
            NewCard(kind="stripe", digest=stripe, masked_pan=masked, expiry=expiry),
            NewCard(
                kind="virtual",
                digest=virtual,
                masked_pan=masked,
                expiry=expiry,
                certificate=certificate(),
            ),
        ],
        email_digests=email_digests,
        another=another,
    )


def test_all_of_a_person_is_stored_in_one_partition() -> None:
    answer, events = Ledger().given(company_registered()).when(issue())
    assert [type(event) for event in events] == [
        CardholderRegistered,
        AccountOpened,
        CardIssued,
        CardIssued,
        CertificateIssued,
    ]
    assert {partition_of(event.originator_id) for event in events} == {PARTITION}
    assert [card["kind"] for card in answer["cards"]] == ["stripe", "virtual"]
    assert answer["account"] == str(events[1].originator_id)


def test_the_account_takes_time_zone_and_limit_of_the_company() -> None:
    _, events = Ledger().given(company_registered()).when(issue())
    opened = events[1]
    assert isinstance(opened, AccountOpened)
    assert (opened.timezone, opened.daily_limit_cents) == ("America/New_York", 20_000)


def test_a_card_has_the_id_that_its_certificate_was_made_for() -> None:
    _, events = Ledger().given(company_registered()).when(issue())
    foretold = card_id("virtual", origin().command_id, NOW_MS, PARTITION)
    assert events[3].originator_id == foretold
    assert isinstance(events[4], CertificateIssued)
    assert events[4].subject_id == foretold


def test_the_card_number_leads_to_the_card() -> None:
    ledger = Ledger().given(company_registered())
    answer, _ = ledger.when(issue())
    owner = ledger.states.owner(CARD_NUMBER, b"s" * 32)
    assert str(owner) == answer["cards"][0]["card"]


def test_the_same_command_again_issues_nothing_and_names_the_same_cards() -> None:
    ledger = Ledger().given(company_registered())
    first, _ = ledger.when(issue())
    again, events = ledger.when(issue())
    assert events == []
    assert again == {**first, "repeated": True}


def test_a_number_that_is_taken_is_refused_so_that_another_is_drawn() -> None:
    ledger = Ledger().given(company_registered())
    ledger.when(issue(1))
    answer, events = ledger.when(issue(2, virtual=b"w" * 32))
    assert answer.code == NUMBER_TAKEN
    assert events == []
    answer, events = ledger.when(issue(2, stripe=b"t" * 32, virtual=b"w" * 32))
    assert len(events) == 5


def test_two_cards_of_one_command_cannot_share_a_number() -> None:
    answer, _ = Ledger().given(company_registered()).when(issue(virtual=b"s" * 32))
    assert answer.code == NUMBER_TAKEN


def test_an_unknown_company_gets_no_cards() -> None:
    answer, events = Ledger().when(issue())
    assert isinstance(answer, Refused)
    assert (answer.code, events) == ("no-such-company", [])


OLD, NEW, T, W = b"o" * 32, b"n" * 32, b"t" * 32, b"w" * 32


def test_a_person_of_the_company_gets_no_second_account_by_mistake() -> None:
    ledger = Ledger().given(company_registered())
    ledger.when(issue(1, email_digests=(OLD,)))
    answer, events = ledger.when(issue(2, T, W, email_digests=(OLD,)))
    assert (answer.code, events) == ("has-cards", [])
    assert "--another" in answer.text
    answer, events = ledger.when(issue(3, T, W, email_digests=(NEW, OLD)))
    assert (answer.code, events) == ("has-cards", []), "also after the key of hashes was rotated"
    answer, events = ledger.when(issue(4, T, W, email_digests=(OLD,), another=True))
    assert len(events) == 5


def test_the_address_of_an_erased_person_is_free() -> None:
    ledger = Ledger().given(company_registered())
    answer, _ = ledger.when(issue(1, email_digests=(OLD,)))
    erase = EraseCardholder(
        origin(7), DEADLINE_US, cardholder_id=UUID(answer["cardholder"]), why="asked for it"
    )
    ledger.when(erase)
    second = issue(2, stripe=b"t" * 32, virtual=b"w" * 32, email_digests=(OLD,))
    assert len(ledger.when(second)[1]) == 5
