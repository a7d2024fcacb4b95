"""Each verb becomes its command; what goes wrong is answered in plain words."""

import asyncio
from hashlib import sha256
from typing import Any

import pytest

from application.ports import Unavailable
from application.work import ERROR, IN_DOUBT, UNAVAILABLE
from domain.aggregates.account import Account
from domain.aggregates.card import Card
from domain.aggregates.shop import ShopRegistered
from protocol.encoding import b64
from tests.unit.application import happened
from tests.unit.backend.operator_double import CHAIN, CSR, Scene

PERSON = {"first_name": "Ana", "last_name": "Diaz", "email": "ana@example.com"}
SHOP = {
    "what": "shop",
    "name": "Corner Deli",
    "category": "5812",
    "timezone": "America/New_York",
    "email": "deli@example.com",
}


def done(scene: Scene, verb: str, body: dict[str, Any]) -> dict[str, Any]:
    _, answer = asyncio.run(scene.command(verb, body))
    assert answer.get("state") == "done", answer
    result: dict[str, Any] = answer["result"]
    return result


def refused(scene: Scene, verb: str, body: dict[str, Any]) -> tuple[str, str]:
    before = len(scene.ledger.log.events)
    verb_of_answer, answer = asyncio.run(scene.command(verb, body))
    assert verb_of_answer == "ERROR"
    assert len(scene.ledger.log.events) == before
    return answer["code"], answer["text"]


def issue(**changed: Any) -> dict[str, Any]:
    return {
        "company": str(happened.COMPANY),
        "cardholder": PERSON,
        "stripe": True,
        "virtual": True,
        "csr": CSR,
        **changed,
    }


def with_company() -> Scene:
    scene = Scene()
    scene.ledger.given(happened.company_registered())
    return scene


def test_a_shop_gets_a_code_of_which_the_ledger_knows_the_hash() -> None:
    scene = Scene()
    code = done(scene, "REGISTER", SHOP)["activation_code"]
    (event,) = scene.ledger.log.events
    assert isinstance(event, ShopRegistered)
    assert event.activation_sha256 == sha256(code.encode()).digest()


def test_the_same_registration_again_gives_the_same_code() -> None:
    scene = Scene()
    request, _ = scene.signed("REGISTER", SHOP)
    codes = [
        asyncio.run(scene.send("C", "REGISTER", request))[1]["result"]["activation_code"]
        for _ in range(2)
    ]
    assert codes[0] == codes[1]


def test_a_terminal_gets_a_certificate() -> None:
    scene = Scene()
    scene.ledger.given(happened.shop_registered())
    body = {"what": "terminal", "shop": str(happened.SHOP), "label": "Till 1", "csr": CSR}
    result = done(scene, "REGISTER", body)
    assert result["certificate"] == [b64(der) for der in CHAIN]
    assert result["shop_name"] == "Corner Deli"


def test_a_terminal_comes_with_a_sound_request_or_without_one() -> None:
    body = {"what": "terminal", "shop": str(happened.SHOP), "label": "Till 1"}
    asked = {**body, "csr": CSR}
    scene = Scene()
    assert refused(scene, "REGISTER", asked)[0] == "no-such-shop"
    assert not scene.hsm.certified, "no certificate is made for what is refused"
    scene.ledger.given(happened.shop_registered())
    assert refused(scene, "REGISTER", {**body, "csr": b64(b"junk")})[0] == "bad-request"
    _, answer = asyncio.run(scene.command("REGISTER", body))
    assert "certificate" not in answer["result"]


def test_cards_come_with_what_the_encoder_needs_once() -> None:
    scene = with_company()
    request, _ = scene.signed("ISSUE", issue())
    _, first = asyncio.run(scene.send("C", "ISSUE", request))
    stripe, virtual = first["result"]["cards"]
    assert stripe["track2"].startswith(";" + stripe["pan"])
    assert "certificate" not in stripe
    assert virtual["certificate"] == [b64(der) for der in CHAIN]
    assert virtual["pan"] != stripe["pan"]
    _, again = asyncio.run(scene.send("C", "ISSUE", request))
    assert again["result"]["repeated"]
    assert not any("pan" in card or "track2" in card for card in again["result"]["cards"])


def test_no_event_holds_a_card_number() -> None:
    scene = with_company()
    cards = done(scene, "ISSUE", issue())["cards"]
    stored = repr(scene.ledger.log.events)
    assert not any(card["pan"] in stored for card in cards)


def test_a_number_that_is_taken_is_drawn_again() -> None:
    scene = with_company()
    done(scene, "ISSUE", issue())
    scene.hsm.next_number = 2
    taken = done(scene, "ISSUE", issue(virtual=False, another=True))["cards"][0]["pan"]
    assert taken.endswith("3")


