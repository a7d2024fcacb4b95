"""A new generation of a key, recorded, with the certificate that it was given."""

from typing import Any
from uuid import UUID

from application.command import Command, Origin, Refused, other_command
from application.group_commit import Outcome
from application.register import IssuedCertificate, certified_before, key_claims
from application.states import States
from domain.aggregates import key as keys
from domain.aggregates.key import Key, KeyRotated, key_id
from domain.event import Context, Event


class RotateKey(Command):
    """The caller made the generation in the HSM and took it into use before."""

    makes = (KeyRotated,)

    def __init__(
        self,
        origin: Origin,
        deadline_us: int,
        *,
        name: str,
        generation: int,
        why: str,
        certificate: tuple[UUID, IssuedCertificate] | None,
    ) -> None:
        """`certificate`: whose it is, and what is recorded of it."""
        super().__init__(origin, deadline_us)
        self._name, self._generation, self._why = name, generation, why
        self._certificate = certificate

    def reads(self) -> list[UUID]:
        """The key."""
        return [key_id(self._name)]

    def execute(self, states: States, context: Context) -> Outcome:
        """Records both."""
        rotated = keys.rotate(
            context,
            states.get(key_id(self._name), Key),
            name=self._name,
            generation=self._generation,
            why=self._why,
        )
        if rotated is None:
            text = f"{self._name}/{self._generation} is on record already."
            return Outcome(Refused(keys.RECORDED, text))
        events: list[Event] = [rotated]
        claims = []
        if self._certificate is not None:
            subject_id, certificate = self._certificate
            if certified_before(states, certificate.key_hash) is None:
                issued = certificate.event(context, subject_id)
                events.append(issued)
                claims = key_claims(issued)
        return Outcome(self._answer(), events, claims)

    def repeated(self, states: States, made: UUID) -> Any:
        """It was done, if it was this generation of this key."""
        for event in states.stored_by(self.origin.command_id, made):
            if isinstance(event, KeyRotated) and self._is(event):
                return {**self._answer(), "repeated": True}
        return other_command()

    def _is(self, event: KeyRotated) -> bool:
        return (event.name, event.generation) == (self._name, self._generation)

    def _answer(self) -> dict[str, Any]:
        return {"key": self._name, "generation": self._generation}
