"""Operators' commands over refills and schedules: what is taken, what is refused, who may."""

import asyncio
from typing import Any
from uuid import UUID

import pytest

from application.decide_refill import ChargeBack
from application.payment_processor import PAID
from domain.aggregates import refill as refills
from domain.aggregates.account import Account
from domain.aggregates.refill import Refill
from domain.aggregates.schedule import Schedule
from domain.event import stamp
from domain.refill_lines import RefillLine
from protocol.encoding import unb64
from tests.unit.application import happened
from tests.unit.application.happened import ACCOUNT, COMPANY
from tests.unit.application.ledger_double import DEADLINE_US, context, origin
from tests.unit.application.refilling import charged
from tests.unit.backend.operator_double import Scene, second_operator
from tests.unit.backend.test_operator_commands import done, refused

STRANGER = "01a210ca-2203-89c1-a863-5fc94cf48bc8"
LINE = {"account": str(ACCOUNT), "amount_cents": 500}
WEEKLY = {
    "what": "add", "company": str(COMPANY), "each_cents": 500, "every": "weekly", "day": 5,
    "hour": 17, "timezone": "America/Chicago",
}  # fmt: skip


@pytest.fixture
def scene() -> Scene:
    made = Scene()
    made.ledger.given(happened.company_registered(), happened.account_opened())
    made.directory.rows = [{"account": str(ACCOUNT)}]
    return made


def ordered(scene: Scene, **facts: Any) -> dict[str, Any]:
    body = {"company": str(COMPANY), "lines": [LINE], **facts}
    if "each_cents" in facts:
        del body["lines"]
    return done(scene, "REFILL", body)


def balance(scene: Scene) -> int:
    account = scene.ledger.states.get(ACCOUNT, Account)
    assert account is not None
    return account.balance_cents


def test_an_order_is_not_paid_unless_it_says_so(scene: Scene) -> None:
    made = ordered(scene)
    assert (made["status"], balance(scene)) == ("awaiting-payment", 0)
    assert scene.refills.woken == [UUID(made["id"])]
    body = {"what": "confirm", "refill": made["id"], "why": "WIRE-7"}
    assert done(scene, "REFILL", body)["status"] == "approved"


def test_one_payment_is_confirmed_once_for_a_company(scene: Scene) -> None:
    first = ordered(scene, confirmed=True, reference="WIRE-7")
    order = {"company": str(COMPANY), "lines": [LINE], "confirmed": True, "reference": "wire-7"}
    code, said = refused(scene, "REFILL", order)
    assert (code, first["id"] in said) == ("reference-used", True)
    waits = ordered(scene, reference="WIRE-7")
    assert waits["status"] == "awaiting-payment"
    body = {"what": "confirm", "refill": waits["id"], "why": "WIRE-7"}
    assert refused(scene, "REFILL", body)[0] == "reference-used"
    assert done(scene, "REFILL", {**body, "why": "WIRE-7/2"})["status"] == "approved"
    assert refused(scene, "REFILL", {**body, "refill": STRANGER})[0] == "no-such-refill"
    assert balance(scene) == 500


def test_a_card_cannot_be_confirmed_with_its_order(scene: Scene) -> None:
    made = ordered(scene, method="card", token="pm_1", confirmed=True)
    assert (made["status"], balance(scene)) == ("awaiting-payment", 0)


def test_a_large_refill_is_approved_by_another_operator(scene: Scene) -> None:
    scene.refills.terms = type(scene.refills.terms)(alone_most_cents=499)
    made = ordered(scene, confirmed=True)
    assert made["status"] == "awaiting-approval"
    approve = {"what": "approve", "refill": made["id"]}
    assert refused(scene, "REFILL", approve)[0] == "same-operator"
    second_operator(scene)
    assert done(scene, "REFILL", approve)["status"] == "approved"


