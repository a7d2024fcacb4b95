"""A command that one operator asked for and another must approve: dual control.

What was asked is kept as it was signed, byte for byte, so that the second operator approves exactly
that and an auditor can verify both signatures. A proposal is decided once.
"""

from uuid import UUID

import msgspec
from msgspec.structs import replace

from domain.event import Context, Event, no_such_event, stamp, stored_as

WAITING, APPROVED, REJECTED = "waiting", "approved", "rejected"
LIFETIME_US = 24 * 3600 * 1_000_000
"""A proposal that nobody decided in a day is void: what it was meant for has changed."""


@stored_as("proposal.made/1")
class ProposalMade(Event, frozen=True, kw_only=True, gc=False):
    """Nothing is done yet. `command` are the bytes that `signature` covers (detached JWS)."""

    verb: str
    summary: str
    command: bytes
    command_hash: bytes
    signature: str
    proposer_id: UUID
    expires_us: int


@stored_as("proposal.approved/1")
class ProposalApproved(Event, frozen=True, kw_only=True, gc=False):
    """A second operator agreed; what the command does is in the same commit."""

    approver_id: UUID
    command: bytes
    signature: str


@stored_as("proposal.rejected/1")
class ProposalRejected(Event, frozen=True, kw_only=True, gc=False):
    """It will not be done. The proposer may withdraw in the same way."""

    by_id: UUID
    why: str


class Proposal(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The proposal as its events made it."""

    id: UUID
    version: int
    verb: str
    summary: str
    command: bytes
    command_hash: bytes
    proposer_id: UUID
    made_us: int
    expires_us: int
    status: str = WAITING
    proposed_by: str = ""
    """The actor, with the certificate that signed it; empty in a list made before it was kept."""


def evolve(proposal: Proposal | None, event: Event) -> Proposal:
    """The proposal after `event`."""
    match event:
        case ProposalMade():
            return Proposal(
                id=event.originator_id,
                version=event.originator_version,
                verb=event.verb,
                summary=event.summary,
                command=event.command,
                command_hash=event.command_hash,
                proposer_id=event.proposer_id,
                made_us=event.recorded_at_us,
                expires_us=event.expires_us,
                proposed_by=event.actor,
            )
        case ProposalApproved() if proposal is not None:
            return replace(proposal, version=event.originator_version, status=APPROVED)
        case ProposalRejected() if proposal is not None:
            return replace(proposal, version=event.originator_version, status=REJECTED)
        case _:
            raise no_such_event("proposal", event)


def make(
    context: Context,
    id: UUID,
    *,
    verb: str,
    summary: str,
    command: bytes,
    command_hash: bytes,
    signature: str,
    proposer_id: UUID,
) -> ProposalMade:
    """A new proposal, open for a day."""
    return ProposalMade(
        **stamp(context, id, 1),
        verb=verb,
        summary=summary,
        command=command,
        command_hash=command_hash,
        signature=signature,
        proposer_id=proposer_id,
        expires_us=context.recorded_at_us + LIFETIME_US,
    )


def why_not(proposal: Proposal, *, by_id: UUID, approving: bool, now_us: int) -> str:
    """Why this person cannot decide it now: a code, empty where nothing is in the way."""
    if proposal.status != WAITING:
        return "already-decided"
    if now_us > proposal.expires_us:
        return "proposal-expired"
    if approving and by_id == proposal.proposer_id:
        return "same-operator"
    return ""


def approve(
    context: Context, proposal: Proposal, *, approver_id: UUID, command: bytes, signature: str
) -> ProposalApproved:
    """The second yes, after `why_not`."""
    return ProposalApproved(
        **stamp(context, proposal.id, proposal.version + 1),
        approver_id=approver_id,
        command=command,
        signature=signature,
    )


def reject(context: Context, proposal: Proposal, *, by_id: UUID, why: str) -> ProposalRejected:
    """The no, after `why_not`."""
    return ProposalRejected(
        **stamp(context, proposal.id, proposal.version + 1), by_id=by_id, why=why
    )
