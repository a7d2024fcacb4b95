"""Processors over real HTTP: Stripe's API by a local server, signatures, the sandbox's methods."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from adapters.processors import choice, signature
from adapters.processors.messages import read_notice
from adapters.processors.sandbox import METHODS, Sandbox
from adapters.processors.stripe import Stripe
from adapters.settings import Settings, SettingsError, load
from application.payment_processor import (
    DISPUTED,
    INQUIRY,
    INQUIRY_CLOSED,
    OTHER,
    PAID,
    PENDING,
    REFUSED,
    WON,
    Forged,
    Notice,
    ProcessorFailed,
)
from domain.aggregates.webhook import webhook_id
from tests.unit.refills.stripe_server import KEY, StripeServer

REFILL = UUID("01a210ca-1d31-89c1-acc2-be1113edbeb7")
SECRET = b"whsec_test"
NOW_MS = 1_790_000_000_000


@pytest.fixture
def server() -> Iterator[StripeServer]:
    with StripeServer() as running:
        yield running


@pytest.fixture
def stripe(server: StripeServer) -> Stripe:
    return Stripe(KEY, SECRET, server.url)


def test_a_card_is_charged_once_however_often_it_is_asked(
    server: StripeServer, stripe: Stripe
) -> None:
    first = stripe.charge(REFILL, 1_250, "pm_card_visa")
    again = stripe.charge(REFILL, 1_250, "pm_card_visa")
    assert (first.state, first.amount_cents, first.reference) == (PAID, 1_250, again.reference)
    assert len(server.intents) == 1
    assert stripe.find(REFILL) == first
    assert stripe.refill_of(first.reference) == REFILL


@pytest.mark.parametrize(
    ("token", "state", "reason"),
    [
        ("pm_card_chargeDeclined", REFUSED, "lost_card"),
        ("pm_processing", PENDING, "processing"),
        ("pm_card_authenticationRequired", REFUSED, "requires_action"),
    ],
)
def test_what_becomes_of_a_card(stripe: Stripe, token: str, state: str, reason: str) -> None:
    charge = stripe.charge(REFILL, 1_250, token)
    assert (charge.state, charge.reason) == (state, reason)


def test_a_payment_is_found_before_a_refusal_and_a_dispute_before_both(
    server: StripeServer, stripe: Stripe
) -> None:
    assert stripe.find(REFILL) is None
    stripe.charge(REFILL, 1_250, "pm_card_visa")
    server.by_key.clear()  # Stripe forgets keys after a day
    stripe.charge(REFILL, 1_250, "pm_card_chargeDeclined")
    found = stripe.find(REFILL)
    assert found is not None
    assert found.state == PAID
    for intent in server.intents.values():
        intent["latest_charge"] = {"disputed": True}
    found = stripe.find(REFILL)
    assert found is not None
    assert found.state == DISPUTED


@pytest.mark.parametrize(
    ("disputes", "state", "cents"),
    [
        ([(300, "lost")], DISPUTED, 300),
        ([(300, "needs_response"), (200, "lost"), (700, "won")], DISPUTED, 500),
        ([(1_250, "won")], WON, 1_250),
        ([(1_250, "won"), (1_250, "warning_closed")], WON, 1_250),
        ([(1_250, "warning_needs_response"), (9, "warning_under_review")], PAID, 1_250),
        ([(300, "needs_response"), (1_250, "warning_closed")], DISPUTED, 300),
        ([(None, "lost")], DISPUTED, 0),
        ([], DISPUTED, 0),
    ],
)
def test_a_dispute_that_is_asked_for_has_its_own_sum(
    server: StripeServer,
    stripe: Stripe,
    disputes: list[tuple[int | None, str]],
    state: str,
    cents: int,
) -> None:
    reference = stripe.charge(REFILL, 1_250, "pm_card_visa").reference
    server.intents[reference]["latest_charge"] = {"disputed": True}
    server.disputes = [
        {"payment_intent": about, "amount": amount, "status": status, "reason": "fraudulent"}
        for about in (reference, "pi_other")
        for amount, status in disputes
    ]
    found = stripe.find(REFILL)
    assert found is not None
    assert (found.state, found.amount_cents) == (state, cents)
    told = state != PAID and bool(disputes)
    assert found.reason == ("fraudulent" if told else "succeeded")


def test_a_refund_is_made_once(server: StripeServer, stripe: Stripe) -> None:
    charge = stripe.charge(REFILL, 1_250, "pm_card_visa")
    refunds = {stripe.refund(REFILL, charge.reference, 1_250) for _ in range(2)}
    assert refunds == set(server.refunds)
    (refund,) = server.refunds.values()
    assert (refund["payment_intent"], refund["amount"]) == (charge.reference, "1250")


def test_refunds_are_found_but_those_that_failed(server: StripeServer, stripe: Stripe) -> None:
    charge = stripe.charge(REFILL, 1_250, "pm_card_visa")
    assert stripe.refunds(REFILL, charge.reference) == []
    made = stripe.refund(REFILL, charge.reference, 250)
    server.refunds[stripe.refund(REFILL, charge.reference, 300)]["status"] = "failed"
    (found,) = stripe.refunds(REFILL, charge.reference)
    assert (found.reference, found.amount_cents) == (made, 250)


def test_trouble_is_told_without_a_word_of_theirs(server: StripeServer, stripe: Stripe) -> None:
    server.down = True
    with pytest.raises(ProcessorFailed, match=r"^Stripe answers 500\.$"):
        stripe.charge(REFILL, 1, "pm_card_visa")
    server.down, server.answer_garbage = False, True
    with pytest.raises(ProcessorFailed, match="cannot be read"):
        stripe.charge(REFILL, 1, "pm_card_visa")
    wrong = Stripe("rk_other", SECRET, server.url)
    server.answer_garbage = False
    with pytest.raises(ProcessorFailed, match=r"^Stripe answers 401\.$"):
        wrong.find(REFILL)
    with pytest.raises(ProcessorFailed, match="does not answer: ConnectError"):
        Stripe(KEY, SECRET, "http://127.0.0.1:1").find(REFILL)


def test_a_reference_that_is_none_is_not_asked_for(server: StripeServer, stripe: Stripe) -> None:
    assert stripe.refill_of("pi_1/../refunds") is None
    assert server.requests == []


def message(**changes: Any) -> bytes:
    intent = {
        "object": "payment_intent", "id": "pi_1", "amount_received": 1_250,
        "metadata": {"refill": str(REFILL)},
    }  # fmt: skip
    facts: dict[str, Any] = {
        "id": "evt_1", "type": "payment_intent.succeeded", "created": 1_790_000_000,
        "data": {"object": intent},
    }  # fmt: skip
    return json.dumps(facts | changes).encode()


def test_a_signed_message_is_read(stripe: Stripe) -> None:
    body = message()
    notice = stripe.verify(body, signature.signed(SECRET, body, NOW_MS // 1000), NOW_MS)
    assert (notice.event, notice.refill_id, notice.created_ms) == ("evt_1", REFILL, NOW_MS)
    assert (notice.charge.state, notice.charge.amount_cents) == (PAID, 1_250)


def test_a_signature_as_stripe_documents_it() -> None:
    # https://docs.stripe.com/webhooks/signature: v0 is ignored, one of several v1 is enough.
    good = signature.signed(SECRET, b"{}", NOW_MS // 1000).partition(",v1=")
    signature.check(SECRET, b"{}", f"{good[0]},v1={'0' * 64},v1={good[2]},v0=abc", NOW_MS)


@pytest.mark.parametrize(
    ("header", "why"),
    [
        ("", "not signed"),
        ("t=1", "not signed"),
        ("v1=aa", "not signed"),
        ("t=1,t=2,v1=aa", "not signed"),
        ("t=x,v1=aa", "not signed"),
        ("t=١,v1=aa", "not signed"),
        (f"t={NOW_MS // 1000},v1={'0' * 64}", "signature is wrong"),
        (f"t={NOW_MS // 1000},v1=é", "signature is wrong"),
        (f"t={NOW_MS // 1000}," + "v1=00," * 5_000, "signature is wrong"),
        (signature.signed(b"other", b"{}", NOW_MS // 1000), "signature is wrong"),
        (signature.signed(SECRET, b"{} ", NOW_MS // 1000), "signature is wrong"),
        (signature.signed(SECRET, b"{}", NOW_MS // 1000 - 301), "another time"),
        (signature.signed(SECRET, b"{}", NOW_MS // 1000 + 301), "another time"),
    ],
)
def test_a_forged_or_old_message_is_refused(header: str, why: str) -> None:
    with pytest.raises(Forged, match=why):
        signature.check(SECRET, b"{}", header, NOW_MS)


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"[]", b"{}", b"\xff", b"[" * 20_000, message(id=1), message(id=""),
        message(id="x" * 300), message(created="1"), message(created=-1), message(created=2**39),
        message(data={}),
        message(data={"object": []}), message(type="a\nb"),
    ],
)  # fmt: skip
def test_what_is_no_message_is_refused(body: bytes) -> None:
    with pytest.raises(Forged):
        read_notice(body)


def test_the_latest_time_of_a_message_makes_an_id() -> None:
    notice = read_notice(message(created=2**38 - 1))
    webhook_id("stripe", notice.event, notice.created_ms)


def test_other_messages_and_other_peoples_payments_are_nothing_of_ours() -> None:
    assert read_notice(message(type="customer.created")).charge.state == OTHER
    metadata: Any
    for metadata in (None, [], {}, {"refill": 7}, {"refill": "x"}):
        assert read_notice(message(data={"object": {"metadata": metadata}})).refill_id is None


def test_a_dispute_names_the_payment_that_it_is_about() -> None:
    notice = dispute("created", "needs_response")
    assert (notice.refill_id, notice.charge.reference) == (None, "pi_1")
    assert (notice.charge.state, notice.charge.reason) == (DISPUTED, "fraudulent")
    assert (notice.charge.dispute, notice.charge.amount_cents) == ("du_1", 900)


@pytest.mark.parametrize(
    ("kind", "status", "state"),
    [
        ("created", "needs_response", DISPUTED),
        ("updated", "under_review", DISPUTED),
        ("funds_withdrawn", "needs_response", DISPUTED),
        ("funds_withdrawn", "prevented", DISPUTED),
        ("closed", "lost", DISPUTED),
        ("closed", "won", WON),
        ("updated", "won", WON),
        ("funds_reinstated", "won", WON),
        ("created", "warning_needs_response", INQUIRY),
        ("updated", "warning_under_review", INQUIRY),
        ("closed", "warning_closed", INQUIRY_CLOSED),
        ("created", "prevented", OTHER),
        ("created", None, OTHER),
        ("created", ["won"], OTHER),
    ],
)
def test_what_a_message_about_a_dispute_says_of_the_money(
    kind: str, status: Any, state: str
) -> None:
    assert dispute(kind, status).charge.state == state


@pytest.mark.parametrize("id", [None, 7, "", "du_\n", "<b>"])
def test_a_dispute_without_a_name_is_one(id: Any) -> None:
    assert dispute("created", "needs_response", id=id).charge.dispute == ""


def dispute(kind: str, status: Any, **changes: Any) -> Notice:
    """A message about a dispute, read."""
    about = {
        "id": "du_1", "payment_intent": "pi_1", "amount": 900, "reason": "fraudulent",
        "status": status,
    }  # fmt: skip
    data = {"object": about | changes}
    return read_notice(message(type=f"charge.dispute.{kind}", data=data))


def test_a_reason_that_is_no_word_is_not_repeated() -> None:
    found = dispute("created", "needs_response", reason="<b>Ana Diaz</b>")
    assert found.charge.reason == "unknown"


@pytest.mark.parametrize("token", METHODS)
def test_the_sandbox_outlives_its_process(tmp_path: Path, token: str) -> None:
    first = Sandbox(tmp_path / "charges.json", SECRET, None)
    charge = first.charge(REFILL, 1_250, token)
    assert charge.state == METHODS[token][0]
    again = Sandbox(tmp_path / "charges.json", SECRET, None)
    assert again.charge(REFILL, 1_250, token) == charge
    found = again.find(REFILL)
    assert found is not None
    assert found.state == (PAID if charge.state == PENDING else charge.state)
    assert again.refill_of(charge.reference) == REFILL


def test_the_sandboxs_messages_are_signed_and_read_as_stripes(tmp_path: Path) -> None:
    sandbox = Sandbox(tmp_path / "charges.json", SECRET, None, lambda: NOW_MS)
    charge = sandbox.charge(REFILL, 1_250, "pm_card_visa")
    body, header = sandbox.message(REFILL, "payment_intent.succeeded")
    notice = sandbox.verify(body, header, NOW_MS)
    assert (notice.refill_id, notice.charge.reference) == (REFILL, charge.reference)
    assert sandbox.message(REFILL, "payment_intent.succeeded")[0] == body, "the same event again"


def test_a_card_number_is_no_payment_method(tmp_path: Path) -> None:
    sandbox = Sandbox(tmp_path / "charges.json", SECRET, None)
    charge = sandbox.charge(REFILL, 1_250, "tok_unknown")
    assert (charge.state, charge.reason) == (REFUSED, "no_such_payment_method")


def test_the_sandbox_charges_nobody_unless_it_is_named(tmp_path: Path) -> None:
    assert choice.processor_of(load({}, tmp_path)) is None
    named = load({"TICKETRESTAURANT_PROCESSOR": "sandbox"}, tmp_path)
    assert isinstance(choice.processor_of(named), Sandbox)


def test_a_processors_secrets_are_for_their_owner_only(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, processor="stripe", processor_folder=tmp_path)
    with pytest.raises(SettingsError, match="api-key: cannot be read"):
        choice.processor_of(settings)
    for name in (choice.API_KEY, choice.WEBHOOK_SECRET):
        (tmp_path / name).write_text("s3cret\n")
        (tmp_path / name).chmod(0o600)
    assert isinstance(choice.processor_of(settings), Stripe)
    (tmp_path / choice.API_KEY).chmod(0o640)
    with pytest.raises(SettingsError, match="others can read it") as said:
        choice.processor_of(settings)
    assert "s3cret" not in str(said.value)
    assert choice.processor_of(Settings(home=tmp_path, processor="none")) is None
    with pytest.raises(SettingsError, match="must be one of"):
        choice.processor_of(Settings(home=tmp_path, processor="paypal"))
