"""Commands that two operators give: the first proposes, the second approves the very same bytes.

Which verbs are so, and when, is said by what is registered here; how a proposal lives is
`domain/aggregates/proposal.py`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from adapters.backend.carrying_out import Answer, CarryingOut, any_partition
from adapters.backend.operator_ports import Denied
from adapters.backend.told import Told
from application import fields
from application.command import Command
from application.dual_control import Approve, Propose, Reject, approval_refused
from application.read import Read
from domain.actor import serial_of
from domain.aggregates.proposal import Proposal
from protocol import bodies, messages

HASH_HEX = 64
PROPOSER_REVOKED = (
    "The certificate that signed this proposal was revoked since: perhaps a thief made it. Reject"
    " it; whoever still wants it proposes it again."
)


class Verb(Protocol):
    """A command that may need two."""

    def summary(self, body: Mapping[str, Any]) -> str:
        """What it would do, in words, for the second operator. Raises Invalid for a bad field."""

    def needs_two(self, body: Mapping[str, Any]) -> bool:
        """Whether this one does."""

    async def make(self, told: Told) -> Any:
        """What must be made outside before it is stored, made; None where that is nothing.

        Asked for only under a command id that is new. Raises Denied, Invalid, Unavailable.
        """

    def command(self, told: Told, made: Any) -> Command:
        """The command for the engine. Without what `make` gives (None) it is good for seeing what
        stands against it, and for answering where it was carried out before. Raises Invalid."""


Stored = Callable[[Mapping[str, Any]], Awaitable[None]]
"""What is done with the body of a proposal once its approval is stored, and again when that is
given again."""
Beside = Callable[[Any], Mapping[str, Any]]
"""What whoever approves is told once, beside the result, of what `Verb.make` gave: no event has it.
"""


class TwoPersons:
    """`give` for a verb of `verbs`, `decide` for APPROVE.

    One at a time holds `turn`, from looking whether it may be done to the engine's answer: else a
    rejection could overtake what is being made for an approval.
    """

    def __init__(
        self,
        works: CarryingOut,
        turn: asyncio.Lock,
        verbs: Mapping[str, Verb],
        stored: Mapping[str, Stored],
        beside: Mapping[str, Beside],
        is_revoked: Callable[[int], bool],
    ) -> None:
        """`is_revoked` is asked with the serial of the certificate that signed a proposal."""
        self._works, self._turn, self._is_revoked = works, turn, is_revoked
        self._verbs, self._stored, self._beside = verbs, stored, beside

    async def give(self, told: Told) -> Answer:
        """Carries it out at once where one operator suffices, else keeps it as a proposal."""
        verb = self._verbs[told.verb]
        verb.summary(told.body)  # what is wrong with the command is said first
        if not verb.needs_two(told.body):
            async with self._turn:
                new = not await self._works.used(told.command_id)
                made = await verb.make(told) if new else None
                return await self._works.carry_out(verb.command(told, made))
        return await self.propose(told)

    async def propose(self, told: Told) -> Answer:
        """Keeps it for a second operator to decide."""
        verb = self._verbs[told.verb]
        summary = verb.summary(told.body)
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
                inner=verb.command(told, None),
            )
        )

    async def decide(self, told: Told) -> Answer:
        """A second operator's yes or no to a proposal."""
        async with self._turn:
            return await self._decide(told)

    async def _decide(self, told: Told) -> Answer:
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
        verb, made = self._verbs[proposal.verb], None
        asked = told.proposed(command["body"], proposal)
        if not await self._works.used(told.command_id):
            # Said before anything is done in the HSM; the engine checks it again.
            no = approval_refused(proposal, seen, told.signer_id, self._works.now_us())
            if no is not None:
                raise Denied(no.code, no.text)
            serial = serial_of(proposal.proposed_by)
            if serial and self._is_revoked(int(serial, 16)):
                raise Denied("proposer-revoked", PROPOSER_REVOKED)
            made = await verb.make(asked)
        answer = await self._works.carry_out(
            Approve(
                told.origin,
                self._works.deadline_us(),
                proposal_id=proposal_id,
                command_hash=seen,
                approver_id=told.signer_id,
                raw=told.raw,
                signature=told.signature,
                inner=verb.command(asked, made),
            )
        )
        # An approval that was refused, or is of another proposal, raised Denied.
        if proposal.verb in self._stored:
            await self._stored[proposal.verb](command["body"])
        if made is not None and proposal.verb in self._beside:
            return {**answer, "result": {**answer["result"], **self._beside[proposal.verb](made)}}
        return answer
