"""What a POS must not forget when its power fails: its counter, payments not yet decided, and
voids, refunds and tips not yet answered.

Each change is on disk before the call returns. Of a stripe only salt and PAN are kept, sealed by
the key store, and only until the decision or the reversal is acknowledged; never the track, the
verification value or the PIN (TR-TPR section 7).
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from devices.durable import write_durably
from devices.keystore import KeyStore, KeyStoreError
from protocol.encoding import b64, unb64

_PURPOSE = "reversal"
MOST_PENDING = 100


class JournalError(Exception):
    """The state file cannot be used; the message says what to do about it."""


@dataclass(frozen=True, slots=True)
class Pending:
    """A payment that was asked for and not decided, as far as this POS knows.

    Of a stripe `pan` and `salt` (base64url), of a virtual card `card_id`.
    """

    counter: int
    ms: int
    contract_hash: str
    amount_cents: int
    card_shown: str
    pan: str = field(default="", repr=False)
    salt: str = field(default="", repr=False)
    card_id: str = ""


class Journal:
    """The file `state.json` of a POS's identity folder."""

    def __init__(self, folder: Path, keystore: KeyStore) -> None:
        self._path = folder / "state.json"
        self._keystore = keystore
        self._counter = 0
        self._rows: dict[int, dict[str, Any]] = {}
        self._asked: dict[int, str] = {}
        if self._path.exists():
            self._load()

    def reserve(self, count: int = 1) -> int:
        """The next counter of this terminal (the first of `count`), never given out again."""
        first = self._counter + 1
        self._counter += count
        self._save()
        return first

    def begin(self, pending: Pending) -> None:
        """From now on this payment is reversed unless `settle` is called, also by a later run."""
        if len(self._rows) >= MOST_PENDING:
            raise JournalError(f"{MOST_PENDING} payments wait to be reversed; connect first")
        secret = json.dumps({"pan": pending.pan, "salt": pending.salt}).encode()
        self._rows[pending.counter] = {
            "counter": pending.counter,
            "ms": pending.ms,
            "contract_hash": pending.contract_hash,
            "amount_cents": pending.amount_cents,
            "card_shown": pending.card_shown,
            "card_id": pending.card_id,
            "sealed": b64(self._keystore.seal(_PURPOSE, secret)),
        }
        self._save()

    def settle(self, *counters: int) -> None:
        """The payments are decided, or their reversals acknowledged: their data is gone for good,
        with one write."""
        if [row for counter in counters if (row := self._rows.pop(counter, None)) is not None]:
            self._save()

    def ask(self, counter: int, request: str) -> None:
        """From now on this void, refund or tip (b64 of its bytes) is asked for until `answered`,
        also by a later run."""
        if len(self._asked) >= MOST_PENDING:
            raise JournalError(f"{MOST_PENDING} changes wait for their answer; connect first")
        self._asked[counter] = request
        self._save()

    def answered(self, counter: int) -> None:
        """It was carried out, or refused."""
        if self._asked.pop(counter, None) is not None:
            self._save()

    def asked(self) -> dict[int, str]:
        """The requests that wait for their answer, by counter, oldest first."""
        return dict(self._asked)

    def pending(self) -> list[Pending]:
        """The payments to reverse, oldest first."""
        return [self._open(row) for row in self._rows.values()]

    def _open(self, row: dict[str, Any]) -> Pending:
        try:
            secret = json.loads(self._keystore.unseal(_PURPOSE, unb64(row["sealed"])))
            clear = {name: value for name, value in row.items() if name != "sealed"}
            return Pending(**clear, **secret)
        except (KeyStoreError, KeyError, TypeError, ValueError):
            raise JournalError(f"{self._path.name}: a pending reversal cannot be opened") from None

    def _save(self) -> None:
        state = {
            "counter": self._counter,
            "pending": list(self._rows.values()),
            "asked": {str(counter): request for counter, request in self._asked.items()},
        }
        write_durably(self._path, json.dumps(state, indent=1).encode() + b"\n")

    def _load(self) -> None:
        # A lost counter would repeat numbers, so a damaged file stops the POS instead.
        try:
            state = json.loads(self._path.read_bytes())
            self._counter = int(state["counter"])
            self._rows = {int(row["counter"]): row for row in state["pending"]}
            # A file of before there were such changes has none.
            self._asked = {int(n): str(text) for n, text in state.get("asked", {}).items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            raise JournalError(f"{self._path.name} is damaged; the POS needs service") from None
