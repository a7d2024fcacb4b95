"""What once was, and read models, as doubles."""

from typing import Any
from uuid import UUID

from adapters.backend.operator_ports import Rows
from domain.suspicion import Watch


class PastDouble:
    """One account with $10.00 from event 7 on; the log ends at event 99."""

    def __init__(self) -> None:
        self.asked: list[Any] = []

    def head(self) -> int:
        return 99

    def balance(self, account_id: UUID, at_us: int | None, position: int | None) -> Rows:
        self.asked.append((account_id, at_us, position))
        early = position is not None and position < 7
        return [] if early else [{"account": str(account_id), "balance_cents": 1_000}]

    def rehearse_watch(self, rules: Watch, days: int) -> Rows:
        self.asked.append((rules, days))
        return [{"payments": 5}]


class ReadModelsDouble:
    """Remembers what was asked of it."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    def rows(self) -> Rows:
        return [{"projection": "directory", "position": 7}]

    def _did(self, action: str, short: str) -> dict[str, Any]:
        self.asked.append((action, short))
        return {"projection": short, "state": action}

    def rebuild(self, short: str) -> dict[str, Any]:
        return self._did("rebuild", short)

    def rebuild_in_place(self, short: str) -> dict[str, Any]:
        return self._did("rebuild-in-place", short)

    def diff(self, short: str) -> dict[str, Any]:
        return self._did("diff", short)

    def switch(self, short: str) -> dict[str, Any]:
        return self._did("switch", short)

    def drop(self, short: str) -> dict[str, Any]:
        return self._did("drop", short)
