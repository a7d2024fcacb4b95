"""Money with a last day: lots, of which the oldest is spent first.

An account keeps its lots in a tuple, one for each last day, in order of that day. Money without a
last day is in no lot: it is the rest of the balance, and it is spent last. So an account whose
money never expires has an empty tuple, and nothing here is asked about it.

Dates are ISO (`2026-12-31`) in the account's time zone, where they compare as texts. A lot can be
spent through its last day; from the local midnight after it, it cannot.
"""

from collections.abc import Iterable

import msgspec


class Lot(msgspec.Struct, frozen=True, gc=False):
    """Cents that can be spent through `last_day`.

    `credit` is the version, in the account's stream, of the event that put them on the account;
    of several with the same last day the first.
    """

    last_day: str
    cents: int
    credit: int


Lots = tuple[Lot, ...]


def total(lots: Iterable[Lot]) -> int:
    """Cents of all of them."""
    return sum(lot.cents for lot in lots)


def add(lots: Lots, more: Iterable[Lot]) -> Lots:
    """The lots with more money in them; what has the same last day is one lot."""
    by_day = {lot.last_day: lot for lot in lots}
    for lot in more:
        before = by_day.get(lot.last_day)
        by_day[lot.last_day] = (
            Lot(lot.last_day, before.cents + lot.cents, min(before.credit, lot.credit))
            if before
            else lot
        )
    return tuple(by_day[day] for day in sorted(by_day))


def remove(lots: Lots, parts: Iterable[Lot]) -> Lots:
    """The lots without those parts. Raises ValueError where they do not hold them."""
    by_day = {lot.last_day: lot for lot in lots}
    for part in parts:
        before = by_day.pop(part.last_day, None)
        left = (before.cents if before else 0) - part.cents
        if left < 0:
            raise ValueError(f"no lot of {part.last_day} holds that")
        if before and left:
            by_day[part.last_day] = Lot(part.last_day, left, before.credit)
    return tuple(by_day[day] for day in sorted(by_day))


def expired(lots: Lots, today: str) -> Lots:
    """Those that can no longer be spent on the local date `today`."""
    if not lots or lots[0].last_day >= today:
        return ()
    return tuple(lot for lot in lots if lot.last_day < today)


def to_spend(lots: Lots, cents: int, today: str) -> Lots:
    """The parts that a spending of `cents` takes, oldest first; the rest has no last day."""
    parts: list[Lot] = []
    for lot in lots:
        if cents <= 0:
            break
        if lot.last_day < today:
            continue
        taken = lot if lot.cents <= cents else Lot(lot.last_day, cents, lot.credit)
        parts.append(taken)
        cents -= taken.cents
    return tuple(parts)


def to_take_of(lots: Lots, undated_cents: int, cents: int, today: str, last_day: str) -> Lots:
    """The parts that taking `cents` of a credit with that last day (empty for none) takes: first
    what has its last day, then as a spending. `undated_cents` are on the account in no lot."""
    if not last_day:
        return to_spend(lots, cents - min(cents, undated_cents), today)
    own = to_spend(tuple(lot for lot in lots if lot.last_day == last_day), cents, today)
    others = tuple(lot for lot in lots if lot.last_day != last_day)
    return add(own, to_spend(others, cents - total(own), today))


def to_give_back(parts: Lots, spent_cents: int, cents: int) -> Lots:
    """The parts that get `cents` back of a spending of `spent_cents` that took `parts`.

    What was taken last goes back first: first the money without a last day, then the lot with the
    latest one.
    """
    cents -= min(cents, spent_cents - total(parts))
    back: list[Lot] = []
    for lot in reversed(parts):
        if cents <= 0:
            break
        given = lot if lot.cents <= cents else Lot(lot.last_day, cents, lot.credit)
        back.append(given)
        cents -= given.cents
    return tuple(reversed(back))
