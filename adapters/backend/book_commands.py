"""C CLOSE closes a day of the books, C RECONCILE takes in a bank statement."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from adapters.backend.operator_ports import Denied
from application import fields
from application.close_day import CloseDay
from application.match_statement import MOVED_ON, MatchStatement
from domain.aggregates.reconciliation import MatchedLine
from domain.books.bank import Expected
from domain.books.matching import Match, Result, match
from domain.books.statement import Entry, entries

if TYPE_CHECKING:
    from adapters.backend.operator_commands import OperatorCommands
    from adapters.backend.told import Told

Answer = dict[str, Any]
ENTRIES_MOST: Final = 3_000
"""Of one statement: with their texts they fit into one command."""
AMOUNT_MOST_CENTS: Final = 10**13
TEXT_MOST: Final = 280
NAME_MOST: Final = 70
_TRIES: Final = 3


async def close(commands: "OperatorCommands", told: "Told") -> Answer:
    """A day that is over, once and in order; its record is signed before it is stored."""
    keeping, day = commands.outside.books, fields.day(told.body, "day")
    found = await asyncio.to_thread(lambda: keeping.open_day(day))
    if found is None:
        return {"day": day.isoformat(), "closed_before": True}
    note = await commands.works.in_lane(lambda: keeping.sign(found.text))
    answer = await commands.works.carry_out(
        CloseDay(
            told.origin,
            commands.works.deadline_us(),
            day=found.day,
            position=found.position,
            postings=found.postings,
            balances=found.balances,
            previous=found.previous,
            text=found.text,
            note=note,
        )
    )
    return answer if answer.get("closed_before") else {**answer, "note": note}


async def reconcile(commands: "OperatorCommands", told: "Told") -> Answer:
    """A bank statement: what matches is recorded, what does not is told."""
    statement = _Statement(told.body)
    for left in reversed(range(_TRIES)):
        version, result = await _looked_up(commands, statement)
        shown = _shown(result)
        if not result.matched or statement.preview:
            return {**shown, "preview": True} if statement.preview else shown
        try:
            await commands.works.carry_out(
                MatchStatement(
                    told.origin,
                    commands.works.deadline_us(),
                    seen_version=version,
                    statement=statement.name,
                    file_sha256=statement.file_sha256,
                    lines=tuple(map(_line, result.matched)),
                )
            )
        except Denied as denied:
            if denied.code != MOVED_ON or not left:
                raise
            continue
        return shown
    raise AssertionError("unreachable")


async def _looked_up(commands: "OperatorCommands", statement: "_Statement") -> tuple[int, Result]:
    keeping = commands.outside.books

    def look() -> tuple[int, Result]:
        days = [fields.day({"day": entry.day}, "day") for entry in statement.entries]
        version, expected = keeping.expected(min(days), max(days))
        return version, match(statement.entries, expected)

    return await asyncio.to_thread(look)


class _Statement:
    """The body of a reconciliation, checked. Raises Invalid."""

    def __init__(self, body: Mapping[str, Any]) -> None:
        self.name = fields.text(body, "statement", NAME_MOST)
        self.file_sha256 = fields.hex_bytes(body, "file_sha256", 64).hex()
        self.preview = fields.flag(body, "preview")
        account = fields.text(body, "account", NAME_MOST)
        rows, faults = [], []
        for number, row in enumerate(fields.rows(body, "entries", ENTRIES_MOST), start=1):
            try:
                rows.append(_entry(row))
            except fields.Invalid as error:
                faults.append(f"Entry {number}, {error.text}")
        if faults:
            raise fields.Invalid("entries", "nothing was matched:" + fields.some_of(faults))
        self.entries: Sequence[Entry] = entries(account, rows)


def _entry(row: Mapping[str, Any]) -> tuple[str, int, str, str]:
    amount_cents = fields.cents(row, "amount_cents", -AMOUNT_MOST_CENTS, AMOUNT_MOST_CENTS)
    if amount_cents == 0:
        raise fields.Invalid("amount_cents", "is zero. Leave such entries out.")
    return (
        fields.day(row, "day").isoformat(),
        amount_cents,
        fields.text(row, "text", TEXT_MOST) if row.get("text") else "",
        fields.text(row, "bank_reference", NAME_MOST) if row.get("bank_reference") else "",
    )


def _line(matched: Match) -> MatchedLine:
    return MatchedLine(
        entry=matched.entry.key,
        day=matched.entry.day,
        amount_cents=matched.entry.amount_cents,
        expected_position=matched.expected.position,
        clears=matched.expected.clears,
        how=matched.how,
    )


def _shown(result: Result) -> Answer:
    """The answer: every entry of the statement in one list, and what should have been in it."""
    return {
        "matched": [
            {**_entry_shown(each.entry), **_expected_shown(each.expected), "how": each.how}
            for each in result.matched
        ],
        "matched_before": [
            {**_entry_shown(each.entry), **_expected_shown(each.expected)} for each in result.before
        ],
        "amounts_off": [
            {
                **_entry_shown(each.entry),
                **_expected_shown(each.expected),
                "off_cents": each.entry.amount_cents - each.expected.amount_cents,
            }
            for each in result.amounts_off
        ],
        "unmatched_bank": [
            {**_entry_shown(each.entry), "why": each.why} for each in result.unmatched
        ],
        "unmatched_books": [_expected_shown(each) for each in result.missing],
    }


def _entry_shown(entry: Entry) -> Answer:
    return {
        "entry": entry.key,
        "day": entry.day,
        "amount_cents": entry.amount_cents,
        "bank_reference": entry.bank_reference,
    }


def _expected_shown(expected: Expected) -> Answer:
    return {
        "of": expected.topic.partition(".")[0],
        "id": str(expected.id),
        "reference": expected.reference,
        "expected_day": expected.day,
        "expected_cents": expected.amount_cents,
        "position": expected.position,
    }
