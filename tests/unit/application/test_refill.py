"""An order is taken whole or refused with every line at fault named; what is paid is credited."""

from typing import Any
from uuid import UUID

import pytest
from msgspec.structs import replace

from application.command import Command
from application.credit_refill import credits_of
from application.refill import FILE_CLAIM, Payment, Terms
from domain.aggregates import refill as refills
from domain.aggregates.account import AccountCredited
from domain.aggregates.lone_refill import LoneRefillOrdered
from domain.aggregates.refill import (
    MOST_CENTS,
    RefillApproved,
    RefillCredited,
    RefillOrdered,
    RefillPaid,
)
from domain.ids import make_id
from domain.local_time import day_after, local_date
from domain.refill_lines import FailedLine
from tests.unit.application.happened import ACCOUNT, COMPANY, account_opened, company_registered
from tests.unit.application.ledger_double import ACTOR, NOW_MS, NOW_US, Ledger, context, origin
from tests.unit.application.refilling import (
    BY_CARD,
    FOREIGN,
    SECOND,
    SMALL,
    as_lines,
    balance,
    ledger,
    money_lasts,
    order,
    refill_of,
    step,
)


def test_a_paid_order_is_credited_in_its_own_commit() -> None:
    answer, events = ledger().when(order((ACCOUNT, 5_000), (SECOND, 7_500)))
    ordered, lone, paid, approved, whole, first, second = events
    assert isinstance(ordered, RefillOrdered)
    assert isinstance(lone, LoneRefillOrdered)
    assert isinstance(paid, RefillPaid)
    assert (paid.amount_cents, paid.reference, paid.paid_by) == (12_500, "WIRE-7", ACTOR)
    assert isinstance(approved, RefillApproved)
    assert isinstance(whole, RefillCredited)
    assert (whole.total_cents, whole.approved_by) == (12_500, ACTOR)
    assert isinstance(first, AccountCredited)
    assert isinstance(second, AccountCredited)
    assert first.refill_id == whole.originator_id
    assert answer == {
        "id": str(whole.originator_id), "status": "credited", "method": "bank", "accounts": 2,
        "total_cents": 12_500, "fee_cents": 0, "credited_cents": 12_500, "left_out_lines": 0,
        "fee_receivable_cents": 0, "alone_before_cents": 0,
    }  # fmt: skip


def test_an_order_that_is_not_paid_credits_nothing() -> None:
    place = ledger()
    answer, events = place.when(order((ACCOUNT, 5_000), payment=Payment()))
    assert [type(event) for event in events] == [RefillOrdered, LoneRefillOrdered]
    assert (answer["status"], balance(place)) == ("awaiting-payment", 0)


def test_above_the_limit_a_paid_order_waits_for_another_person() -> None:
    place = ledger()
    at_limit, _ = place.when(order((ACCOUNT, 10_000), terms=SMALL))
    above, _ = place.when(order((ACCOUNT, 10_001), terms=SMALL, number=2))
    assert (at_limit["status"], above["status"]) == ("credited", "awaiting-approval")
    assert balance(place) == 10_000


def test_the_fee_is_paid_and_not_credited() -> None:
    place = ledger()
    answer, _ = place.when(order((ACCOUNT, 5_000), terms=Terms(fee_cents=150)))
    assert (refill_of(place, answer).paid_cents, balance(place)) == (5_150, 5_000)


def test_the_same_order_again_credits_nothing() -> None:
    place = ledger()
    first, _ = place.when(order((ACCOUNT, 5_000)))
    again, events = place.when(order((ACCOUNT, 5_000)))
    assert (again, events) == ({**first, "repeated": True}, [])
    assert balance(place) == 5_000


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ((FOREIGN, 100), "Line 2: account"),
        ((COMPANY, 100), "Line 2: account"),
        ((UUID(int=9), 100), "Line 2: account"),
        ((SECOND, 0), "Line 2: the amount"),
        ((SECOND, MOST_CENTS + 1), "Line 2: the amount"),
        ((ACCOUNT, 100), "Line 2: the account of line 1 again"),
    ],
)
def test_one_bad_line_refuses_the_whole_and_is_named(line: tuple[UUID, int], said: str) -> None:
    answer, events = ledger().when(order((ACCOUNT, 100), line))
    assert answer.code == "refill-lines"
    assert said in answer.text
    assert events == []


