"""Which entry of a bank statement is which expected money: by reference, else by amount and day.

By amount only where there is one choice: one entry and one expectation of that amount, booked
within `NEAR_DAYS`. What is ambiguous is left to a person.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from typing import NamedTuple

from domain.books.bank import REFERENCE_CHARACTERS, Expected
from domain.books.statement import Entry

NEAR_DAYS = 5
"""Business days of a transfer, with a long weekend in between."""
BY_REFERENCE, BY_AMOUNT = "reference", "amount"
UNKNOWN, AMBIGUOUS, TWICE = "unknown", "ambiguous", "expected-once"
_REFERENCE = re.compile(rf"(?=(TR[0-9A-HJKMNP-TV-Z]{{{REFERENCE_CHARACTERS - 2}}}))", re.ASCII)
_ID = re.compile(r"(?=([0-9A-F]{32}))", re.ASCII)


class Match(NamedTuple):
    """An entry that is the expected money; where the amounts differ it settles nothing."""

    entry: Entry
    expected: Expected
    how: str


class Unmatched(NamedTuple):
    """An entry that is nobody's, and why: `unknown`, `ambiguous`, or `expected-once`: it names
    money that another entry brought."""

    entry: Entry
    why: str


class Result(NamedTuple):
    """What a statement comes to. `before`: entries that were matched earlier. `missing`: expected
    by the last day of the statement, and on no statement yet."""

    matched: list[Match]
    amounts_off: list[Match]
    unmatched: list[Unmatched]
    before: list[Match]
    missing: list[Expected]


def match(entries: Sequence[Entry], expected: Iterable[Expected]) -> Result:
    """Matches the entries of one statement. `expected`: what is open, and what was matched with
    entries of about that time."""
    result = Result([], [], [], [], [])
    known = list(expected)
    by_entry = {each.entry: each for each in known if each.entry}
    by_reference = _by_reference(known)
    open_ = {each.position: each for each in known if not each.entry}
    naming: list[tuple[Entry, list[Expected]]] = []
    rest: list[Entry] = []
    for entry in entries:
        earlier = by_entry.get(entry.key)
        named = [by_reference[name] for name in _names(entry.text) if name in by_reference]
        if earlier is not None:
            result.before.append(Match(entry, earlier, ""))
        elif named:
            naming.append((entry, [each for group in named for each in group]))
        else:
            rest.append(entry)
    _by_names(naming, open_, result)
    # What an entry names with another amount is a person's to settle, not another entry's.
    for off in result.amounts_off:
        open_.pop(off.expected.position, None)
    _by_amounts(rest, open_, result)
    last = max((entry.day for entry in entries), default="")
    result.missing.extend(each for _, each in sorted(open_.items()) if each.day <= last)
    return result


def _by_names(
    naming: Sequence[tuple[Entry, list[Expected]]], open_: dict[int, Expected], result: Result
) -> None:
    """Entries that name what they pay: first those of the right amount, in whatever order."""
    others: list[tuple[Entry, list[Expected]]] = []
    for entry, named in naming:
        fitting = [
            each
            for each in named
            if each.position in open_ and each.amount_cents == entry.amount_cents
        ]
        if fitting:
            del open_[fitting[0].position]
            result.matched.append(Match(entry, fitting[0], BY_REFERENCE))
        else:
            others.append((entry, named))
    for entry, named in others:
        choices = [each for each in named if each.position in open_]
        if choices:
            result.amounts_off.append(Match(entry, choices[0], BY_REFERENCE))
        else:
            result.unmatched.append(Unmatched(entry, TWICE))


def _by_amounts(rest: Sequence[Entry], open_: dict[int, Expected], result: Result) -> None:
    of_amount: dict[int, list[Expected]] = defaultdict(list)
    for each in open_.values():
        of_amount[each.amount_cents].append(each)

    def near(entry: Entry) -> list[Expected]:
        return [
            each
            for each in of_amount[entry.amount_cents]
            if each.position in open_ and _apart(each.day, entry.day) <= NEAR_DAYS
        ]

    choices = {entry.key: near(entry) for entry in rest}
    wanted = _counted(rest, choices)
    for entry in rest:
        found = choices[entry.key]
        if len(found) == 1 and wanted(found[0]) == 1:
            del open_[found[0].position]
            result.matched.append(Match(entry, found[0], BY_AMOUNT))
        else:
            result.unmatched.append(Unmatched(entry, AMBIGUOUS if found else UNKNOWN))


def _counted(
    rest: Sequence[Entry], choices: dict[str, list[Expected]]
) -> Callable[[Expected], int]:
    """How many entries could be an expectation's."""
    counts: dict[int, int] = defaultdict(int)
    for entry in rest:
        for each in choices[entry.key]:
            counts[each.position] += 1
    return lambda expected: counts[expected.position]


def _by_reference(known: Iterable[Expected]) -> dict[str, list[Expected]]:
    found: dict[str, list[Expected]] = defaultdict(list)
    for each in known:
        found[each.reference].append(each)
        found[each.id.hex.upper()].append(each)
    return dict(found)


def _names(text: str) -> list[str]:
    """The references in a text, as banks print them: in capitals, with blanks, without dashes."""
    packed = re.sub(r"[\s\-]", "", text).upper()
    return list(dict.fromkeys([*_REFERENCE.findall(packed), *_ID.findall(packed)]))


def _apart(day: str, other: str) -> int:
    return abs((date.fromisoformat(day) - date.fromisoformat(other)).days)
