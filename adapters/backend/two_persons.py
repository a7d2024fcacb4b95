"""Commands that two operators give: the first proposes, the second approves the very same bytes.

Which verbs are so, and when, is said by what is registered here; how a proposal lives is
`domain/aggregates/proposal.py`.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from adapters.backend.carrying_out import Answer, CarryingOut, any_partition
from adapters.backend.operator_ports import Denied
from adapters.backend.told import Told
from application import fields
from application.command import Command
from application.dual_control import Approve, Propose, Reject, approval_refused
from application.read import Read
from domain.aggregates.proposal import APPROVED, Proposal
from protocol import bodies, messages

HASH_HEX = 64


class Verb(Protocol):
    """A command that may need two."""

    def summary(self, body: Mapping[str, Any]) -> str:
        """What it would do, in words, for the second operator. Raises Invalid for a bad field."""

    def needs_two(self, body: Mapping[str, Any]) -> bool:
        """Whether this one does."""

    async def prepare(self, told: Told) -> Command:
        """The command, ready for the engine. Raises Denied, Invalid, Unavailable."""


Stored = Callable[[Mapping[str, Any], Answer], Awaitable[None]]
"""What is done with a command's body once it is stored, and again when it is given again."""


class TwoPersons:
    """`give` for a verb of `verbs`, `decide` for APPROVE."""

    def __init__(
        self,
        works: CarryingOut,
        verbs: Mapping[str, Verb],
        stored: Mapping[str, Stored] | None = None,
    ) -> None:
        self._works = works
        self._verbs = verbs
        self._stored = stored or {}

    async def give(self, told: Told) -> Answer:
        """Carries it out at once where one operator suffices, else keeps it as a proposal."""
        verb = self._verbs[told.verb]
        verb.summary(told.body)  # what is wrong with the command is said first
        if not verb.needs_two(told.body):
            answer = await self._works.carry_out(await verb.prepare(told))
            if told.verb in self._stored:
                await self._stored[told.verb](told.body, answer)
            return answer
        return await self.propose(told)

    async def propose(self, told: Told) -> Answer:
        """Keeps it for a second operator to decide."""
        summary = self._verbs[told.verb].summary(told.body)
        return await self._works.carry_out(
            Propose(
                told.origin,
                self._works.deadline_us(),
                partition=any_partition(),
                verb=told.verb,
                summary=summary,
                raw=told.raw,
                signature=told.signature,
                proposer_id=told.signer_id,
            )
        )

    async def decide(self, told: Told) -> Answer:
        """A second operator's yes or no to a proposal."""
        body = told.body
        proposal_id = fields.uuid(body, "proposal")
        if not fields.flag(body, "approve"):
            why = fields.text(body, "why", fields.WHY_MOST)
            return await self._works.carry_out(
                Reject(
                    told.origin,
                    self._works.deadline_us(),
                    proposal_id=proposal_id,
                    by_id=told.signer_id,
                    why=why,
                )
            )
        seen = fields.hex_bytes(body, "command_hash", HASH_HEX)
        proposal = await self._works.through_engine(
            Read(
                proposal_id,
                lambda states, _: states.get(proposal_id, Proposal),
                self._works.deadline_us(),
            )
        )
        if proposal is None:
            raise Denied("no-such-proposal", "There is no proposal with that id.")
        command = bodies.read(proposal.command, messages.Command)
        inner = Command(told.origin, self._works.deadline_us())
        if proposal.status != APPROVED:  # else this approval came before, or the engine refuses it
            # Said before anything is done in the HSM; the engine checks it again.
            no = approval_refused(proposal, seen, told.signer_id, self._works.now_us())
            if no is not None:
                raise Denied(no.code, no.text)
            inner = await self._verbs[proposal.verb].prepare(told.proposed(command["body"]))
        answer = await self._works.carry_out(
            Approve(
                told.origin,
                self._works.deadline_us(),
                proposal_id=proposal_id,
                command_hash=seen,
                approver_id=told.signer_id,
                raw=told.raw,
                signature=told.signature,
                inner=inner,
            )
        )
        if proposal.verb in self._stored:
            await self._stored[proposal.verb](command["body"], answer)
        return answer
