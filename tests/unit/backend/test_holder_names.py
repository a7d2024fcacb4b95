"""Whose a certificate is: named as far as anybody may still be named."""

from uuid import UUID

import pytest

from adapters.backend import holder_names
from adapters.backend.directory_lists import DirectoryLists
from adapters.backend.operator_ports import Chosen
from domain.aggregates import cardholder as cardholders
from domain.aggregates import certificate as certificates
from domain.event import Event
from domain.ids import make_id
from tests.unit.application import happened
from tests.unit.application.ledger_double import NOW_MS, context
from tests.unit.backend.test_directory_lists import Clock, PagesOf, person


def of(subject_id: UUID, role: str) -> list[Event]:
    issued = certificates.issue(
        context(),
        make_id(NOW_MS, 0, 31),
        subject_id=subject_id,
        role=role,
        serial="2a",
        fingerprint=b"f" * 32,
        not_before_us=0,
        not_after_us=1,
    )
    return [issued]


def name(**streams: list[Event]) -> str:
    (row,) = DirectoryLists(PagesOf(**streams), Clock()).certificates(Chosen())
    return str(row["name"])


@pytest.fixture(params=[50, 0], ids=["one by one", "all at once"])
def _either_way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holder_names, "ONE_BY_ONE", request.param)


@pytest.mark.usefixtures("_either_way")
def test_a_terminal_has_its_label_and_its_shop() -> None:
    found = name(
        certificate=of(happened.TERMINAL, "pos"),
        terminal=[happened.terminal_registered()],
        shop=[happened.shop_registered()],
    )
    assert found.startswith("Till 1, ")


@pytest.mark.usefixtures("_either_way")
def test_a_card_has_its_masked_number_and_a_person_who_was_not_erased() -> None:
    streams = {
        "certificate": of(happened.CARD, "card"),
        "card": [happened.card_issued()],
        "cardholder": [person()],
    }
    assert name(**streams) == "984000******1234 Ana Diaz"
    holder = cardholders.evolve(None, person())
    erased = cardholders.erase(context(), holder, why="asked")
    assert erased is not None
    streams["cardholder"] = [person(), erased]
    assert name(**streams) == "984000******1234"


def test_a_person_or_server_has_none_here() -> None:
    assert name(certificate=of(UUID(int=9), "operator")) == ""
