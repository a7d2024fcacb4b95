"""Certificates of the TLS authority, recorded: who had them made, of which holder, and when; and
the end of the trust in older authorities."""

from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

from application.command import Command, Origin, Refused, other_command
from application.ports import Claim
from application.register import (
    KEY,
    KEY_IN_USE,
    IssuedCertificate,
    certified_before,
    key_claims,
)
from application.states import States
from application.work import Needs, Outcome
from domain.aggregates.certificate import Certificate, CertificateIssued
from domain.event import Context
from domain.ids import derived_id

ROLE = "tls:"
AUTHORITY_ROLE = "tls:authority"
TRUST = "tls-trust"
"""The kind of claim under which the SHA-256 of a TLS authority's certificate says that two
operators agreed to trust none before it."""


class RecordTlsAuthority(Command):
    """The caller had it made before; nobody gets it unless this is stored.

    `certificate` None: it is not made, as the command came before or is only proposed.
    """

    makes = (CertificateIssued,)

    def __init__(
        self,
        origin: Origin,
        deadline_us: int,
        *,
        partition: int,
        certificate: IssuedCertificate | None,
    ) -> None:
        super().__init__(origin, deadline_us)
        self._id = derived_id(AUTHORITY_ROLE, origin.command_id, origin.issued_ms, partition)
        self._certificate = certificate

    def claims_read(self) -> list[tuple[str, bytes]]:
        """Its key."""
        return [(KEY, self._certificate.key_hash)] if self._certificate else []

    def foresee(self, states: States, context: Context) -> Refused | None:
        """Nothing stands against the next one."""
        return None

    def execute(self, states: States, context: Context) -> Outcome:
        """Records it, once: it is no individual, so the subject is this issuance."""
        assert self._certificate is not None, "made"
        known = certified_before(states, self._certificate.key_hash)
        if known is not None:
            return Outcome({"id": str(known.id), "unchanged": True})
        event = self._certificate.event(context, self._id)
        return Outcome({"id": str(self._id)}, [event], key_claims(event))

    def repeated(self, states: States, made: UUID) -> Any:
        """The certificate is in the HSM."""
        return _again(states, made, {AUTHORITY_ROLE})


class RecordTlsClasses(Command):
    """The next certificates of TLS classes: `keys` gives by holder SHA-256 of the key (SPKI).

    `certificates` by holder, which the caller had made before; None as above. All or none.
    """

    makes = (CertificateIssued,)

    def __init__(
        self,
        origin: Origin,
        deadline_us: int,
        *,
        partition: int,
        keys: Mapping[str, bytes],
        certificates: Mapping[str, IssuedCertificate] | None,
    ) -> None:
        super().__init__(origin, deadline_us)
        self._keys, self._certificates, self._partition = keys, certificates, partition

    def claims_read(self) -> list[tuple[str, bytes]]:
        """The keys."""
        return [(KEY, key) for key in self._keys.values()]

    def foresee(self, states: States, context: Context) -> Refused | None:
        """A key gets one certificate."""
        known = any(certified_before(states, key) for key in self._keys.values())
        return KEY_IN_USE if known else None

    def execute(self, states: States, context: Context) -> Outcome:
        """Records them: a TLS class is no individual, so the subject is this issuance."""
        no = self.foresee(states, context)
        if no is not None:
            return Outcome(no)
        assert self._certificates is not None, "made"
        origin = self.origin
        events = [
            certificate.event(
                context,
                derived_id(ROLE + holder, origin.command_id, origin.issued_ms, self._partition),
            )
            for holder, certificate in self._certificates.items()
        ]
        answer = [
            {"holder": holder, "serial": certificate.serial}
            for holder, certificate in self._certificates.items()
        ]
        claims = [claim for event in events for claim in key_claims(event)]
        return Outcome({"certificates": answer}, events, claims)

    def repeated(self, states: States, made: UUID) -> Any:
        """Whoever has the keys asks for the certificates by them."""
        return _again(states, made, {ROLE + holder for holder in self._keys})


class TlsOnRecord:
    """A work that stores nothing: the serials by holder where all of these keys were certified for
    those holders, else an empty answer."""

    def __init__(self, deadline_us: int, keys: Mapping[str, bytes]) -> None:
        self.deadline_us = deadline_us
        self._keys = keys

    def needs(self, states: States, needs: Needs, now_us: int) -> bool:
        """The keys' claims; what they lead to is loaded on the way."""
        needs.owners.extend(
            (KEY, key) for key in self._keys.values() if not states.knows_owner(KEY, key)
        )
        return False

    def decide(self, states: States, now_us: int) -> Outcome:
        """Looks for each of them."""
        found = {}
        for holder, key in self._keys.items():
            certificate = certified_before(states, key)
            if certificate is None or certificate.role != ROLE + holder:
                return Outcome({})
            found[holder] = certificate.serial
        return Outcome(found)


class EndTlsTrust(Command):
    """Two operators agree that no TLS authority before the one of that SHA-256 is trusted.

    The trust is in files, and ends where they are; here is that it was agreed, for whoever does it.
    """

    def __init__(self, origin: Origin, deadline_us: int, *, keeps: bytes) -> None:
        super().__init__(origin, deadline_us)
        self._keeps = keeps

    def claims_read(self) -> list[tuple[str, bytes]]:
        """Whether it was agreed before."""
        return [(TRUST, self._keeps)]

    def foresee(self, states: States, context: Context) -> Refused | None:
        """Nothing stands against it."""
        return None

    def execute(self, states: States, context: Context) -> Outcome:
        """Keeps it beside the approval: there is no event but that."""
        answer = {"keeps": self._keeps.hex(), "agreed": True}
        if states.owner(TRUST, self._keeps) is not None:
            return Outcome(answer)
        id = derived_id(TRUST, self.origin.command_id, self.origin.issued_ms, 0)
        return Outcome(answer, [], [Claim(TRUST, self._keeps, id)])


class TlsTrustEnded:
    """A work that stores nothing: whether two operators agreed to that."""

    def __init__(self, deadline_us: int, keeps: bytes) -> None:
        self.deadline_us = deadline_us
        self._key = (TRUST, keeps)

    def needs(self, states: States, needs: Needs, now_us: int) -> bool:
        """The claim."""
        if not states.knows_owner(*self._key):
            needs.owners.append(self._key)
        return False

    def decide(self, states: States, now_us: int) -> Outcome:
        """Whether it is held."""
        return Outcome(states.owner(*self._key) is not None)


def _again(states: States, made: UUID, roles: Collection[str]) -> Any:
    certificate = states.get(made, Certificate)
    if certificate is None or certificate.role not in roles:
        return other_command()
    return {"id": str(made), "repeated": True}
