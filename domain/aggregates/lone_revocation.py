"""What operators revoked alone lately: one record for the installation, so that mass revocation is
no loop.

One certificate of a device an operator revokes alone, at once; a few in a day, and then two decide.
"""

from uuid import UUID

import msgspec

from domain.event import Context, Event, no_such_event, stamp, stored_as
from domain.ids import make_id

LONE_ID: UUID = make_id(0, 0, 3)
"""The one record of an installation."""
WINDOW_US = 24 * 3600 * 1_000_000
EACH_MOST = 5
"""So many one operator revokes alone within the window."""
ALL_MOST = 10
"""So many all operators together revoke, each alone, within the window. More than one of them has:
nobody can use up alone what the others need when a terminal is stolen."""


@stored_as("lone_revocation.made/1")
class LoneRevocationMade(Event, frozen=True, kw_only=True, gc=False):
    """Beside `certificate.revoked`, in the same commit: nobody else agreed to that one."""

    operator_id: UUID
    certificate_id: UUID


class LoneRevocations(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """`lately`: when, in microseconds, and by whom; within the window before the newest."""

    id: UUID
    version: int
    lately: tuple[tuple[int, UUID], ...] = ()


def evolve(before: LoneRevocations | None, event: Event) -> LoneRevocations:
    """The record after `event`."""
    match event:
        case LoneRevocationMade():
            at_us = event.recorded_at_us
            kept = _within(before, at_us)
            return LoneRevocations(
                id=event.originator_id,
                version=event.originator_version,
                lately=(*kept, (at_us, event.operator_id)),
            )
        case _:
            raise no_such_event("lone_revocation", event)


def why_not(before: LoneRevocations | None, *, operator_id: UUID, now_us: int) -> str:
    """Why this operator revokes nothing more alone now, in words; empty where he may."""
    lately = [who for _, who in _within(before, now_us)]
    if lately.count(operator_id) >= EACH_MOST:
        return f"You revoked {EACH_MOST} certificates alone within 24 hours, the most for one."
    if len(lately) >= ALL_MOST:
        return f"{ALL_MOST} certificates were revoked by one operator alone within 24 hours."
    return ""


def note(
    context: Context, before: LoneRevocations | None, *, operator_id: UUID, certificate_id: UUID
) -> LoneRevocationMade:
    """One more, after `why_not`."""
    version = before.version + 1 if before is not None else 1
    return LoneRevocationMade(
        **stamp(context, LONE_ID, version), operator_id=operator_id, certificate_id=certificate_id
    )


def _within(before: LoneRevocations | None, now_us: int) -> list[tuple[int, UUID]]:
    return [each for each in before.lately if each[0] > now_us - WINDOW_US] if before else []
