"""What each money event posts, on which day, and that no event with an amount is forgotten."""

from collections.abc import Iterator
from typing import Any, get_args, get_type_hints

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import application.states  # noqa: F401 - registers every topic
from domain.aggregates import account as accounts
from domain.aggregates import after_credit, closing, reconciliation
from domain.aggregates import refill as refills
from domain.aggregates import refill_undone as undone
from domain.aggregates.after_debit import DebitRefunded, DisputeCredited, TipDebited
from domain.aggregates.reconciliation import MatchedLine
from domain.books import chart
from domain.books.bank import REFERENCE_CHARACTERS, reference_of
from domain.books.chart import (
    BANK,
    CARDHOLDERS,
    CHART,
    COMPANY_FEES,
    COMPANY_FUNDS,
    FEES_RECEIVABLE,
    PROCESSOR_CLEARING,
    SHOPS,
)
from domain.books.days import clock_day, next_day
from domain.books.mapping import EXPECTED, MOVES, NO_MONEY, postings
from domain.books.posting import total
from domain.books.running import Running
from domain.event import Event, stamp, topics
from domain.ids import make_id
from domain.refill_lines import RefillLine
from tests.specification import section, tables
from tests.unit.domain.material import ACCOUNT, TRANSACTION, account, context, id_of
from tests.unit.domain.test_stored_events import sample

CODES = {each.code for each in CHART}
HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US
MIDNIGHT_US = 1_795_496_400_000_000  # 2026-11-24 00:00 in New York


