"""Which entry of a bank statement is which expected money, and what is left over."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from domain.books.bank import Expected
from domain.books.chart import COMPANY_FUNDS
from domain.books.matching import Result, match
from domain.books.statement import Entry, entries
from tests.unit.domain.material import id_of

DAY = "2026-11-23"


def expected(position: int, cents: int = 24_000, day: str = DAY, **changes: Any) -> Expected:
    return Expected(
        position=position,
        day=day,
        id=id_of(position),
        topic="refill.credited/1",
        amount_cents=cents,
        clears=COMPANY_FUNDS,
        **changes,
    )


def entry(cents: int = 24_000, text: str = "", day: str = DAY, reference: str = "") -> Entry:
    return entries("account", [(day, cents, text, reference)])[0]


def counts(result: Result) -> tuple[int, ...]:
    """Matched, amounts off, unmatched, matched before, missing."""
    return tuple(len(each) for each in result)


@pytest.mark.parametrize("text", [
    "{reference}", "PAYMENT {reference} ACME", "pay {lower}", "{spaced}", "REF/{id}", "{hex}",
])  # fmt: skip
def test_the_reference_is_found_however_the_bank_prints_it(text: str) -> None:
    money = expected(7)
    reference = money.reference
    written = text.format(
        reference=reference,
        lower=reference.lower(),
        spaced=" ".join(reference[at : at + 4] for at in range(0, 15, 4)),
        id=money.id,
        hex=money.id.hex,
    )
    found = match([entry(text=written)], [expected(6), money])
    assert [each.expected.position for each in found.matched] == [7]
    assert found.matched[0].how == "reference"


def test_by_reference_no_matter_how_late() -> None:
    money = expected(7, day="2026-11-01")
    assert counts(match([entry(text=money.reference)], [money])) == (1, 0, 0, 0, 0)


def test_another_amount_settles_nothing_and_is_told() -> None:
    money = expected(7)
    found = match([entry(23_900, text=money.reference)], [money])
    assert counts(found) == (0, 1, 0, 0, 0)


def test_money_that_an_entry_names_is_no_other_entrys() -> None:
    money = expected(7)
    found = match([entry(23_900, text=money.reference), entry(24_000)], [money])
    assert counts(found) == (0, 1, 1, 0, 0)


def test_without_a_reference_amount_and_day_leave_one_choice() -> None:
    found = match([entry(day="2026-11-27")], [expected(7), expected(8, 100)])
    assert counts(found) == (1, 0, 0, 0, 1)
    assert found.matched[0].how == "amount"


@pytest.mark.parametrize(("made", "waiting", "why"), [
    ([entry()], [expected(7), expected(8)], ["ambiguous"]),
    ([entry(reference="1"), entry(reference="2")], [expected(7)], ["ambiguous", "ambiguous"]),
    ([entry(day="2026-11-29")], [expected(7)], ["unknown"]),
    ([entry(-24_000)], [expected(7)], ["unknown"]),
    ([entry(7)], [], ["unknown"]),
])  # fmt: skip
def test_what_is_left_to_a_person(
    made: list[Entry], waiting: list[Expected], why: list[str]
) -> None:
    found = match(made, waiting)
    assert [each.why for each in found.unmatched] == why
    assert not found.matched


def test_money_comes_once() -> None:
    money = expected(7)
    twice = [entry(text=money.reference, reference=each) for each in ("1", "2")]
    found = match(twice, [money])
    assert counts(found) == (1, 0, 1, 0, 0)
    assert found.unmatched[0].why == "expected-once"


def test_money_that_goes_out_is_matched_alike() -> None:
    payout = expected(7, -5_000)
    assert counts(match([entry(-5_000, payout.reference)], [payout])) == (1, 0, 0, 0, 0)


def test_what_is_expected_after_the_statement_is_not_missing() -> None:
    found = match([entry(1)], [expected(7), expected(8, day="2026-11-24")])
    assert [each.position for each in found.missing] == [7]


def test_equal_entries_are_two_and_have_the_same_keys_in_every_file() -> None:
    rows = [(DAY, 100, "lunch", ""), (DAY, 100, "lunch", "")]
    first, again = entries("a", rows), entries("a", rows)
    assert first == again
    assert first[0].key != first[1].key
    assert entries("b", rows)[0].key != first[0].key


texts = st.sampled_from(["", "x", *(expected(n).reference for n in range(1, 6))])


@given(
    st.lists(st.tuples(st.integers(1, 3), texts), max_size=8),
    st.lists(st.integers(1, 3), max_size=5),
)
def test_the_same_statement_again_matches_nothing_more(
    made: list[tuple[int, str]], waiting: list[int]
) -> None:
    rows = entries("a", [(DAY, cents, text, "") for cents, text in made])
    open_ = [expected(at, cents) for at, cents in enumerate(waiting, 1)]
    first = match(rows, open_)
    settled = {each.expected.position: each.entry for each in first.matched}
    assert len(settled) == len(first.matched), "each expectation once"
    assert len({each.entry.key for each in first.matched}) == len(first.matched)
    assert all(each.entry.amount_cents == each.expected.amount_cents for each in first.matched)
    listed = len(first.matched) + len(first.amounts_off) + len(first.unmatched)
    assert listed == len(rows), "every entry is in one list"
    after = [
        replace(each, entry=settled[each.position].key, entry_day=DAY)
        if each.position in settled
        else each
        for each in open_
    ]
    again = match(rows, after)
    assert {each.entry.key for each in again.before} == {each.key for each in settled.values()}
    assert not again.matched
    assert [each.entry for each in again.amounts_off] == [each.entry for each in first.amounts_off]
