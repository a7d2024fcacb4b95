"""What all commands of operators share: carried out once, however often they arrive.

The id of a command is claimed in the commit that carries it out; what it makes has ids derived
from it. A command that arrives again is answered from what it made.
"""

from typing import Any, ClassVar
from uuid import UUID

import msgspec

from application.ports import Claim
from application.states import States
from application.work import Needs, Outcome
from domain.event import Context, Event

COMMAND = "command"


class Refused(msgspec.Struct, frozen=True, gc=False):
    """A command that the business refuses: nothing was stored. `text` says what to do."""

    code: str
    text: str


class Origin(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Where a command came from: its id and time as signed, its signer, our issuer id."""

    command_id: UUID
    issued_ms: int
    actor: str
    issuer_id: UUID


class Used:
    """A work that says whether a command id was carried out before, and does nothing."""

    def __init__(self, command_id: UUID, deadline_us: int) -> None:
        self._key = (COMMAND, command_id.bytes)
        self.deadline_us = deadline_us

    def needs(self, states: States, needs: Needs, now_us: int) -> bool:
        """The claim."""
        if not states.knows_owner(*self._key):
            needs.owners.append(self._key)
        return False

    def decide(self, states: States, now_us: int) -> Outcome:
        """Whether somebody holds it."""
        return Outcome(states.owner(*self._key) is not None)


class Command:
    """A work that is carried out once. Subclasses give `reads`, `execute` and `repeated`.

    `makes`: the kinds of event that it begins with. By them a command that arrives again is told
    from another one under the same id; empty where nobody else chooses the id.
    """

    makes: ClassVar[tuple[type[Event], ...]] = ()

    def __init__(self, origin: Origin, deadline_us: int) -> None:
        self.origin = origin
        self.deadline_us = deadline_us

    def reads(self) -> list[UUID]:
        """The aggregates that `execute` reads, as far as the command names them."""
        return []

    def claims_read(self) -> list[tuple[str, bytes]]:
        """The claims that `execute` reads."""
        return []

    def needs(self, states: States, needs: Needs, now_us: int) -> bool:
        """See `Work.needs`."""
        keys = [(COMMAND, self.origin.command_id.bytes), *self.claims_read()]
        needs.owners.extend(key for key in keys if not states.knows_owner(*key))
        needs.ids.extend(id for id in self.reads() if not states.knows(id))
        return False

    def decide(self, states: States, now_us: int) -> Outcome:
        """Carries the command out, or answers that it was carried out before."""
        origin = self.origin
        made = states.owner(COMMAND, origin.command_id.bytes)
        if made is not None:
            if self.makes and states.first_of(origin.command_id, made) not in self.makes:
                return Outcome(other_command())
            return Outcome(self.repeated(states, made))
        context = Context(
            occurred_at_us=origin.issued_ms * 1000,
            recorded_at_us=now_us,
            actor=origin.actor,
            command_id=origin.command_id,
            correlation_id=origin.command_id,
            issuer_id=origin.issuer_id,
        )
        answer, events, claims = self.execute(states, context)
        if not events:
            return Outcome(answer)
        assert not self.makes or isinstance(events[0], self.makes)
        states.note_first(origin.command_id, type(events[0]))
        done = Claim(COMMAND, origin.command_id.bytes, events[0].originator_id)
        return Outcome(answer, events, [*claims, done])

    def execute(self, states: States, context: Context) -> Outcome:
        """The outcome; the first event's aggregate is what the command is remembered by."""
        raise NotImplementedError

    def foresee(self, states: States, context: Context) -> Refused | None:
        """Why it need not be proposed to a second operator now; None where it may be done."""
        return seen_of(self.execute(states, context))

    def repeated(self, states: States, made: UUID) -> Any:
        """The answer to the same command again."""
        return {"id": str(made), "repeated": True}


def seen_of(outcome: Outcome) -> Refused | None:
    """See `Command.foresee`, of what carrying it out would come to now."""
    answer, events, _ = outcome
    if isinstance(answer, Refused):
        return answer
    return None if events else Refused("nothing-to-do", "That is so already.")


def other_command() -> Refused:
    """The answer where the id of a command was used for another kind of command before."""
    return Refused(
        "command-id-used", "This command id was used for another command. Make a new one."
    )
