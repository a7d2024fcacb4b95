"""C REVOKE: a device's certificate, or one's own, by one operator, at once; several, another
person's, one on which others hang, and more than a few in a day, only by two.

Whoever signs a revocation can still log in after it, and the backend goes on: what it needs now,
and what the signer logged in with, is not revoked before there is something in its place.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from adapters.backend.carrying_out import Answer, CarryingOut
from adapters.backend.revocations import Issued
from adapters.backend.told import Told
from application import fields
from application.command import Command
from application.revoke import ALONE, MOST, REASONS, RevokeCertificates, Weighing

if TYPE_CHECKING:
    from adapters.backend.operator_commands import OperatorCommands

NAMED_MOST: Final = 5
CutOff = Callable[[], Mapping[str, Sequence[Issued]]]
"""By serial, in hex, of a root that can be retired: who has no certificate under another."""
Needed = Callable[[], Mapping[str, str]]
"""By serial, in hex: what must be done before that certificate can be revoked, in words."""
SIGNER_TEXT = (
    "You are logged in by this certificate. Fetch your next one first, with: ticketrestaurant pki"
    " renew FOLDER; or let two other operators do this."
)


async def revoke(commands: "OperatorCommands", told: Told) -> Answer:
    """At once, or as a proposal, with `because`: why one does not suffice."""
    because = await commands.revoking.why_two(told)
    if because:
        return {**await commands.propose(told), "because": because}
    return await commands.two_persons(told)


class Revoking:
    """`two_persons.Verb`."""

    def __init__(self, works: CarryingOut, needed: Needed = dict, cut_off: CutOff = dict) -> None:
        self._works = works
        self._needed, self._cut_off = needed, cut_off

    def summary(self, body: Mapping[str, Any]) -> str:
        """See `Verb`."""
        ids, reason, why = _read(body)
        many = f"certificate {ids[0]}" if len(ids) == 1 else f"{len(ids):,} certificates"
        and_who = " and cut off who is under it alone" if _cuts_off(body) else ""
        return f"Revoke {many}{and_who} ({reason}): {why}"

    def needs_two(self, body: Mapping[str, Any]) -> bool:
        """See `Verb`: as far as the command itself says; `why_two` looks at the certificates."""
        return len(_read(body)[0]) > ALONE

    async def why_two(self, told: Told) -> str:
        """Why two operators must agree, in words; empty where one suffices. Raises Denied for what
        cannot be revoked now."""
        ids, _, _ = _read(told.body)
        weighing = Weighing(
            self._works.deadline_us(), told.command_id, ids, self._needed_by(told), told.signer_id
        )
        return str(await self._works.through_engine(weighing))

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
            alone=None if told.approves else told.signer_id,
        )

    def _needed_by(self, told: Told) -> Mapping[str, str]:
        needed = {**dict.fromkeys(told.signer_serials, SIGNER_TEXT), **self._needed()}
        if not _cuts_off(told.body):
            for serial, who in self._cut_off().items():
                if who and serial not in needed:
                    needed[serial] = _named(who)
        return needed


def _named(who: Sequence[Issued]) -> str:
    shown = ", ".join(f"{each.role} {each.subject_id}" for each in who[:NAMED_MOST])
    more = f" and {len(who) - NAMED_MOST:,} more" if len(who) > NAMED_MOST else ""
    return (
        f"{len(who):,} have no certificate under a newer root: {shown}{more}. They renew by"
        " themselves when they connect; to cut them off, retire it with --cut-off."
    )


def _cuts_off(body: Mapping[str, Any]) -> bool:
    return "cut_off" in body and fields.flag(body, "cut_off")


def _read(body: Mapping[str, Any]) -> tuple[list[UUID], str, str]:
    ids = fields.uuids(body, "certificates", MOST)
    reason = fields.choice({"reason": REASONS[0], **body}, "reason", REASONS)
    return ids, reason, fields.text(body, "why", fields.WHY_MOST)