def test_where_every_number_is_taken_it_is_said() -> None:
    scene = with_company()
    draw = scene.hsm.draw_card
    scene.ledger.log.claims = {
        ("card-number", draw("", "", 0).digest): happened.CARD for _ in range(20)
    }
    scene.hsm.next_number = 1
    assert refused(scene, "ISSUE", issue(virtual=False))[0] == "card-number-taken"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"stripe": False, "virtual": False}, "at least one card"),
        ({"cardholder": None}, "cardholder"),
        ({"cardholder": {**PERSON, "email": "x"}}, "e-mail"),
        ({"csr": ""}, "csr"),
        ({"company": "x"}, "company: is not an id"),
        ({"company": str(happened.OTHER_COMPANY)}, "no company"),
    ],
)
def test_what_cannot_be_issued_is_said(changed: dict[str, Any], said: str) -> None:
    _, text = refused(with_company(), "ISSUE", issue(**changed))
    assert said in text


def test_a_pin_is_bound_to_session_and_time() -> None:
    scene = Scene()
    scene.ledger.given(happened.card_issued())
    point = b64(_point())
    body = {"card": str(happened.CARD), "ephemeral": point, "block": b64(b"b" * 40)}
    done(scene, "PIN", body)
    card = scene.ledger.states.get(happened.CARD, Card)
    assert card is not None
    expected = scene.hsm.pin_reference(_point(), b"b" * 40, scene.session.t4, 1_790_000_000_000, 0)
    assert card.pin_reference == expected
    assert refused(scene, "PIN", {**body, "block": "xx"})[0] == "bad-pin-block"


def _point() -> bytes:
    # The base point of P-256.
    return bytes.fromhex(
        "046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
        "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"
    )


def test_every_account_of_a_company_is_refilled() -> None:
    scene = with_company()
    scene.ledger.given(happened.account_opened())
    scene.directory.rows = [{"account": str(happened.ACCOUNT)}]
    result = done(
        scene, "REFILL", {"company": str(happened.COMPANY), "each_cents": 5_000, "confirmed": True}
    )
    assert (result["accounts"], result["total_cents"]) == (1, 5_000)
    assert scene.directory.of == happened.COMPANY
    account = scene.ledger.states.get(happened.ACCOUNT, Account)
    assert account is not None
    assert account.balance_cents == 5_000


def test_nobody_is_left_out_because_the_list_is_behind() -> None:
    scene = with_company()
    scene.directory.rows = [{"account": str(happened.ACCOUNT)}]
    scene.caught_up = False
    body = {"company": str(happened.COMPANY), "each_cents": 5_000}
    assert refused(scene, "REFILL", body)[0] == "unavailable"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"each_cents": 1_000_001}, "$10,000.00"),
        ({"each_cents": 100}, "no accounts"),
        ({"each_cents": 100, "lines": []}, "one of the two"),
        ({"lines": []}, "1 to 5,000"),
        ({"lines": [{"account": str(happened.ACCOUNT), "amount_cents": 0}]}, "Line 1"),
        ({"lines": [{"account": str(happened.ACCOUNT), "amount_cents": 1}]}, "Line 1"),
    ],
)
def test_a_refill_at_fault_is_refused(body: dict[str, Any], said: str) -> None:
    body = {"company": str(happened.COMPANY), **body}
    assert said in refused(with_company(), "REFILL", body)[1]


def test_cards_and_terminals_are_blocked() -> None:
    scene = Scene()
    scene.ledger.given(happened.card_issued(), happened.terminal_registered())
    card = {"card": str(happened.CARD), "why": "called in"}
    assert done(scene, "BLOCK", card)["status"] == "blocked"
    assert done(scene, "BLOCK", {**card, "status": "stolen"})["status"] == "stolen"
    assert refused(scene, "BLOCK", {**card, "status": "eaten"})[0] == "invalid"
    terminal = {"terminal": str(happened.TERMINAL), "why": "till was stolen"}
    assert done(scene, "BLOCK", terminal)["status"] == "blocked"


def test_a_menu_is_set() -> None:
    scene = Scene()
    scene.ledger.given(happened.shop_registered())
    items = [{"item": "soup", "name": "Soup", "price_cents": 650}]
    assert done(scene, "MENU", {"shop": str(happened.SHOP), "items": items})["items"] == 1


@pytest.mark.parametrize(
    ("failure", "code"),
    [(UNAVAILABLE, "unavailable"), (IN_DOUBT, "in-doubt"), (ERROR, "internal")],
)
def test_a_failure_of_the_engine_is_told_apart(failure: Any, code: str) -> None:
    scene = Scene()
    scene.failure = failure
    assert refused(scene, "REGISTER", SHOP)[0] == code


def test_full_queues_and_a_lost_token_are_answered() -> None:
    scene = Scene()
    scene.queue_full = True
    assert refused(scene, "REGISTER", SHOP)[0] == "busy"
    scene = with_company()
    scene.lane.full = True
    assert refused(scene, "ISSUE", issue())[0] == "busy"
    scene.lane.full = False
    scene.hsm.error = Unavailable("token")
    assert refused(scene, "ISSUE", issue())[0] == "unavailable"


def test_an_error_of_ours_says_nothing_of_its_cause() -> None:
    scene = with_company()
    scene.hsm.error = RuntimeError("984000 secret")
    code, text = refused(scene, "ISSUE", issue())
    assert code == "internal"
    assert "secret" not in text
