"""Schedules order a refill for each due date, once; groups say whom."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from application.refill import Terms
from application.schedule import AddSchedule, ChangeSchedule, OrderScheduled, SetGroup
from domain.aggregates import refill as refills
from domain.aggregates.group import Groups, groups_id
from domain.aggregates.refill import Refill, RefillOrdered
from domain.aggregates.schedule import Schedule, ScheduleRan
from domain.local_time import day_after, local_date
from domain.recurrence import KEEP, WEEKLY, Rule, due_us
from tests.unit.application.happened import ACCOUNT, COMPANY
from tests.unit.application.ledger_double import (
    ACTOR,
    DEADLINE_US,
    ISSUER,
    NOW_MS,
    NOW_US,
    Ledger,
    origin,
)
from tests.unit.application.refilling import FOREIGN, SECOND, ledger, money_lasts

RULE = Rule(every=WEEKLY, day=5, hour=17, timezone="America/Chicago", holidays=KEEP)


def added(**facts: Any) -> tuple[Ledger, Schedule]:
    place = ledger()
    given: dict[str, Any] = {
        "company_id": COMPANY, "group": "", "each_cents": 500, "method": refills.BANK,
        "payment_method": "", "rule": RULE,
    }  # fmt: skip
    answer, _ = place.when(AddSchedule(origin(), DEADLINE_US, **(given | facts)))
    return place, schedule_of(place, UUID(answer["id"]))


def schedule_of(place: Ledger, id: UUID) -> Schedule:
    found = place.states.get(id, Schedule)
    assert found is not None
    return found


def run(place: Ledger, schedule: Schedule, due_on: str, **facts: Any) -> tuple[Any, list[Any]]:
    at_us = due_us(schedule.rule, datetime.fromisoformat(due_on).date())
    given: dict[str, Any] = {
        "schedule": schedule, "due_on": due_on, "due_us": at_us, "missed": 0,
        "accounts": [ACCOUNT, SECOND], "terms": Terms(), "now_ms": NOW_MS, "issuer_id": ISSUER,
    }  # fmt: skip
    return place.when(OrderScheduled(DEADLINE_US, **(given | facts)))


def change(place: Ledger, schedule: Schedule, to: str, number: int) -> Any:
    command = ChangeSchedule(
        origin(number), DEADLINE_US, schedule_id=schedule.id, to=to, why="because"
    )
    return place.when(command)[0]


def later(schedule: Schedule, weeks: int) -> str:
    return (schedule.after + timedelta(weeks=weeks)).isoformat()


def test_a_due_date_orders_one_refill_whoever_asks_again() -> None:
    place, schedule = added()
    due_on = later(schedule, 1)
    answer, (ran, ordered) = run(place, schedule, due_on)
    assert isinstance(ran, ScheduleRan)
    assert isinstance(ordered, RefillOrdered)
    assert (ordered.total_cents, ordered.due_on, ordered.source) == (1_000, due_on, "schedule")
    assert ordered.ordered_by == ACTOR, "who set up the schedule"
    refill = place.states.get(UUID(answer["refill"]), Refill)
    assert refill is not None
    assert refill.status == refills.AWAITING_PAYMENT
    _, none = run(place, schedule, due_on)
    assert none == []
    # Not even under another command: the date is past for the schedule.
    place.log.claims.clear()
    place.states.drop()
    refused, none = run(place, schedule, due_on)
    assert (refused.code, none) == ("ran-before", [])


def test_what_a_schedule_orders_lasts_as_long_as_the_programme_says() -> None:
    place, schedule = added()
    place.given(money_lasts(30))
    _, (_, ordered) = run(place, schedule, later(schedule, 1))
    assert ordered.last_day == day_after(local_date(NOW_US, "America/New_York"), 30)


def test_missed_dates_are_covered_by_one_order() -> None:
    place, schedule = added()
    _, (ran, _) = run(place, schedule, later(schedule, 3), missed=2)
    assert ran.missed == 2
    refused, _ = run(place, schedule, later(schedule, 2))
    assert refused.code == "ran-before"


def test_a_run_that_can_order_nothing_is_recorded_with_the_reason() -> None:
    place, schedule = added()
    _, events = run(place, schedule, later(schedule, 1), accounts=[], why="no-accounts")
    assert [type(event) for event in events] == [ScheduleRan]
    after = schedule_of(place, schedule.id)
    assert (after.last_why, after.last_refill_id, after.runs) == ("no-accounts", None, 1)


def test_a_paused_or_removed_schedule_orders_nothing() -> None:
    place, schedule = added()
    assert change(place, schedule, "paused", 2)["status"] == "paused"
    assert run(place, schedule, later(schedule, 1))[0].code == "schedule-status"
    assert change(place, schedule, "paused", 3).code == "schedule-status"
    assert change(place, schedule, "active", 4)["status"] == "active"
    assert change(place, schedule, "removed", 5)["status"] == "removed"
    assert change(place, schedule, "active", 6).code == "schedule-status"
    assert run(place, schedule, later(schedule, 1))[0].code == "schedule-status"


def test_a_schedule_is_of_a_company_and_a_group_that_exist() -> None:
    place = ledger()
    facts: dict[str, Any] = {
        "each_cents": 1, "method": "bank", "payment_method": "", "rule": RULE,
    }  # fmt: skip
    for company, group, code in (
        (ACCOUNT, "", "no-such-company"),
        (COMPANY, "night", "no-such-group"),
    ):
        command = AddSchedule(origin(), DEADLINE_US, company_id=company, group=group, **facts)
        assert place.when(command)[0].code == code


def grouped(place: Ledger, number: int, add: list[UUID], remove: list[UUID], name: str) -> Any:
    command = SetGroup(
        origin(number), DEADLINE_US, company_id=COMPANY, name=name, add=add, remove=remove
    )
    return place.when(command)[0]


def test_accounts_come_into_a_group_and_leave_it() -> None:
    place = ledger()
    assert grouped(place, 1, [ACCOUNT, SECOND, ACCOUNT], [], "Night")["accounts"] == 2
    assert grouped(place, 2, [], [ACCOUNT], "NIGHT") == {
        "id": str(groups_id(COMPANY)), "group": "Night", "accounts": 1,
    }  # fmt: skip
    known = place.states.get(groups_id(COMPANY), Groups)
    assert known is not None
    assert known.get("Day") is None
    group = known.get("night")
    assert group is not None
    assert group.accounts == (SECOND,)


def test_an_account_of_another_company_comes_into_no_group() -> None:
    place = ledger()
    assert grouped(place, 1, [ACCOUNT, FOREIGN], [], "Night").code == "no-such-account"
    assert grouped(place, 2, [], [ACCOUNT], "Night").code == "no-such-group"


def test_another_schedule_or_change_under_the_same_id_is_refused() -> None:
    place, schedule = added()
    facts: dict[str, Any] = {
        "company_id": COMPANY, "group": "", "method": refills.BANK, "payment_method": "",
        "rule": RULE,
    }  # fmt: skip
    for each_cents, done in ((500, True), (600, False)):
        command = AddSchedule(origin(), DEADLINE_US, each_cents=each_cents, **facts)
        answer, events = place.when(command)
        assert (isinstance(answer, dict), events) == (done, [])
    for to, code in (("paused", ""), ("removed", "command-id-used"), ("paused", "")):
        asked = ChangeSchedule(origin(2), DEADLINE_US, schedule_id=schedule.id, to=to, why="x")
        answer, _ = place.when(asked)
        assert getattr(answer, "code", "") == code


def test_after_its_last_day_nothing_is_ordered() -> None:
    _, whenever = added()
    place, schedule = added(until=later(whenever, 2))
    assert run(place, schedule, later(schedule, 1))[0]["why"] == ""
    again = schedule_of(place, schedule.id)
    assert again.coming is not None and again.coming[0].isoformat() == schedule.until
    assert run(place, schedule, later(schedule, 2))[0]["why"] == ""
    assert schedule_of(place, schedule.id).coming is None
    answer, events = run(place, schedule, later(schedule, 3))
    assert (answer.code, events) == ("schedule-over", [])


def test_after_its_last_day_no_next_run_is_told() -> None:
    _, whenever = added()
    place, schedule = added(until=later(whenever, 1))
    run(place, schedule, later(schedule, 1))
    place.now_us += 60 * 86_400_000_000
    for number, to in ((7, "paused"), (8, "active")):
        asked = ChangeSchedule(origin(number), DEADLINE_US, schedule_id=schedule.id, to=to, why="x")
        answer, _ = place.when(asked)
        assert answer["status"] == to
        assert "next_on" not in answer


def test_a_schedule_that_would_never_order_is_refused() -> None:
    _, schedule = added()
    early = (schedule.after + timedelta(days=6)).isoformat()
    command = AddSchedule(
        origin(), DEADLINE_US, company_id=COMPANY, group="", each_cents=500, method=refills.BANK,
        payment_method="", rule=RULE, until=early,
    )  # fmt: skip
    answer, events = ledger().when(command)
    assert (answer.code, events) == ("schedule-over", [])
    assert later(schedule, 1) in answer.text