def amounts(kind: Any) -> Iterator[str]:
    """The fields of a struct, and of what is in it, that are money."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        for name, inner in get_type_hints(kind).items():
            if name.endswith("_cents"):
                yield name
            yield from amounts(inner)
    for argument in get_args(kind):
        yield from amounts(argument)


def credited(cents: int = 5_000, at_us: int = MIDNIGHT_US) -> Event:
    return accounts.credit(
        context(recorded_at_us=at_us), account(), amount_cents=cents, refill_id=id_of(50)
    )


@pytest.mark.parametrize("topic", sorted(topics()))
def test_every_event_with_an_amount_posts_or_says_why_not(topic: str) -> None:
    cls = topics()[topic]
    known = (cls in MOVES) + (cls in NO_MONEY)
    if any(amounts(cls)):
        assert known == 1, f"{topic} carries an amount: put it into MOVES or NO_MONEY"
    assert known <= 1


def test_what_is_mapped_is_stored() -> None:
    stored = set(topics().values())
    assert {*MOVES, *NO_MONEY, *EXPECTED} <= stored
    assert all(NO_MONEY.values()), "with the reason"


@pytest.mark.parametrize("cls", MOVES, ids=lambda cls: cls.TOPIC)
def test_what_an_event_posts_adds_up_to_zero(cls: type[Event]) -> None:
    posted = postings(sample(cls))
    assert posted
    assert total(posted) == 0
    assert {each.code for each in posted} <= CODES | {"clears"}  # the sample's made-up account


def debit(cents: int) -> Event:
    return accounts.debit(
        context(), account(), amount_cents=cents, transaction_id=TRANSACTION, date="2026-11-23"
    )


def reversal(cents: int) -> Event:
    return accounts.reverse_debit(
        context(), account(), amount_cents=cents, transaction_id=TRANSACTION, date="2026-11-23",
        corrects_version=3,
    )  # fmt: skip


def correction(cents: int) -> Event:
    made = accounts.correct_debit(
        context(), account(), change_cents=cents, transaction_id=TRANSACTION, date="2026-11-23",
        corrects_version=3, why="typed wrong",
    )  # fmt: skip
    assert isinstance(made, Event)
    return made


def statement(*lines: tuple[int, str]) -> Event:
    return reconciliation.match_statement(
        context(), None, statement="23", file_sha256="0" * 64,
        lines=tuple(
            MatchedLine(entry="e", day="2026-11-23", amount_cents=cents, expected_position=7,
                        clears=clears, how="reference")
            for cents, clears in lines
        ),
    )  # fmt: skip


def paid(cents: int, fee_cents: int) -> Event:
    return refills.RefillPaid(
        **stamp(context(), id_of(50), 2), company_id=id_of(4), amount_cents=cents,
        fee_cents=fee_cents, method="bank", processor="", reference="", paid_by="x",
    )  # fmt: skip


def gone(cls: Any, **facts: Any) -> Any:
    return cls(
        **stamp(context(), id_of(50), 3), company_id=id_of(4), amount_cents=500, processor="",
        reference="", **facts,
    )  # fmt: skip


def won(fee_cents: int = 0, fee_waived: bool = False) -> Any:
    facts = {"fee_cents": fee_cents, "fee_waived": fee_waived, "dispute": "", "why": "x"}
    return gone(undone.RefillChargebackWon, **facts)


def fee_paid(cents: int) -> Event:
    return undone.RefillFeePaid(
        **stamp(context(), id_of(50), 4), company_id=id_of(4), amount_cents=cents,
        reference="WIRE-9", paid_by="x",
    )  # fmt: skip


def taken_back(cents: int) -> Event:
    found = after_credit.take_back(
        context(),
        account(),
        amount_cents=cents,
        credited_cents=cents,
        refill_id=id_of(50),
        last_day="",
    )
    assert found is not None
    return found


def whole_refill(version: int) -> Event:
    return refills.credit(
        context(), id_of(50), company_id=id_of(4), approved_by="x", version=version,
        lines=(RefillLine(account_id=ACCOUNT, amount_cents=500),),
    )  # fmt: skip


@pytest.mark.parametrize(("event", "movement"), [
    (paid(500, 40), (500, PROCESSOR_CLEARING)),
    (gone(undone.RefillRefunded, fee_cents=0), (-500, PROCESSOR_CLEARING)),
    (gone(undone.RefillChargedBack, why="x"), (-500, PROCESSOR_CLEARING)),
    (won(), (500, PROCESSOR_CLEARING)),
    (fee_paid(40), (40, PROCESSOR_CLEARING)),
    (whole_refill(1), (500, COMPANY_FUNDS)),
    (whole_refill(4), None),
])  # fmt: skip
def test_what_the_bank_will_show_is_waited_for_once(
    event: Event, movement: tuple[int, str] | None
) -> None:
    found = EXPECTED[type(event)](7, "2026-11-24", event)
    assert (found and (found.amount_cents, found.clears)) == movement


@pytest.mark.parametrize(("event", "posted"), [
    (credited(500), {COMPANY_FUNDS: 500, CARDHOLDERS: -500}),
    (debit(500), {CARDHOLDERS: 500, SHOPS: -500}),
    (reversal(500), {SHOPS: 500, CARDHOLDERS: -500}),
    (correction(500), {SHOPS: 500, CARDHOLDERS: -500}),
    (correction(-500), {CARDHOLDERS: 500, SHOPS: -500}),
    (sample(DebitRefunded), {SHOPS: 1_250, CARDHOLDERS: -1_250}),
    (sample(TipDebited), {CARDHOLDERS: 1_250, SHOPS: -1_250}),
    (sample(DisputeCredited), {SHOPS: 1_250, CARDHOLDERS: -1_250}),
    (paid(500, 40), {PROCESSOR_CLEARING: 500, COMPANY_FUNDS: -460, COMPANY_FEES: -40}),
    (paid(500, 0), {PROCESSOR_CLEARING: 500, COMPANY_FUNDS: -500}),
    (gone(undone.RefillRefunded, fee_cents=40),
     {PROCESSOR_CLEARING: -500, COMPANY_FUNDS: 460, COMPANY_FEES: 40}),
    (gone(undone.RefillChargedBack, why="x"), {PROCESSOR_CLEARING: -500, COMPANY_FUNDS: 500}),
    (gone(undone.RefillChargedBack, why="x", fee_cents=40),
     {PROCESSOR_CLEARING: -500, COMPANY_FUNDS: 460, FEES_RECEIVABLE: 40}),
    (gone(undone.RefillChargedBack, why="x", fee_cents=40, fee_waived=True),
     {PROCESSOR_CLEARING: -500, COMPANY_FUNDS: 460, COMPANY_FEES: 40}),
    (fee_paid(40), {PROCESSOR_CLEARING: 40, FEES_RECEIVABLE: -40}),
    (won(), {PROCESSOR_CLEARING: 500, COMPANY_FUNDS: -500}),
    (won(fee_cents=40), {PROCESSOR_CLEARING: 500, COMPANY_FUNDS: -460, FEES_RECEIVABLE: -40}),
    (won(fee_cents=40, fee_waived=True),
     {PROCESSOR_CLEARING: 500, COMPANY_FUNDS: -460, COMPANY_FEES: -40}),
    (taken_back(500), {CARDHOLDERS: 500, COMPANY_FUNDS: -500}),
    (statement((500, COMPANY_FUNDS), (200, PROCESSOR_CLEARING), (-300, SHOPS)),
     {BANK: 400, COMPANY_FUNDS: -500, PROCESSOR_CLEARING: -200, SHOPS: 300}),
])  # fmt: skip
def test_what_is_posted(event: Event, posted: dict[str, int]) -> None:
    assert {each.code: each.amount_cents for each in postings(event)} == posted


def test_the_specification_has_the_whole_table() -> None:
    charted, mapped = tables(section("TR-DBFS", "8"))[:2]
    assert [row[:3] for row in charted] == [[each.code, each.name, each.type] for each in CHART]
    told = {row[0]: (row[1], row[2]) for row in mapped}
    assert told.keys() == {cls.TOPIC for cls in (*MOVES, *NO_MONEY)}
    for cls, why in NO_MONEY.items():
        assert told[cls.TOPIC] == ("–", why)


def test_accounts_are_told_apart() -> None:
    assert len(CODES) == len(CHART) == len({each.name for each in CHART})
    assert {each.type for each in CHART} == {
        *(chart.ASSET, chart.LIABILITY, chart.INCOME, chart.EXPENSE)
    }
    assert {each.currency for each in CHART} == {"USD"}


def closed(day: str) -> Event:
    text = closing.record(
        "x", day=day, timezone="America/New_York", position=1, postings=1, balances={}, previous=""
    )
    return closing.close(
        context(), None, day=day, timezone="America/New_York", position=1, postings=1,
        balances={}, text=text, note=text,
    )  # fmt: skip


def taken(*events: Event) -> list[str]:
    """The day of each event."""
    books, days = Running(), []
    for position, event in enumerate(events, 1):
        days.append(books.day_of(event))
        books.take(position, event, days[-1])
    return days


def test_a_day_begins_at_midnight_in_eastern_time() -> None:
    assert taken(credited(at_us=MIDNIGHT_US - 1), credited(at_us=MIDNIGHT_US)) == [
        "2026-11-23",
        "2026-11-24",
    ]


def test_a_clock_that_was_set_back_does_not_bring_a_day_back() -> None:
    back = credited(at_us=MIDNIGHT_US - HOUR_US)
    assert taken(credited(at_us=MIDNIGHT_US), back) == ["2026-11-24", "2026-11-24"]


def test_a_day_that_is_closed_gets_nothing_more() -> None:
    late = credited(at_us=MIDNIGHT_US - 1)
    days = taken(credited(at_us=MIDNIGHT_US - 2), closed("2026-11-23"), late)
    assert (days[0], days[2]) == ("2026-11-23", "2026-11-24")


@given(st.lists(st.tuples(st.integers(1, 10_000), st.integers(-5 * DAY_US, 5 * DAY_US))))
def test_days_only_grow_and_the_sum_is_zero(made: list[tuple[int, int]]) -> None:
    books, before = Running(), ""
    for position, (cents, off_us) in enumerate(made, 1):
        event = credited(cents, MIDNIGHT_US + off_us)
        day = books.day_of(event)
        books.take(position, event, day)
        assert day >= before
        assert day >= clock_day(event.recorded_at_us)
        assert books.sum_cents == 0
        before = day
    assert books.events == len(made)
    assert -books.of_chart()[CARDHOLDERS] == sum(cents for cents, _ in made)


def test_a_copy_stays_as_it_was() -> None:
    books = Running()
    books.take(1, credited(500), "2026-11-23")
    copy = books.copied()
    books.take(2, credited(700), "2026-11-24")
    assert (copy.position, copy.day, copy.balances[CARDHOLDERS]) == (1, "2026-11-23", -500)


def test_days_follow_each_other() -> None:
    assert next_day("2026-12-31") == "2027-01-01"


@given(st.integers(0, 2**62 - 1), st.integers(0, 2**62 - 1))
def test_a_reference_fits_a_nacha_entry_and_names_one_thing(one: int, other: int) -> None:
    first, second = (reference_of(make_id(1, 7, free)) for free in (one, other))
    assert len(first) == REFERENCE_CHARACTERS
    assert (first == second) == (one == other)


def test_a_record_names_its_facts() -> None:
    event: Any = closed("2026-11-23")
    assert event.sha256 == closing.hash_of(event.note)
    assert event.previous == closing.NONE_BEFORE
    assert ACCOUNT.hex not in event.note
