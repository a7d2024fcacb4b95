"""Registration of companies, shops and terminals by an operator."""

from typing import Any
from uuid import UUID

from application.command import Command, Origin, Refused, other_command
from application.ports import Claim
from application.states import States
from application.work import Outcome
from domain.aggregates import certificate as certificates
from domain.aggregates import company as companies
from domain.aggregates import shop as shops
from domain.aggregates import terminal as terminals
from domain.aggregates.certificate import Certificate
from domain.aggregates.company import Company
from domain.aggregates.shop import Shop
from domain.aggregates.terminal import Terminal
from domain.event import Context, Event
from domain.ids import derived_id, partition_of
from domain.suspicion import Place

KEY = "certificate-key"
"""The kind of claim under which a certified public key leads to its certificate."""


class RegisterCompany(Command):
    """A new company in a partition of its own choice."""

    makes = (companies.CompanyRegistered,)

    def __init__(
        self,
        origin: Origin,
        deadline_us: int,
        *,
        partition: int,
        name: str,
        timezone: str,
        daily_limit_cents: int,
    ) -> None:
        super().__init__(origin, deadline_us)
        self._id = derived_id("company", origin.command_id, origin.issued_ms, partition)
        self._facts = (name, timezone, daily_limit_cents)

    def execute(self, states: States, context: Context) -> Outcome:
        """Registers it."""
        name, timezone, daily_limit_cents = self._facts
        event = companies.register(
            context,
            self._id,
            name=name,
            timezone=timezone,
            daily_limit_cents=daily_limit_cents,
        )
        return Outcome({"id": str(self._id)}, [event])

    def repeated(self, states: States, made: UUID) -> Any:
        """The company's id again."""
        return _again(states, made, Company)


class RegisterShop(Command):
    """A new shop; the answer carries no secret: the caller made the activation code."""

    makes = (shops.ShopRegistered,)

    def __init__(
        self,
        origin: Origin,
        deadline_us: int,
        *,
        partition: int,
        name: str,
        category: str,
        timezone: str,
        email: str,
        activation_sha256: bytes,
        place: Place | None = None,
    ) -> None:
        super().__init__(origin, deadline_us)
        self._place = place
        self._id = derived_id("shop", origin.command_id, origin.issued_ms, partition)
        self._facts = {
            "name": name,
            "category": category,
            "timezone": timezone,
            "email": email,
            "activation_sha256": activation_sha256,
        }

    def execute(self, states: States, context: Context) -> Outcome:
        """Registers it."""
        facts: dict[str, Any] = self._facts
        events: list[Event] = [shops.register(context, self._id, **facts)]
        if self._place is not None:
            placed = shops.put_at(context, shops.evolve(None, events[0]), self._place)
            events += [placed] if placed is not None else []
        return Outcome({"id": str(self._id)}, events)

    def repeated(self, states: States, made: UUID) -> Any:
        """The shop's id again."""
        return _again(states, made, Shop)


class RegisterTerminal(Command):
    """A new terminal of a shop, with the certificate that was issued for it.

    The caller issues the certificate for `terminal_id` before; it is good for nothing until
    this command is stored. None: the terminal gets one later, by enrolment.
    """

    makes = (terminals.TerminalRegistered,)

    def __init__(
        self,
        origin: Origin,
        deadline_us: int,
        *,
        terminal_id: UUID,
        shop_id: UUID,
        label: str,
        certificate: "IssuedCertificate | None",
    ) -> None:
        super().__init__(origin, deadline_us)
        self._id, self._shop_id, self._label = terminal_id, shop_id, label
        self._certificate = certificate

    def reads(self) -> list[UUID]:
        """The shop."""
        return [self._shop_id]

    def claims_read(self) -> list[tuple[str, bytes]]:
        """The key of the certificate."""
        return [(KEY, self._certificate.key_hash)] if self._certificate else []

    def execute(self, states: States, context: Context) -> Outcome:
        """Registers it and records its certificate."""
        shop = states.get(self._shop_id, Shop)
        if shop is None:
            return Outcome(Refused("no-such-shop", "There is no shop with that id."))
        registered = terminals.register(context, self._id, shop_id=self._shop_id, label=self._label)
        answer = {"id": str(self._id), "shop": str(shop.id), "shop_name": shop.name}
        if self._certificate is None:
            return Outcome(answer, [registered])
        if certified_before(states, self._certificate.key_hash) is not None:
            return Outcome(KEY_IN_USE)
        issued = self._certificate.event(context, self._id)
        return Outcome(answer, [registered, issued], key_claims(issued))

    def repeated(self, states: States, made: UUID) -> Any:
        """The terminal's id again; its certificate went out with the first answer only."""
        return _again(states, made, Terminal)


def certified_before(states: States, key_hash: bytes) -> Certificate | None:
    """The certificate that a public key (SHA-256 of its SPKI) has: a key gets one holder only."""
    id = states.owner(KEY, key_hash)
    return states.get(id, Certificate) if id is not None else None


def key_claims(issued: certificates.CertificateIssued) -> list[Claim]:
    """Makes the key known as this certificate's."""
    return [Claim(KEY, issued.key_hash, issued.originator_id)] if issued.key_hash else []


KEY_IN_USE = Refused("key-in-use", "This key was certified before. Make a new one.")


def _again(states: States, made: UUID, cls: type) -> Any:
    if states.get(made, cls) is None:
        return other_command()
    return {"id": str(made), "repeated": True}


class IssuedCertificate:
    """What the certification authority made for a subject, to be recorded as an event."""

    def __init__(
        self,
        *,
        role: str,
        serial: str,
        fingerprint: bytes,
        not_before_us: int,
        not_after_us: int,
        key_hash: bytes = b"",
        how: str = certificates.PERSONALISED,
        replaces: str = "",
        issuer: bytes = b"",
    ) -> None:
        self._facts: dict[str, Any] = {
            "role": role,
            "serial": serial,
            "fingerprint": fingerprint,
            "not_before_us": not_before_us,
            "not_after_us": not_after_us,
            "key_hash": key_hash,
            "how": how,
            "replaces": replaces,
            "issuer": issuer,
        }

    @property
    def serial(self) -> str:
        """In lowercase hex."""
        return str(self._facts["serial"])

    @property
    def key_hash(self) -> bytes:
        """SHA-256 of the certified key (SPKI)."""
        return bytes(self._facts["key_hash"])

    def event(self, context: Context, subject_id: UUID) -> certificates.CertificateIssued:
        """The event, in the partition of its subject."""
        id = derived_id(
            "certificate:" + self._facts["serial"],
            subject_id,
            context.recorded_at_us // 1000,
            partition_of(subject_id),
        )
        return certificates.issue(context, id, subject_id=subject_id, **self._facts)
