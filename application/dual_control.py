"""Commands that need two operators: one proposes, another approves, and only then it is done.

The approval and what it does are one commit: a proposal is never approved and not carried out.
"""

from hashlib import sha256
from typing import Any
from uuid import UUID

from application.command import Command, Origin, Refused, other_command
from application.states import States
from application.work import Needs, Outcome
from domain.aggregates import proposal as proposals
from domain.aggregates.proposal import WAITING, Proposal
from domain.event import Context
from domain.ids import derived_id

_TEXTS = {
    "already-decided": "This proposal was decided before.",
    "proposal-expired": "This proposal is older than a day. Propose it again.",
    "same-operator": "Another operator than the one who proposed it must approve it.",
}
_GONE = Refused("no-such-proposal", "There is no proposal with that id.")
_OTHER = Refused(
    "other-content",
    "The proposal holds another command than the one that was approved. Look again.",
)


class Propose(Command):
    """Keeps a signed command until a second operator decides. `summary` says it in words.

    `inner` is that command as far as it can be made now: what it would be refused for is said now.
    """

    makes = (proposals.ProposalMade,)

    def __init__(
        self,
        origin: Origin,
        deadline_us: int,
        *,
        partition: int,
        verb: str,
        summary: str,
        raw: bytes,
        signature: str,
        proposer_id: UUID,
        inner: Command,
    ) -> None:
        super().__init__(origin, deadline_us)
        self._inner = inner
        self._id = derived_id("proposal", origin.command_id, origin.issued_ms, partition)
        self._facts: dict[str, Any] = {
            "verb": verb,
            "summary": summary,
            "command": raw,
            "command_hash": sha256(raw).digest(),
            "signature": signature,
            "proposer_id": proposer_id,
        }

    def reads(self) -> list[UUID]:
        """What the inner command reads."""
        return self._inner.reads()

    def claims_read(self) -> list[tuple[str, bytes]]:
        """What the inner command reads."""
        return self._inner.claims_read()

    def execute(self, states: States, context: Context) -> Outcome:
        """Stores it."""
        no = self._inner.foresee(states, context)
        if no is not None:
            return Outcome(no)
        made = proposals.make(context, self._id, **self._facts)
        return Outcome(_answer(proposals.evolve(None, made)), [made])

    def repeated(self, states: States, made: UUID) -> Any:
        """How far it is."""
        proposal = states.get(made, Proposal)
        if proposal is None or proposal.command_hash != self._facts["command_hash"]:
            return other_command()
        return {**_answer(proposal), "repeated": True}


class Approve(Command):
    """The second operator's yes, with `inner`, the proposed command, ready to be carried out.

    `command_hash` is what the approver saw; `raw` and `signature` are the approval as signed.
    """

    makes = (proposals.ProposalApproved,)

    def __init__(
        self,
        origin: Origin,
        deadline_us: int,
        *,
        proposal_id: UUID,
        command_hash: bytes,
        approver_id: UUID,
        raw: bytes,
        signature: str,
        inner: Command,
    ) -> None:
        super().__init__(origin, deadline_us)
        self._proposal_id, self._hash, self._approver_id = proposal_id, command_hash, approver_id
        self._raw, self._signature, self._inner = raw, signature, inner

    def reads(self) -> list[UUID]:
        """The proposal, and what the inner command reads."""
        return [self._proposal_id, *self._inner.reads()]

    def claims_read(self) -> list[tuple[str, bytes]]:
        """What the inner command reads."""
        return self._inner.claims_read()

    def needs(self, states: States, needs: Needs, now_us: int) -> bool:
        """Both commands' needs: the inner one may have some of its own."""
        again = self._inner.needs(states, needs, now_us)
        return super().needs(states, needs, now_us) or again

    def execute(self, states: States, context: Context) -> Outcome:
        """Approves and carries out, or refuses both."""
        proposal = states.get(self._proposal_id, Proposal)
        if proposal is None:
            return Outcome(_GONE)
        no = approval_refused(proposal, self._hash, self._approver_id, context.recorded_at_us)
        if no is not None:
            return Outcome(no)
        answer, events, claims = self._inner.execute(states, context)
        if isinstance(answer, Refused):
            return Outcome(answer)
        approved = proposals.approve(
            context,
            proposal,
            approver_id=self._approver_id,
            command=self._raw,
            signature=self._signature,
        )
        told = {**_answer(proposals.evolve(proposal, approved)), "result": answer}
        return Outcome(told, [approved, *events], claims)

    def repeated(self, states: States, made: UUID) -> Any:
        """What became of the proposal; the inner result was in the first answer."""
        return _decided_before(states, made, self._proposal_id)


def approval_refused(
    proposal: Proposal, command_hash: bytes, approver_id: UUID, now_us: int
) -> Refused | None:
    """Why somebody who saw that command cannot approve it; None where nothing is in the way."""
    if proposal.command_hash != command_hash:
        return _OTHER
    no = proposals.why_not(proposal, by_id=approver_id, approving=True, now_us=now_us)
    return Refused(no, _TEXTS[no]) if no else None


class Reject(Command):
    """An operator's no; the proposer withdraws by it."""

    makes = (proposals.ProposalRejected,)

    def __init__(
        self, origin: Origin, deadline_us: int, *, proposal_id: UUID, by_id: UUID, why: str
    ) -> None:
        super().__init__(origin, deadline_us)
        self._proposal_id, self._by_id, self._why = proposal_id, by_id, why

    def reads(self) -> list[UUID]:
        """The proposal."""
        return [self._proposal_id]

    def execute(self, states: States, context: Context) -> Outcome:
        """Ends it."""
        proposal = states.get(self._proposal_id, Proposal)
        if proposal is None:
            return Outcome(_GONE)
        no = proposals.why_not(
            proposal, by_id=self._by_id, approving=False, now_us=context.recorded_at_us
        )
        if no:
            return Outcome(Refused(no, _TEXTS[no]))
        event = proposals.reject(context, proposal, by_id=self._by_id, why=self._why)
        return Outcome(_answer(proposals.evolve(proposal, event)), [event])

    def repeated(self, states: States, made: UUID) -> Any:
        """What became of it."""
        return _decided_before(states, made, self._proposal_id)


def waiting(proposal_id: UUID, states: States, now_us: int) -> dict[str, Any] | None:
    """How far a proposal is that still waits for a second operator; None for any other."""
    proposal = states.get(proposal_id, Proposal)
    if proposal is None or proposal.status != WAITING or now_us > proposal.expires_us:
        return None
    return {**_answer(proposal), "repeated": True}


def _decided_before(states: States, made: UUID, asked: UUID) -> Any:
    """What became of the proposal that is asked for, if that command id decided it."""
    proposal = states.get(made, Proposal)
    if proposal is None or made != asked:
        return other_command()
    return {**_answer(proposal), "repeated": True}


def _answer(proposal: Proposal) -> dict[str, Any]:
    return {
        "proposal": str(proposal.id),
        "status": proposal.status,
        "verb": proposal.verb,
        "summary": proposal.summary,
        "command_hash": proposal.command_hash.hex(),
        "expires_ms": proposal.expires_us // 1000,
    }
