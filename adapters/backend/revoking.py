"""C REVOKE: one certificate by one operator, at once; several only by two."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from adapters.backend.carrying_out import CarryingOut
from adapters.backend.told import Told
from application import fields
from application.command import Command
from application.revoke import ALONE, MOST, REASONS, RevokeCertificates


class Revoking:
    """`two_persons.Verb`."""

    def __init__(self, works: CarryingOut) -> None:
        self._works = works

    def summary(self, body: Mapping[str, Any]) -> str:
        """See `Verb`."""
        ids, reason, why = _read(body)
        many = "1 certificate" if len(ids) == 1 else f"{len(ids):,} certificates"
        return f"Revoke {many} ({reason}): {why}"

    def needs_two(self, body: Mapping[str, Any]) -> bool:
        """See `Verb`."""
        return len(_read(body)[0]) > ALONE

    async def make(self, told: Told) -> None:
        """See `Verb`: nothing."""

    def command(self, told: Told, made: None) -> Command:
        """See `Verb`."""
        ids, reason, why = _read(told.body)
        return RevokeCertificates(
            told.origin, self._works.deadline_us(), certificate_ids=ids, reason=reason, why=why
        )


def _read(body: Mapping[str, Any]) -> tuple[list[UUID], str, str]:
    ids = fields.uuids(body, "certificates", MOST)
    reason = fields.choice({"reason": REASONS[0], **body}, "reason", REASONS)
    return ids, reason, fields.text(body, "why", fields.WHY_MOST)