@pytest.mark.parametrize("won", [False, True])
def test_a_chargeback_by_hand_needs_two_operators(scene: Scene, won: bool) -> None:
    made = ordered(scene, confirmed=True)
    body = {"refill": made["id"], "why": "check bounced"}
    if won:
        id, body = UUID(made["id"]), {**body, "won": True}
        assert refused(scene, "CHARGEBACK", body)[0] == "nothing-won"
        scene.ledger.when(ChargeBack(origin(91), DEADLINE_US, refill_id=id, text="x"))
    proposal = done(scene, "CHARGEBACK", body)
    assert proposal["status"] == "waiting"
    approve = {
        "proposal": proposal["proposal"], "approve": True,
        "command_hash": proposal["command_hash"],
    }  # fmt: skip
    assert refused(scene, "APPROVE", approve)[0] == "same-operator"
    second_operator(scene)
    assert done(scene, "APPROVE", approve)["result"]["status"] == (
        "credited" if won else "charged-back"
    )
    assert scene.refills.woken[-1] == UUID(made["id"])


def test_one_operator_alone_does_not_say_that_a_processors_refund_was_sent(scene: Scene) -> None:
    made = ordered(scene, method="card", token="pm_1")
    id = UUID(made["id"])
    done(scene, "REFILL", {"what": "cancel", "refill": made["id"], "why": "x"})
    charged(scene.ledger, id, 90, PAID, 500)
    body = {"what": "refunded", "refill": made["id"], "why": "WIRE-8"}
    proposal = done(scene, "REFILL", body)
    refill = scene.ledger.states.get(id, Refill)
    assert refill is not None and (proposal["status"], refill.refund_cents) == ("waiting", 500)
    approve = {
        "proposal": proposal["proposal"], "approve": True,
        "command_hash": proposal["command_hash"],
    }  # fmt: skip
    second_operator(scene)
    assert done(scene, "APPROVE", approve)["result"]["status"] == "cancelled"
    refill = scene.ledger.states.get(id, Refill)
    assert refill is not None and (refill.refund_cents, refill.at_work) == (0, False)
    assert scene.refills.woken[-1] == id
    assert refused(scene, "REFILL", body)[0] == "no-refund-due"


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"method": "cash"}, "must be one of"),
        ({"method": "card"}, "token: is missing"),
        ({"method": "card", "token": "4242424242424242"}, "looks like a card number"),
        ({"method": "card", "token": "pm 4242-4242-4242-4242"}, "looks like a card number"),
        ({"method": "card", "token": "x" * 101}, "Shorten"),
        ({"group": "night"}, "goes with each_cents"),
        ({"group": "night", "each_cents": 1}, "no accounts in a group"),
        ({"source": "schedule"}, "must be one of"),
        ({"partial": 1}, "must be true or false"),
        ({"what": "delete"}, "must be one of"),
        ({"what": "approve"}, "refill: is not an id"),
        ({"what": "reject", "refill": STRANGER}, "why: is missing"),
        ({"what": "approve", "refill": STRANGER}, "no refill with that id"),
        ({"lines": [{"account": STRANGER, "amount_cents": 1}], "partial": True}, "No line"),
    ],
)
def test_a_bad_order_is_refused_with_what_to_do(
    scene: Scene, facts: dict[str, Any], said: str
) -> None:
    body = {"company": str(COMPANY), "lines": [LINE], **facts}
    if "each_cents" in facts:
        del body["lines"]
    assert said in refused(scene, "REFILL", body)[1]


def test_no_card_where_there_is_no_processor(scene: Scene) -> None:
    scene.refills.processor_name = ""
    body = {"company": str(COMPANY), "lines": [LINE], "method": "card", "token": "pm_1"}
    assert refused(scene, "REFILL", body)[0] == "no-processor"


def test_lines_at_fault_are_left_out_where_that_is_wanted(scene: Scene) -> None:
    bad = {"account": STRANGER, "amount_cents": 700}
    made = ordered(scene, lines=[LINE, bad, LINE], partial=True, confirmed=True)
    assert (made["left_out_lines"], made["total_cents"], balance(scene)) == (2, 500, 500)
    (event,) = [e for e in scene.ledger.log.events if isinstance(e, refills.RefillFailed)]
    assert [line.reason for line in event.lines] == ["not-of-company", "twice"]


