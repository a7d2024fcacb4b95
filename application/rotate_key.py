"""New generations of keys, recorded, with the certificates that they were given."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any
from uuid import UUID

from application.command import Command, Origin, Refused, other_command
from application.ports import Claim
from application.register import IssuedCertificate, certified_before, key_claims
from application.states import States
from application.work import Outcome
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
        ceremony: str = "",
        certificates: Sequence[tuple[UUID, IssuedCertificate]] = (),
        also: Mapping[str, int] = MappingProxyType({}),
    ) -> None:
        """`certificates`: whose each is, and what is recorded of it. `also`: the generations of
        other keys, by name, that were made with this one. `ceremony`: see `KeyRotated`."""
        super().__init__(origin, deadline_us)
        self._name, self._generation, self._why = name, generation, why
        self._ceremony = ceremony
        self._certificates, self._also = certificates, also

    def reads(self) -> list[UUID]:
        """The keys."""
        return [key_id(name) for name in (self._name, *self._also)]

    def execute(self, states: States, context: Context) -> Outcome:
        """Records them."""
        rotated = self._rotated(states, context, self._name, self._generation)
        if rotated is None:
            text = f"{self._name}/{self._generation} is on record already."
            return Outcome(Refused(keys.RECORDED, text))
        others = (self._rotated(states, context, *each) for each in self._also.items())
        events: list[Event] = [rotated, *(each for each in others if each is not None)]
        claims: list[Claim] = []
        for subject_id, certificate in self._certificates:
            known = certified_before(states, certificate.key_hash)
            if known is not None and known.serial == certificate.serial:
                continue
            issued = certificate.event(context, subject_id)
            events.append(issued)
            if known is None and certificate.key_hash not in {each.digest for each in claims}:
                claims += key_claims(issued)
        return Outcome(self._answer(), events, claims)

    def _rotated(
        self, states: States, context: Context, name: str, generation: int
    ) -> KeyRotated | None:
        key = states.get(key_id(name), Key)
        return keys.rotate(
            context, key,
            name=name, generation=generation, why=self._why, ceremony=self._ceremony,
        )  # fmt: skip

    def repeated(self, states: States, made: UUID) -> Any:
        """It was done, if it was this generation of this key."""
        for event in states.stored_by(self.origin.command_id, made):
            if isinstance(event, KeyRotated) and self._is(event):
                return {**self._answer(), "repeated": True}
        return other_command()

    def _is(self, event: KeyRotated) -> bool:
        return (event.name, event.generation) == (self._name, self._generation)

    def _answer(self) -> dict[str, Any]:
        answer: dict[str, Any] = {"key": self._name, "generation": self._generation}
        return {**answer, "also": dict(self._also)} if self._also else answer
