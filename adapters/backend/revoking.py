"""C REVOKE: a device's or a person's certificate by one operator, at once; several, or one on which
others hang, only by two.

Whoever signs a revocation can still log in after it, and the backend goes on: what it needs now,
and what the signer logged in with, is not revoked before there is something in its place.
"""

from collections import deque
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

ALONE_AN_HOUR: Final = 20
"""So many one operator revokes alone, one by one, since the backend's start and within an hour; the
next ones take two: else a mass revocation would be a loop."""
_HOUR_US: Final = 3600 * 1_000_000
NAMED_MOST: Final = 5
CutOff = Callable[[], Mapping[str, Sequence[Issued]]]
"""By serial, in hex, of a root that can be retired: who has no certificate under another."""
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

    def __init__(self, works: CarryingOut, needed: Needed = dict, cut_off: CutOff = dict) -> None:
        self._works = works
        self._needed, self._cut_off = needed, cut_off
        self._alone: dict[UUID, deque[int]] = {}

    def summary(self, body: Mapping[str, Any]) -> str:
        """See `Verb`."""
        ids, reason, why = _read(body)
        many = f"certificate {ids[0]}" if len(ids) == 1 else f"{len(ids):,} certificates"
        and_who = " and cut off who is under it alone" if _cuts_off(body) else ""
        return f"Revoke {many}{and_who} ({reason}): {why}"

    def needs_two(self, body: Mapping[str, Any]) -> bool:
        """See `Verb`: as far as the command itself says; `takes_two` looks at the certificates."""
        return len(_read(body)[0]) > ALONE

    async def takes_two(self, told: Told) -> bool:
        """Whether two operators must agree. Raises Denied for what cannot be revoked now."""
        ids, _, _ = _read(told.body)
        weighing = Weighing(self._works.deadline_us(), ids, self._needed_by(told))
        if await self._works.through_engine(weighing):
            return True
        if await self._works.used(told.command_id):
            return False  # given again: it is answered, and nothing is done
        return not self._counted(told.signer_id)

    def _counted(self, signer_id: UUID) -> bool:
        """Takes one of those that an operator has; False where there is none left. At once, so that
        many requests at a time have no more."""
        now_us = self._works.now_us()
        done = self._alone.setdefault(signer_id, deque(maxlen=ALONE_AN_HOUR))
        if len(done) == ALONE_AN_HOUR and done[0] > now_us - _HOUR_US:
            return False
        done.append(now_us)
        return True

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
