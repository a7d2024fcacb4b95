"""A ceremony for a new root without an HSM and without servers: keys in memory, and a ledger that
is two lists."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import NameOID

from adapters.ceremony.desk import Desk
from adapters.ceremony.first import First, read_first
from adapters.ceremony.hsm import CeremonyHsm, Made, described
from adapters.ceremony.new_root import State
from adapters.ceremony.new_root_holding import Held, Who, hold_new_root
from adapters.ceremony.people import Plan, planned
from adapters.ceremony.signatures import signed_bytes
from protocol.encoding import b64
from tests.unit.ceremony.hall import HsmDouble, Table, conduct

PEOPLE: Plan = planned("Ada Ng", ["Bo Ruiz"], ["Chiara Ito", "Dev Roy", "Eun Kim"], 2)
_NOW = datetime.now(UTC)
Key = ec.EllipticCurvePrivateKey


def certificate(key: Key, issuer: Key, name: str = "Root", by: str = "Root") -> x509.Certificate:
    """Of `key`, signed by `issuer`."""

    def called(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    return (
        x509.CertificateBuilder(called(by), called(name), key.public_key(),
                                x509.random_serial_number(), _NOW, _NOW + timedelta(days=9))
        .sign(issuer, SHA256())
    )  # fmt: skip


class Roots:
    """The HSM after the first ceremony: its PIN, the root, and what a rotation makes."""

    def __init__(self) -> None:
        self.pin, self.serial = "", "1"
        self.keys = {1: ec.generate_private_key(ec.SECP256R1())}
        self.links_by: Key | None = None  # else the root before
        self.made = {1: [certificate(self.keys[1], self.keys[1])]}

    def rotate(self) -> None:
        """The next generation, once."""
        newest = max(self.keys)
        key, issuing = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
        self.keys[newest + 1] = key
        self.made[newest + 1] = [
            certificate(key, key), certificate(key, self.links_by or self.keys[newest]),
            certificate(issuing, key, "Issuing"),
        ]  # fmt: skip

    @property
    def prints(self) -> tuple[str, ...]:
        """Of all roots."""
        return tuple(made[0].fingerprint(SHA256()).hex() for made in self.made.values())

    # As `adapters.ceremony.hsm.CeremonyHsm`.

    def module_facts(self) -> dict[str, Any]:
        return {"pkcs11_module": "double", "pkcs11_sha256": "00"}

    def token_facts(self, pin: str) -> dict[str, Any]:
        assert pin == self.pin
        return {"label": "t", "serial": self.serial, "manufacturer": "none", "model": "double"}

    def opens_with(self, pin: str) -> bool:
        return pin == self.pin

    def under_root(self, pin: str, generation: int) -> list[Made]:
        assert pin == self.pin
        names = ("new root certificate", "link certificate", "new issuing certificate")
        return [Made(n, *described(c)) for n, c in zip(names, self.made[generation], strict=False)]

    def sign(self, pin: str, head: str, generation: int = 1) -> str:
        assert pin == self.pin
        return b64(self.keys[generation].sign(signed_bytes(head), ec.ECDSA(SHA256())))


@dataclass
class Served:
    """`new_root.ServingPort`. What is None is as the HSM has it, of the roots from `oldest` on."""

    roots: Roots
    in_force: tuple[str, ...] | None = None
    in_file: tuple[str, ...] | None = None
    known: tuple[str, ...] | None = None
    oldest: int = 1
    backup: dict[str, Any] | None = field(default_factory=lambda: {"file": "b", "sha256": "00"})
    orders: list[str] = field(default_factory=list)

    @property
    def prints(self) -> tuple[str, ...]:
        """Of the roots in force."""
        return self.roots.prints[self.oldest - 1 :]

    def state(self) -> State:
        prints = self.prints
        return State(
            generation=max(self.roots.keys),
            in_force=prints if self.in_force is None else self.in_force,
            in_file=prints if self.in_file is None else self.in_file,
        )

    def rotated(self, order: str, generation: int, tell: Callable[[str], None]) -> dict[str, Any]:
        self.orders.append(order)
        if max(self.roots.keys) < generation:
            self.roots.rotate()
        command = sha256(order.encode()).hexdigest()
        return {"proposal": "p", "proposer": "o", "command_hash": command}

    def heard(self) -> tuple[str, ...]:
        return self.prints if self.known is None else self.known

    def backed_up(self, after: datetime) -> dict[str, Any] | None:
        return self.backup


class House:
    """An installation after its first ceremony, in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.table = folder / "ceremony", Table()
        self.roots = Roots()
        hsm = HsmDouble(described(self.roots.made[1][0]))
        conduct(self.folder, hsm, self.table, PEOPLE)
        self.roots.pin = hsm.pins[0]
        self.served = Served(self.roots)

    @property
    def first(self) -> First:
        """As its transcript says."""
        found = read_first(self.folder)
        assert found is not None
        return found

    def hold(self, who: Who | None) -> Held:
        """Once, to its end or to where it is stopped."""
        hsm = cast(CeremonyHsm, self.roots)
        return hold_new_root(self.folder, hsm, self.served, cast(Desk, self.table), who)

    @property
    def known(self) -> list[x509.Certificate]:
        """The root that everybody knew before."""
        return [self.roots.made[1][0]]
