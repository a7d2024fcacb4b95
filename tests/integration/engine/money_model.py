"""What the money should be: plain dictionaries, moved by what the system answered and by nothing
that it stored. It shares no code with the product.

A purse is cents by last day ("" for money without one). Money with the earliest last day is spent
first; what is given back goes back in the opposite order.
"""

from collections import defaultdict
from typing import Any

from tests.integration.engine.money_funding import Funding

Purse = dict[str, int]


def _order(last_day: str) -> str:
    return last_day or "9999"


def put(purse: Purse, parts: Purse) -> None:
    """Adds parts to a purse."""
    for day, cents in parts.items():
        purse[day] = purse.get(day, 0) + cents
        if not purse[day]:
            del purse[day]


def take(purse: Purse, cents: int, today: str, first: str | None = None) -> Purse:
    """Takes what can be spent today, and says from which lots; it must be there. `first`: the last
    day of what goes before all others."""
    parts: Purse = {}
    for day in sorted(purse, key=lambda day: (day != first, _order(day))):
        if cents and _order(day) >= today:
            parts[day] = min(cents, purse[day])
            cents -= parts[day]
    assert not cents, f"{cents} more cents were spent than could be"
    put(purse, {day: -part for day, part in parts.items()})
    return parts


def hand_back(parts: Purse, cents: int) -> Purse:
    """Takes out of a payment what it gives back: what it took last first."""
    back: Purse = {}
    for day in sorted(parts, key=_order, reverse=True):
        if cents:
            back[day] = min(cents, parts[day])
            cents -= back[day]
    assert not cents, f"{cents} more cents were given back than were paid"
    put(parts, {day: -part for day, part in back.items()})
    return back


class Payment:
    """An approved payment: whose, what it is worth now, and from which lots."""

    def __init__(self, card: int, parts: Purse) -> None:
        self.card, self.parts = card, parts
        self.over = False
        """Reversed or voided."""

    @property
    def net_cents(self) -> int:
        """What the shop is owed for it."""
        return sum(self.parts.values())


