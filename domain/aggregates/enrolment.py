"""An enrolment: how a device that has no certificate yet gets its first one, by a one-time code.

An operator opens it for a terminal or card that is registered. The device comes with the code and
a request for the key that it made; the validation authority checks; where the policy asks for it,
or something looks odd, a person decides. It ends with one certificate, or without.
"""

from typing import Any
from uuid import UUID

import msgspec
from msgspec.structs import replace

from domain.actor import person_of
from domain.event import Context, Event, no_such_event, stamp, stored_as

OPEN, QUEUED, ADMITTED, COMPLETED, REJECTED = "open", "queued", "admitted", "completed", "rejected"
PEOPLE = ("operator", "auditor")
"""Roles whose holders are admitted by two operators."""


@stored_as("enrolment.opened/1")
class EnrolmentOpened(Event, frozen=True, kw_only=True, gc=False):
    """A code was given out for this holder. Its keyed hash is a claim beside this event."""

    subject_id: UUID
    role: str
    expires_us: int


@stored_as("enrolment.queued/1")
class EnrolmentQueued(Event, frozen=True, kw_only=True, gc=False):
    """The device came, with the key whose SPKI has this SHA-256; a person has to decide."""

    key_hash: bytes
    why: str


@stored_as("enrolment.admitted/1")
class EnrolmentAdmitted(Event, frozen=True, kw_only=True, gc=False):
    """A person looked and agreed: the same key gets its certificate when it comes again."""

    why: str


@stored_as("enrolment.rejected/1")
class EnrolmentRejected(Event, frozen=True, kw_only=True, gc=False):
    """It ends without a certificate."""

    why: str


@stored_as("enrolment.completed/1")
class EnrolmentCompleted(Event, frozen=True, kw_only=True, gc=False):
    """The certificate was issued, in the same commit. The code is used up."""

    certificate_id: UUID
    key_hash: bytes


class Enrolment(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The enrolment as its events made it."""

    id: UUID
    version: int
    subject_id: UUID
    role: str
    opened_us: int
    expires_us: int
    status: str = OPEN
    key_hash: bytes = b""
    why: str = ""
    opened_by: str = ""
    """The actor who was told the code; empty in a list that was made before it was kept."""


def evolve(enrolment: Enrolment | None, event: Event) -> Enrolment:
    """The enrolment after `event`."""
    version = event.originator_version
    match event:
        case EnrolmentOpened():
            return Enrolment(
                id=event.originator_id,
                version=version,
                subject_id=event.subject_id,
                role=event.role,
                opened_us=event.recorded_at_us,
                expires_us=event.expires_us,
                opened_by=event.actor,
            )
        case EnrolmentQueued() if enrolment is not None:
            return replace(
                enrolment, version=version, status=QUEUED, key_hash=event.key_hash, why=event.why
            )
        case EnrolmentAdmitted() if enrolment is not None:
            return replace(enrolment, version=version, status=ADMITTED, why=event.why)
        case EnrolmentRejected() if enrolment is not None:
            return replace(enrolment, version=version, status=REJECTED, why=event.why)
        case EnrolmentCompleted() if enrolment is not None:
            return replace(enrolment, version=version, status=COMPLETED, key_hash=event.key_hash)
        case _:
            raise no_such_event("enrolment", event)


# `open` is the word of the field; the builtin is not used in this module.
def open(
    context: Context, id: UUID, *, subject_id: UUID, role: str, expires_us: int
) -> EnrolmentOpened:
    """A new enrolment."""
    return EnrolmentOpened(
        **stamp(context, id, 1), subject_id=subject_id, role=role, expires_us=expires_us
    )


def why_not(enrolment: Enrolment, *, key_hash: bytes, now_us: int) -> str:
    """Why a device that came with this key gets nothing, as a code; empty where it may go on."""
    if enrolment.status == COMPLETED:
        return "code-used"
    if enrolment.status == REJECTED:
        return "enrolment-rejected"
    if now_us > enrolment.expires_us:
        return "code-expired"
    if enrolment.key_hash and enrolment.key_hash != key_hash:
        return "other-key"
    return ""


def queue(context: Context, enrolment: Enrolment, *, key_hash: bytes, why: str) -> EnrolmentQueued:
    """A person has to decide."""
    return EnrolmentQueued(**_next(context, enrolment), key_hash=key_hash, why=why)


def barred(enrolment: Enrolment) -> str:
    """The person who may not admit who comes with this code, empty for nobody: whoever was told
    the code of a new operator could come with it himself, and would then be two."""
    return person_of(enrolment.opened_by) if enrolment.role in PEOPLE else ""


def admit(context: Context, enrolment: Enrolment, *, why: str) -> EnrolmentAdmitted | None:
    """A person's yes; None where there is nothing to decide."""
    if enrolment.status != QUEUED:
        return None
    return EnrolmentAdmitted(**_next(context, enrolment), why=why)


def reject(context: Context, enrolment: Enrolment, *, why: str) -> EnrolmentRejected | None:
    """A person's no, at any time before it is completed."""
    if enrolment.status in (COMPLETED, REJECTED):
        return None
    return EnrolmentRejected(**_next(context, enrolment), why=why)


def complete(
    context: Context, enrolment: Enrolment, *, certificate_id: UUID, key_hash: bytes
) -> EnrolmentCompleted:
    """The certificate is there."""
    return EnrolmentCompleted(
        **_next(context, enrolment), certificate_id=certificate_id, key_hash=key_hash
    )


def _next(context: Context, enrolment: Enrolment) -> dict[str, Any]:
    return stamp(context, enrolment.id, enrolment.version + 1)