def test_all_bad_lines_are_named_up_to_twenty() -> None:
    answer, _ = ledger().when(order(*((UUID(int=n), 100) for n in range(1, 31))))
    assert "Line 20:" in answer.text
    assert "Line 21:" not in answer.text
    assert "And 10 more." in answer.text


def test_lines_left_out_are_named_and_not_paid_for() -> None:
    place = ledger()
    bad = FailedLine(account_id=FOREIGN, amount_cents=900, reason="not-of-company")
    answer, _ = place.when(order((ACCOUNT, 100), checked=True, left_out=[bad]))
    refill = refill_of(place, answer)
    assert (refill.paid_cents, refill.left_out_lines, refill.refund_cents) == (100, 1, 0)
    assert (answer["status"], balance(place)) == ("credited", 100)


def test_a_large_order_is_credited_in_steps_each_once() -> None:
    accounts = [make_id(NOW_MS, n % 4096, 1000 + n) for n in range(1_200)]
    lines = [(account, 1 + n) for n, account in enumerate(accounts)]
    place = Ledger()
    place.log.events += [company_registered(), *map(account_opened, accounts)]
    place.states.load(accounts)
    answer, events = place.when(order(*lines, checked=True))
    assert (answer["status"], len(events)) == ("approved", 4)
    while (refill := refill_of(place, answer)).status == refills.APPROVED:
        at = refill.done_lines
        next_step = lines[at : at + refills.STEP_LINES]
        after, events = place.when(step(place, refill, next_step))
        assert len(events) == 1 + len(next_step)
        again, none = place.when(step(place, refill, next_step))
        assert (again.done_lines, none) == (after.done_lines, []), "a step is done once"
    assert (refill.status, refill.credited_cents) == ("credited", sum(range(1, 1_201)))
    assert [balance(place, account) for account in accounts] == [cents for _, cents in lines]


def test_a_step_at_another_place_is_refused() -> None:
    place = ledger()
    answer, _ = place.when(order((ACCOUNT, 5_000)))
    refill = refill_of(place, answer)
    refused, events = place.when(step(place, refill, [(ACCOUNT, 5_000)]))
    assert (refused.code, events) == ("not-this-step", [])


def test_a_line_that_cannot_be_credited_is_named_and_its_money_is_due_back() -> None:
    place = ledger()
    answer, _ = place.when(
        order((ACCOUNT, 100), (FOREIGN, 900), checked=True, terms=Terms(alone_most_cents=0))
    )
    refill = refill_of(place, answer)
    assert refill.status == refills.AWAITING_APPROVAL
    approved = refills.event_of(context(), refill, RefillApproved, approved_by="operator:b:1")
    place.given(approved)
    after, events = place.when(
        step(place, refill_of(place, answer), [(ACCOUNT, 100), (FOREIGN, 900)])
    )
    assert (after.status, after.refund_cents) == ("credited-in-part", 900)
    (failed,) = [event for event in events if isinstance(event, refills.RefillFailed)]
    assert [(line.account_id, line.reason) for line in failed.lines] == [
        (FOREIGN, "unknown-account")
    ]


def test_too_many_lines_are_refused() -> None:
    lines = [(UUID(int=n), 1) for n in range(1, refills.MOST_LINES + 2)]
    answer, _ = ledger().when(order(*lines, checked=True))
    assert answer.code == "refill-size"


def test_the_same_file_is_ordered_once_unless_it_is_meant() -> None:
    place = ledger()
    given: dict[str, Any] = {"source": refills.FILE, "file_digests": [b"new", b"old"]}
    first, _ = place.when(order((ACCOUNT, 100), **given))
    assert place.log.claims[FILE_CLAIM, b"new"] == UUID(first["id"])
    refused, events = place.when(order((ACCOUNT, 100), number=2, **given))
    assert (refused.code, events) == ("same-file", [])
    assert first["id"] in refused.text
    place.when(order((ACCOUNT, 100), number=3, again=True, **given))
    assert balance(place) == 200


def test_a_file_is_known_again_by_an_older_key() -> None:
    place = ledger()
    place.when(order((ACCOUNT, 100), file_digests=[b"old"]))
    refused, _ = place.when(order((ACCOUNT, 100), number=2, file_digests=[b"new", b"old"]))
    assert refused.code == "same-file"


