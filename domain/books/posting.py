"""Postings: one event's entries on the chart of accounts, which always add up to zero."""

from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import Any, NamedTuple


class Posting(NamedTuple):
    """`amount_cents` on the account of that code: a debit above zero, a credit below."""

    code: str
    amount_cents: int


Postings = tuple[Posting, ...]
Rule = Callable[[Any], Postings]
"""What an event of one class posts. Pure; sums to zero."""


def transfer(debit: str, credit: str, amount_cents: int) -> Postings:
    """From `credit` to `debit`; a negative amount goes the other way."""
    return (Posting(debit, amount_cents), Posting(credit, -amount_cents))


def moves(debit: str, credit: str, field: str = "amount_cents") -> Rule:
    """The rule of an event that moves the amount in `field` from `credit` to `debit`."""
    amount: Callable[[Any], int] = attrgetter(field)

    def rule(event: Any) -> Postings:
        cents = amount(event)
        return (Posting(debit, cents), Posting(credit, -cents))

    return rule


def total(postings: Iterable[Posting]) -> int:
    """Zero for what may be posted."""
    return sum(posting.amount_cents for posting in postings)
