"""C REVOKE: a device's or a person's certificate by one operator, at once; several, or one on which
others hang, only by two.

Whoever signs a revocation can still log in after it, and the backend goes on: what it needs now,
and what the signer logged in with, is not revoked before there is something in its place.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from uuid import UUID

from adapters.backend.carrying_out import Answer, CarryingOut
from adapters.backend.told import Told
from application import fields
from application.command import Command
from application.revoke import ALONE, MOST, REASONS, RevokeCertificates, Weighing

if TYPE_CHECKING:
    from adapters.backend.operator_commands import OperatorCommands

Needed = Callable[[], Mapping[str, str]]
"""By serial, in hex: what must be done before that certificate can be revoked, in words."""
SIGNER_TEXT = (
    "You are logged in by this certificate. Fetch your next one first, with: ticketrestaurant pki"
    " renew FOLDER; or let another operator do this."
)


async def revoke(commands: "OperatorCommands", told: Told) -> Answer:
    """At once, or as a proposal."""
    if await commands.revoking.takes_two(told):
        return await commands.propose(told)
    return await commands.two_persons(told)


class Revoking:
    """`two_persons.Verb`."""

    def __init__(self, works: CarryingOut, needed: Needed = dict) -> None:
        self._works = works
        self._needed = needed

    def summary(self, body: Mapping[str, Any]) -> str:
        """See `Verb`."""
        ids, reason, why = _read(body)
        many = f"certificate {ids[0]}" if len(ids) == 1 else f"{len(ids):,} certificates"
        return f"Revoke {many} ({reason}): {why}"

    def needs_two(self, body: Mapping[str, Any]) -> bool:
        """See `Verb`: as far as the command itself says; `takes_two` looks at the certificates."""
        return len(_read(body)[0]) > ALONE

    async def takes_two(self, told: Told) -> bool:
        """Whether two operators must agree. Raises Denied for what cannot be revoked now."""
        ids, _, _ = _read(told.body)
        weighing = Weighing(self._works.deadline_us(), ids, self._needed_by(told))
        return bool(await self._works.through_engine(weighing))

    async def make(self, told: Told) -> None:
        """See `Verb`: nothing."""

    def command(self, told: Told, made: None) -> Command:
        """See `Verb`."""
        ids, reason, why = _read(told.body)
        return RevokeCertificates(
            told.origin,
            self._works.deadline_us(),
            certificate_ids=ids,
            reason=reason,
            why=why,
            needed=self._needed_by(told),
            by_two=told.approves,
        )

    def _needed_by(self, told: Told) -> Mapping[str, str]:
        return {**dict.fromkeys(told.signer_serials, SIGNER_TEXT), **self._needed()}


def _read(body: Mapping[str, Any]) -> tuple[list[UUID], str, str]:
    ids = fields.uuids(body, "certificates", MOST)
    reason = fields.choice({"reason": REASONS[0], **body}, "reason", REASONS)
    return ids, reason, fields.text(body, "why", fields.WHY_MOST)
