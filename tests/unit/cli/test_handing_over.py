"""`issue --package`: a virtual card leaves this machine whole, once, and leaves nothing behind."""

import stat
from pathlib import Path
from typing import Any

import pytest

from adapters.cli import issuing, operator_link
from adapters.cli.failure import refused
from devices.card_package import take_card
from devices.identity import load_device
from devices.personalisation import load_card
from tests.unit.cli.backend_double import BackendDouble
from tests.unit.cli.conftest import Program

ANA = ("--first-name", "Ana", "--last-name", "Diaz", "--email", "ana@example.com")


@pytest.fixture
def company(program: Program, backend: BackendDouble) -> str:
    return str(program.json("register", "company", "--name", "Acme")["company"])


def issued(backend: BackendDouble) -> int:
    return sum(event.TOPIC.startswith("card.issued") for event in backend.outside.ledger.log.events)


def hand_over(company: str, place: Path, *more: str) -> tuple[str, ...]:
    return ("issue", "--company", company, *ANA, "--virtual", "--package", str(place), *more)


def test_the_phone_gets_all_and_the_desk_keeps_nothing(
    program: Program, backend: BackendDouble, company: str, tmp_path: Path
) -> None:
    place = tmp_path / "stick" / "ana"
    made = program.json(*hand_over(company, place, "--no-stripe"))
    (card,) = made["cards"]
    assert card["package"] == str(place)
    assert "folder" not in card
    assert stat.S_IMODE(place.stat().st_mode) == 0o700
    assert not (backend.home / "devices").exists()
    assert [path.name for path in place.parent.iterdir()] == ["ana"]
    taken = take_card(place, tmp_path / "phone", card["code"])
    device = load_device(tmp_path / "phone", "card")
    assert str(taken.card_id) == str(device.id) == card["card"]
    assert device.gateway == ("127.0.0.1", backend.authority.port)
    assert load_card(device).pan not in str(made)
    assert load_card(device).track2.startswith(";" + load_card(device).pan)


def test_a_stripe_of_the_same_account_stays_here(
    program: Program, backend: BackendDouble, company: str, tmp_path: Path
) -> None:
    ended = program(*hand_over(company, tmp_path / "ana"))
    assert ended.status == 0
    assert "ticketrestaurant card enrol" in ended.out
    kept = {path.name for path in (backend.home / "devices").glob("*/*")}
    assert kept == {"stripe.txt", "pin.txt"}


def test_nothing_is_issued_that_cannot_be_handed_over(
    program: Program, backend: BackendDouble, company: str, tmp_path: Path
) -> None:
    (tmp_path / "ana").mkdir()
    (tmp_path / "ana" / "letter.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    ended = program(*hand_over(company, tmp_path / "ana"))
    assert (ended.status, "is there already" in ended.err) == (1, True)
    ended = program(*hand_over(company, tmp_path / "file" / "ana"))
    assert (ended.status, "Not a directory" in ended.err) == (5, True)
    ended = program(*hand_over(company, tmp_path / ("x" * 300)))
    assert (ended.status, "File name too long" in ended.err) == (5, True)
    assert program(*hand_over(company, Path("/"))).status == 1
    (backend.home / "tls" / "card.pem").write_text("rubbish")
    ended = program(*hand_over(company, tmp_path / "new"))
    assert (ended.status, "is damaged" in ended.err) == (5, True)
    assert issued(backend) == 0
    assert not (tmp_path / "new").exists()
    assert (tmp_path / "ana" / "letter.txt").read_text() == "mine"


def test_a_package_whose_card_was_lost_on_the_way_is_not_there(
    program: Program,
    backend: BackendDouble,
    company: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(operator_link, "PAUSE_S", 0.01)
    backend.lose_answers = 1
    ended = program(*hand_over(company, tmp_path / "ana", "--no-stripe"))
    assert (ended.status, "block it and issue another" in ended.err) == (1, True)
    assert not list(tmp_path.glob("*ana*"))


def test_a_pin_that_failed_hides_no_code(
    program: Program,
    backend: BackendDouble,
    company: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def fails(*_: Any) -> None:
        raise refused("no")

    monkeypatch.setattr(issuing, "set_pin", fails)
    ended = program(*hand_over(company, tmp_path / "ana"), "--json")
    assert (ended.status, "ticketrestaurant pin " in ended.err) == (3, True)
    take_card(tmp_path / "ana", tmp_path / "phone", ended.json["cards"][1]["code"])


def test_a_package_is_for_one_virtual_card(
    program: Program, backend: BackendDouble, company: str, tmp_path: Path
) -> None:
    place = ("--package", str(tmp_path / "ana"))
    assert program("issue", "--company", company, *ANA, *place).status == 2
    people = tmp_path / "people.csv"
    people.write_text("first_name,last_name,email\nAna,Diaz,a@example.com\n")
    many = ("--employees", str(people), "--virtual")
    assert program("issue", "--company", company, *many, *place).status == 2
    assert issued(backend) == 0