class Model:
    """Every cent, by where it is. `places`: what the issuer owes or earned, but for `clearing`,
    `bank` and `receivable`, which it has."""

    def __init__(self, cards: int, credit_cents: int) -> None:
        self.purses: list[Purse] = [{"": credit_cents} for _ in range(cards)]
        self.expired: list[Purse] = [{} for _ in range(cards)]
        self.lost: list[defaultdict[str, int]] = [defaultdict(int) for _ in range(cards)]
        """What expired of the credits through a last day, less what came back to the card."""
        self.mixed: list[defaultdict[str, set[str]]] = [defaultdict(set) for _ in range(cards)]
        """Earlier last days whose money came back through this one."""
        self.payments: dict[Any, Payment] = {}
        self.credits: dict[tuple[Any, int], int] = {}
        """What stands of a refill's line, by refill and card."""
        self.added: defaultdict[tuple[Any, int], int] = defaultdict(int)
        """What corrections added to it, by refill and card."""
        self.taken: dict[Any, list[tuple[int, Purse]]] = {}
        """What chargebacks took and a won one gives back, by refill: card and parts."""
        self.places: defaultdict[str, int] = defaultdict(int)
        self.places["funds"] = -cards * credit_cents
        self.funding = Funding(self.places)
        self.done: set[Any] = set()

    def first_time(self, key: Any) -> bool:
        """Whether that was not carried out before; from now on it was."""
        if key in self.done:
            return False
        self.done.add(key)
        return True

    def spendable(self, card: int, today: str) -> int:
        """What can be spent today."""
        return sum(cents for day, cents in self.purses[card].items() if _order(day) >= today)

    # Payments

    def pay(self, id: Any, card: int, cents: int, today: str) -> None:
        """An approval."""
        self.payments[id] = Payment(card, take(self.purses[card], cents, today))
        self.places["shops"] += cents

    def add(self, id: Any, cents: int, today: str) -> None:
        """A tip, or a correction upwards."""
        payment = self.payments[id]
        put(payment.parts, take(self.purses[payment.card], cents, today))
        self.places["shops"] += cents

    def give_back(self, id: Any, cents: int) -> None:
        """A refund, a dispute that was won, or a correction downwards."""
        payment = self.payments[id]
        put(self.purses[payment.card], hand_back(payment.parts, cents))
        self.places["shops"] -= cents

    def undo(self, id: Any) -> int:
        """A reversal or a void; how much went back."""
        payment = self.payments[id]
        cents = payment.net_cents
        self.give_back(id, cents)
        payment.over = True
        return cents

    # Refills

    def credit(self, refill: Any, card: int, cents: int, last_day: str) -> None:
        """A line of a refill."""
        put(self.purses[card], {last_day: cents})
        self.credits[refill, card] = cents
        self.places["funds"] -= cents

    def correct_credit(
        self, refill: Any, card: int, to_cents: int, today: str, last_day: str
    ) -> None:
        """What is added has no last day and is taken back first; then what has the refill's, and
        what that was reactivated into; never what is another's."""
        change, purse = to_cents - self.credits[refill, card], self.purses[card]
        added = self.added[refill, card]
        self.added[refill, card] = max(0, added + change)
        if change > 0:
            put(purse, {"": change})
        left = max(0, -change)
        days = [day for day in sorted(purse) if last_day and last_day in self.mixed[card][day]]
        for day in ["", last_day, *days]:
            if _order(day) >= today:
                most = min(purse.get(day, 0), added) if last_day and not day else purse.get(day, 0)
                cents = min(left, most)
                put(purse, {day: -cents} if cents else {})
                left -= cents
        assert not left, f"{left} cents of a correction are another refill's"
        self.credits[refill, card] = to_cents
        self.places["funds"] -= change

    def take_back(
        self, refill: Any, card: int, ordered_cents: int, today: str, last_day: str
    ) -> None:
        """What is left of a line after the chargeback of its refill: nothing for what expired."""
        stands = min(ordered_cents, self.credits[refill, card])
        left = stands - self.lost_cents(card, today, last_day)
        cents = max(0, min(left, self.spendable(card, today)))
        parts = take(self.purses[card], cents, today, last_day)
        self.taken.setdefault(refill, []).append((card, parts))
        self.places["funds"] += cents

    def give_again(self, refill: Any) -> int:
        """What was taken back goes back under the last days that it had; how much it is."""
        given = 0
        for card, parts in self.taken.pop(refill):
            put(self.purses[card], parts)
            given += sum(parts.values())
        self.places["funds"] -= given
        return given

    def lost_cents(self, card: int, today: str, last_day: str) -> int:
        """What expired of a credit at most, booked or not."""
        lost = self.lost[card][last_day]
        for day, cents in self.purses[card].items():
            if _order(day) < today and (day == last_day or last_day in self.mixed[card][day]):
                lost += cents
        return lost

    # Money with a last day

    def expire(self, card: int, today: str) -> int:
        """Books what has expired; how many lots."""
        gone = {day: c for day, c in self.purses[card].items() if _order(day) < today}
        put(self.purses[card], {day: -cents for day, cents in gone.items()})
        put(self.expired[card], gone)
        self.places["expired"] += sum(gone.values())
        for day, cents in gone.items():
            self._lose(card, day, cents)
        return len(gone)

    def _lose(self, card: int, day: str, cents: int) -> set[str]:
        """Of every credit whose money that lot may be."""
        days = {day, *self.mixed[card][day]}
        for each in days:
            self.lost[card][each] = max(0, self.lost[card][each] + cents)
        return days

    def decide_expired(self, card: int, to: str, last_day: str = "") -> int:
        """`to`: "cards" (again, through that day), "funds" or "donated"; how much it was."""
        cents = sum(self.expired[card].values())
        if to == "cards":
            put(self.purses[card], {last_day: cents} if cents else {})
            for day in sorted(self.expired[card]):
                days = self._lose(card, day, -self.expired[card][day])
                self.mixed[card][last_day] |= days
        else:
            self.places[to] += cents
        self.places["expired"] -= cents
        self.expired[card].clear()
        return cents
