"""What a bank statement is expected to show, and by which reference it is found there."""

from collections.abc import Callable
from operator import attrgetter
from typing import Any
from uuid import UUID

import msgspec

from domain.event import Event

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's: no letter looks like a digit
_FREE_BITS = (1 << 62) - 1
REFERENCE_CHARACTERS = 15
"""As long as the identification of a NACHA entry may be."""


class Expected(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Money that a statement will show once: in above zero, out below.

    `position` of the event that lets it be expected, `id` of its aggregate (a refill, a payout);
    `clears`: the account of the books on which it is waited for. `entry`: the key of the entry of a
    statement that it was matched with, "" while there is none, and `entry_day` its booking day.
    """

    position: int
    day: str
    id: UUID
    topic: str
    amount_cents: int
    clears: str
    entry: str = ""
    entry_day: str = ""

    @property
    def reference(self) -> str:
        """What whoever pays should write."""
        return reference_of(self.id)


Expect = Callable[[int, str, Any], Expected | None]
"""What an event at a position, of a day, lets be expected; None for nothing."""


def expects(clears: str, field: str, sign: int = 1) -> Expect:
    """The expectation of the amount in `field`; `sign` -1 for money that goes out."""
    amount: Callable[[Any], int] = attrgetter(field)

    def expect(position: int, day: str, event: Event) -> Expected:
        return Expected(
            position=position,
            day=day,
            id=event.originator_id,
            topic=event.TOPIC,
            amount_cents=sign * amount(event),
            clears=clears,
        )

    return expect


def reference_of(id: UUID) -> str:
    """`TR` and 13 characters for the id's 62 free bits: fits every bank's reference field."""
    bits, characters = id.int & _FREE_BITS, []
    for _ in range(REFERENCE_CHARACTERS - 2):
        bits, digit = divmod(bits, 32)
        characters.append(_ALPHABET[digit])
    return "TR" + "".join(reversed(characters))
