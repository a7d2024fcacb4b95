"""The list of a POS's past payments: JSON lines, for the cashier and for the PDF bills to come.

Holds nothing of a card beyond first six and last four digits.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from devices.durable import append_durably
from devices.exchange import Body


@dataclass(frozen=True, slots=True)
class Bill:
    """One payment as this POS saw it end. `ms`: milliseconds since 1970 UTC.

    `state`: approved, refused, unanswered (and to be reversed), reversed, nothing-to-reverse; of a
    change of an earlier payment (`of`, its id) voided, refunded, tipped, refused, unanswered;
    `action` is what was asked for then: VOID, REFUND, TIP.
    """

    counter: int
    ms: int
    state: str
    amount_cents: int
    card: str
    code: str = ""
    reason: str = ""
    transaction: str = ""
    items: list[Body] = field(default_factory=list)
    of: str = ""
    action: str = ""


class Bills:
    """The file `bills.jsonl` of a POS's identity folder."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "bills.jsonl"

    def add(self, bill: Bill) -> None:
        """Writes it down; a later line of the same counter says how the payment went on."""
        # A line that a power cut left unfinished must not swallow this one.
        append_durably(self._path, b"\n" + json.dumps(asdict(bill), separators=(",", ":")).encode())

    def latest(self, count: int) -> list[Bill]:
        """The last `count` payments, newest first, each as it stands now."""
        by_counter: dict[int, Bill] = {}
        for bill in self._all():
            earlier = by_counter.pop(bill.counter, None)
            by_counter[bill.counter] = _joined(earlier, bill) if earlier else bill
        return list(reversed(by_counter.values()))[:count]

    def _all(self) -> Iterator[Bill]:
        if not self._path.exists():
            return
        with self._path.open(encoding="utf-8") as lines:
            for line in lines:
                # A line cut off by a power failure is passed over.
                try:
                    yield Bill(**json.loads(line))
                except (ValueError, TypeError):
                    continue


def _joined(earlier: Bill, later: Bill) -> Bill:
    """A reversal's line knows nothing of the items, nor of the code that was shown."""
    return replace(later, items=later.items or earlier.items, code=later.code or earlier.code)
