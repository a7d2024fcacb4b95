"""What companies pay for refills, still owe, and are due back, and what their bank shows of it:
another part of the model. It shares no code with the product either.
"""

from collections import Counter, defaultdict
from typing import Any


class Paid:
    """A refill by its company's money, in cents. `fee_cents` of the payment is our fee."""

    def __init__(self, cents: int, fee_cents: int) -> None:
        self.cents, self.fee_cents = cents, fee_cents
        self.here = True
        """Not charged back."""
        self.given_up = False
        self.failed_cents = 0
        """Paid for lines that are not credited."""
        self.owed_fee_cents = 0
        self.apart_cents = 0
        """What was paid of that fee since the chargeback."""
        self.overpaid_cents = 0
        """What had been paid so when chargebacks were won: the fee is here again, too."""
        self.returned_cents = 0
        """Of the payment."""
        self.returned_over_cents = 0
        """Of what was overpaid."""

    @property
    def due_cents(self) -> int:
        """What the company is to get back now."""
        return sum(self._due()) if self.here else 0

    def _due(self) -> tuple[int, int]:
        lost = self.cents if self.given_up else self.failed_cents
        return lost - self.returned_cents, self.overpaid_cents - self.returned_over_cents

    @property
    def may_be_charged_back(self) -> bool:
        """Whether anything of the payment is here."""
        return self.here and self.returned_cents < self.cents

    def returned(self) -> None:
        """All that was due went back."""
        of_payment, over = self._due()
        self.returned_cents += of_payment
        self.returned_over_cents += over


class Funding:
    """The companies' money by refill. Moves the places of the model that it is given."""

    def __init__(self, places: defaultdict[str, int]) -> None:
        self._places = places
        self.of: dict[Any, Paid] = {}
        self.awaited = Counter[tuple[Any, int]]()
        """What no statement of the bank has shown yet, by refill and signed cents."""
        self.shown: list[tuple[Any, int]] = []
        """What one has."""

    def _moved(self, refill: Any, cents: int, fee_cents: int, fee_place: str) -> None:
        """Money came in (below zero: went out), `fee_cents` of it for that place."""
        self.awaited[refill, cents] += 1
        self._places["clearing"] += cents
        self._places["funds"] += cents - fee_cents
        # What the company owes us is the other way round.
        self._places[fee_place] += -fee_cents if fee_place == "receivable" else fee_cents

    def paid_in(self, refill: Any, cents: int, fee_cents: int) -> None:
        """The payment of an order arrived."""
        self.of[refill] = Paid(cents, fee_cents)
        self._moved(refill, cents, fee_cents, "fees")

    def paid_back(self, refill: Any) -> None:
        """What was due went back; our fee only where the order was given up."""
        paid = self.of[refill]
        fee_cents = paid.fee_cents if paid.given_up else 0
        self._moved(refill, -paid.due_cents, -fee_cents, "fees")
        paid.returned()

    def charged_back(self, refill: Any) -> None:
        """The payment is gone. The fee is owed, or none was earned where the order was given up."""
        paid = self.of[refill]
        paid.here = False
        paid.owed_fee_cents = 0 if paid.given_up else paid.fee_cents
        place = "fees" if paid.given_up else "receivable"
        self._moved(refill, -paid.cents, -paid.fee_cents, place)

    def fee_paid(self, refill: Any, cents: int) -> None:
        """So much of the fee that is owed."""
        paid = self.of[refill]
        assert 0 < cents <= paid.owed_fee_cents, "more of a fee was paid than was owed"
        paid.owed_fee_cents -= cents
        paid.apart_cents += cents
        self._moved(refill, cents, cents, "receivable")

    def won(self, refill: Any) -> None:
        """The payment is here again: the fee is owed no more, and what was paid of it is due."""
        paid = self.of[refill]
        paid.here = True
        if paid.given_up:
            self._moved(refill, paid.cents, paid.fee_cents, "fees")
            return
        self._moved(refill, paid.cents, paid.owed_fee_cents, "receivable")
        paid.overpaid_cents += paid.apart_cents
        paid.owed_fee_cents = paid.apart_cents = 0

    def on_statement(self, refill: Any, cents: int) -> None:
        """The bank shows it."""
        assert self.awaited[refill, cents] > 0, "the bank showed what was not awaited"
        self.awaited[refill, cents] -= 1
        self.shown.append((refill, cents))
        self._places["clearing"] -= cents
        self._places["bank"] += cents
