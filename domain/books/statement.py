"""A bank's statement, whatever format it came in: booked entries, each with a key of its own."""

from collections import Counter
from collections.abc import Iterable, Sequence
from hashlib import sha256

import msgspec


class Entry(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A booked entry: `amount_cents` in above zero, out below, never 0; `day` of booking.

    `text`: everything in which the payer's reference may stand; `bank_reference`: how the bank
    calls the entry.
    """

    key: str
    day: str
    amount_cents: int
    text: str
    bank_reference: str


def entries(account: str, rows: Iterable[tuple[str, int, str, str]]) -> Sequence[Entry]:
    """The entries of rows (day, amount in cents, text, bank's reference), with their keys.

    The same entry has the same key in every file of that account. Entries that nothing tells apart
    are counted, so that two equal payments of a day are two.
    """
    seen = Counter[tuple[str, ...]]()
    found = []
    for day, amount_cents, text, bank_reference in rows:
        facts = (account, day, str(amount_cents), text, bank_reference)
        seen[facts] += 1
        digest = sha256("\0".join((*facts, str(seen[facts]))).encode()).hexdigest()
        found.append(
            Entry(
                key=digest[:32],
                day=day,
                amount_cents=amount_cents,
                text=text,
                bank_reference=bank_reference,
            )
        )
    return found
