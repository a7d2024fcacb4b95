"""What goes on with refills, as a double."""

from typing import Any
from uuid import UUID

from adapters.backend.operator_ports import Rows
from application.refill import Terms


class RefillsDouble:
    """Notes which refills were woken, and reads what it was given."""

    processor_name = "sandbox"

    def __init__(self) -> None:
        self.terms = Terms()
        self.woken: list[UUID] = []
        self.changed: list[UUID] = []
        self.schedule_changed = self.changed.append
        self.asked: list[Any] = []
        self.given: Rows = []

    def wake(self, refill_id: UUID) -> None:
        self.woken.append(refill_id)

    async def poll(self, refill_id: UUID) -> dict[str, Any]:
        return {"id": str(refill_id), "outcome": "paid"}

    async def resend(self, refill_id: UUID) -> dict[str, Any]:
        return {"id": str(refill_id), "resent": True}

    def rows(self, what: str, of: UUID | None, most: int | None = None) -> Rows:
        self.asked.append((what, of))
        return self.given

    def document(self, what: str, refill_id: UUID) -> bytes:
        self.asked.append((what, refill_id))
        return b"%PDF-1.4 " + what.encode() * 10_000