def test_a_command_id_of_another_command_is_no_refill() -> None:
    place = ledger()
    place.when(order((ACCOUNT, 100)))
    place.log.claims["command", origin(2).command_id.bytes] = ACCOUNT
    answer, events = place.when(order((ACCOUNT, 100), number=2))
    assert (answer.code, events) == ("command-id-used", [])


def test_every_credit_of_an_order_has_its_last_day() -> None:
    place = ledger()
    _, events = place.when(order((ACCOUNT, 500), (SECOND, 700), last_day="2099-12-31"))
    credits = [event for event in events if isinstance(event, AccountCredited)]
    assert [event.last_day for event in credits] == ["2099-12-31"] * 2
    made, _ = place.when(order((ACCOUNT, 5), number=2, last_day="2099-12-30", payment=Payment()))
    assert refill_of(place, made).last_day == "2099-12-30"


def test_without_a_last_day_the_programme_says_how_long_money_lasts() -> None:
    place = ledger().given(money_lasts(30))
    in_a_month = day_after(local_date(NOW_US, "America/New_York"), 30)
    _, events = place.when(order((ACCOUNT, 500)))
    assert [each.last_day for each in events if isinstance(each, AccountCredited)] == [in_a_month]
    _, events = place.when(order((ACCOUNT, 500), number=2, last_day="2099-12-31"))
    assert [each.last_day for each in events if isinstance(each, AccountCredited)] == ["2099-12-31"]


@pytest.mark.parametrize("checked", [False, True])
def test_a_last_day_that_has_passed_is_refused(checked: bool) -> None:
    said, events = ledger().when(order((ACCOUNT, 500), last_day="2020-01-31", checked=checked))
    assert said.code == "refill-lines" and "Line 1: the last day" in said.text
    assert not events


def test_of_a_large_order_a_last_day_that_has_passed_everywhere_is_refused() -> None:
    lines = [(make_id(NOW_MS, 6, 1_000 + n), 1) for n in range(refills.STEP_LINES + 1)]
    said, _ = ledger().when(order(*lines, last_day="2020-01-31", checked=True))
    assert said.code == "refill-lines" and "Every line: the last day" in said.text


def test_a_line_whose_last_day_passed_before_its_money_came_fails() -> None:
    place = ledger()
    answer, _ = place.when(order((ACCOUNT, 500), last_day="2099-12-31", payment=Payment()))
    refill = replace(refill_of(place, answer), status=refills.APPROVED, last_day="2020-01-31")
    (failed,) = credits_of(context(), place.states, refill, as_lines([(ACCOUNT, 500)]))
    assert isinstance(failed, refills.RefillFailed)
    assert [line.reason for line in failed.lines] == ["last-day-passed"]


@pytest.mark.parametrize(
    "other",
    [
        order((ACCOUNT, 5_000), (SECOND, 7_501)),
        order((ACCOUNT, 7_500), (SECOND, 5_000)),
        order((ACCOUNT, 12_500)),
        order((ACCOUNT, 5_000), (SECOND, 7_500), company_id=FOREIGN),
        order((ACCOUNT, 5_000), (SECOND, 7_500), payment=Payment(method=refills.CHECK)),
        order((ACCOUNT, 5_000), (SECOND, 7_500), payment=BY_CARD),
        order((ACCOUNT, 5_000), (SECOND, 7_500), last_day="2099-01-31"),
        order((ACCOUNT, 5_000), (SECOND, 7_500), group="Night", checked=True),
    ],
)
def test_another_order_under_the_same_id_is_refused(other: Command) -> None:
    place = ledger()
    same = order((ACCOUNT, 5_000), (SECOND, 7_500))
    place.when(same)
    assert place.when(same)[0]["repeated"]
    answer, events = place.when(other)
    assert (answer.code, events) == ("command-id-used", [])


def test_the_same_order_of_all_accounts_is_repeated_though_there_are_more_by_now() -> None:
    place = ledger()
    place.when(order((ACCOUNT, 500), checked=True))
    again, events = place.when(order((ACCOUNT, 500), (SECOND, 500), checked=True))
    assert (again["repeated"], again["accounts"], events) == (True, 1, [])