def test_the_same_file_is_refused_also_with_its_lines_in_another_order(scene: Scene) -> None:
    other = {"account": STRANGER, "amount_cents": 700}
    facts: dict[str, Any] = {"source": "file", "partial": True, "confirmed": True}
    first = ordered(scene, lines=[LINE, other], **facts)
    body = {"company": str(COMPANY), "lines": [other, LINE], **facts}
    code, said = refused(scene, "REFILL", body)
    assert (code, first["id"] in said) == ("same-file", True)
    ordered(scene, lines=[other, LINE], again=True, **facts)
    assert balance(scene) == 1_000


def test_a_group_is_made_and_refilled(scene: Scene) -> None:
    body = {"what": "group", "company": str(COMPANY), "group": "Night", "add": [str(ACCOUNT)]}
    assert done(scene, "SCHEDULE", body)["accounts"] == 1
    made = ordered(scene, each_cents=300, group="night", confirmed=True)
    assert (made["accounts"], balance(scene)) == (1, 300)


def test_a_schedule_is_added_and_paused(scene: Scene) -> None:
    made = done(scene, "SCHEDULE", WEEKLY)
    id = UUID(made["id"])
    assert scene.refills.changed == [id]
    done(scene, "SCHEDULE", {"what": "pause", "schedule": made["id"], "why": "closed"})
    schedule = scene.ledger.states.get(id, Schedule)
    assert schedule is not None
    assert (schedule.status, scene.refills.changed) == ("paused", [id, id])


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"day": 0}, "1 to 7"),
        ({"day": 8}, "1 to 7"),
        ({"every": "monthly", "day": 32}, "1 to 31"),
        ({"every": "daily"}, "must be one of"),
        ({"hour": 24}, "0 to 23"),
        ({"timezone": "Mars/Base"}, "IANA"),
        ({"holidays": "party"}, "must be one of"),
        ({"until": "soon"}, "until: is not a day"),
        ({"until": "2020-12-31"}, "Nothing would ever be ordered"),
        ({"each_cents": 0}, "$0.01"),
        ({"group": "x"}, "no group of that name"),
        ({"what": "pause"}, "schedule: is not an id"),
        ({"what": "group", "group": "x"}, "must name accounts"),
    ],
)
def test_a_bad_schedule_is_refused(scene: Scene, facts: dict[str, Any], said: str) -> None:
    assert said in refused(scene, "SCHEDULE", {**WEEKLY, **facts})[1]


def test_lists_and_documents_are_read_by_an_auditor() -> None:
    scene = Scene("auditor")
    scene.refills.given = [{"refill": "x"}]
    _, answer = asyncio.run(scene.read("QUERY", what="refills", of=str(COMPANY)))
    assert answer["rows"] == [{"refill": "x"}]
    asyncio.run(scene.read("DOCUMENT", what="receipt", of=str(ACCOUNT)))
    text = "".join(body["chunk"] for _, verb, body in scene.replies if verb == "DOCUMENT")
    assert unb64(text).startswith(b"%PDF-1.4 receipt")
    assert scene.refills.asked == [("refills", COMPANY), ("receipt", ACCOUNT)]


def test_a_refill_of_before_there_were_orders_is_read_as_carried_out() -> None:
    credited = refills.RefillCredited(
        **stamp(context(), COMPANY, 1),
        company_id=COMPANY,
        lines=(RefillLine(account_id=ACCOUNT, amount_cents=500),),
        total_cents=500,
        approved_by="operator:a:1",
    )
    refill: Refill = refills.evolve(None, credited)
    assert (refill.status, refill.paid_cents, refill.credited_lines) == ("credited", 500, 1)
    assert not refill.at_work


def test_a_fee_is_paid_only_where_one_is_owed(scene: Scene) -> None:
    made = ordered(scene, confirmed=True)
    body = {"what": "fee-paid", "refill": made["id"], "why": "WIRE-9"}
    assert refused(scene, "REFILL", {**body, "amount_cents": 250})[0] == "no-fee-owed"
    for wrong in ({}, {"amount_cents": 0}, {"amount_cents": -250}, {"amount_cents": "250"}):
        assert refused(scene, "REFILL", {**body, **wrong})[0] == "invalid"
