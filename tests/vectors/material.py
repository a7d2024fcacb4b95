"""Keys, certificates and parties of the test vectors: fixed for ever, and worthless as secrets.

Private keys come from the hash of their name and signatures are deterministic (RFC 6979), so
that everything can be made again byte for byte.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from hashlib import sha256
from uuid import UUID

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from protocol.certificates import ROLE_OID, Trust
from protocol.handshake import Fresh, Identity
from protocol.signature import Sign

NOW_MS = 1_795_521_600_000  # 2026-11-24 12:00:00 UTC
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
END = datetime(2036, 1, 1, tzinfo=UTC)
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551

Extensions = Sequence[tuple[x509.ExtensionType, bool]]


def octets(name: str, length: int) -> bytes:
    """Fixed bytes that look random."""
    return sha256(b"TicketRestaurant US test vector: " + name.encode()).digest()[:length]


@cache
def key(name: str) -> ec.EllipticCurvePrivateKey:
    """The P-256 key of that name."""
    scalar = int.from_bytes(octets(f"key {name}", 32), "big") % (ORDER - 1) + 1
    return ec.derive_private_key(scalar, ec.SECP256R1())


def subject_id(name: str) -> UUID:
    """A UUIDv8 for a party."""
    value = bytearray(octets(f"id {name}", 16))
    value[6] = value[6] & 0x0F | 0x80
    value[8] = value[8] & 0x3F | 0x80
    return UUID(bytes=bytes(value))


def signer(name: str) -> Sign:
    """Signs with the key of that name, always the same for the same message."""

    def sign(message: bytes) -> bytes:
        der = key(name).sign(message, ec.ECDSA(SHA256(), deterministic_signing=True))
        r, s = decode_dss_signature(der)
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    return sign


def usage(*names: str) -> x509.KeyUsage:
    """A key usage with just these bits."""
    bits = (
        "digital_signature content_commitment key_encipherment data_encipherment key_agreement "
        "key_cert_sign crl_sign encipher_only decipher_only"
    )
    return x509.KeyUsage(**{bit: bit in names for bit in bits.split()})


def role_value(role: str) -> x509.UnrecognizedExtension:
    """The role extension, made here without the code under test."""
    return x509.UnrecognizedExtension(ROLE_OID, bytes([12, len(role)]) + role.encode())


def authority(path_length: int | None) -> Extensions:
    """What an authority's certificate says."""
    basic = x509.BasicConstraints(ca=True, path_length=path_length)
    return [(basic, True), (usage("key_cert_sign", "crl_sign"), True)]


def leaf(name: str, role: str) -> Extensions:
    """What a party's certificate says."""
    uri = x509.UniformResourceIdentifier(f"urn:uuid:{subject_id(name)}")
    return [
        (usage("digital_signature"), True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), False),
        (x509.SubjectAlternativeName([uri]), False),
        (role_value(role), False),
    ]


def certificate(
    subject: str,
    holder: ec.EllipticCurvePublicKey,
    issuer: str,
    issuer_key: str,
    extensions: Extensions,
    *,
    begin: datetime = BEGIN,
    end: datetime = END,
    number: str = "",
) -> x509.Certificate:
    """A certificate signed by the key named `issuer_key`; `number` sets its serial apart."""
    builder = x509.CertificateBuilder(
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]),
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]),
        holder,
        int.from_bytes(octets(f"serial {subject} {issuer}{number}", 19), "big"),
        begin,
        end,
        [x509.Extension(e.oid, critical, e) for e, critical in extensions],
    )
    return builder.sign(key(issuer_key), SHA256(), ecdsa_deterministic=True)


def der(of: x509.Certificate) -> bytes:
    """Its bytes."""
    return of.public_bytes(Encoding.DER)


ROOT = "Test root"
ISSUING = "Test issuing"


@cache
def root() -> x509.Certificate:
    """The trusted root."""
    return certificate(ROOT, key("root").public_key(), ROOT, "root", authority(1))


@cache
def issuing() -> x509.Certificate:
    """The issuing authority below it."""
    return certificate(ISSUING, key("issuing").public_key(), ROOT, "root", authority(0))


@dataclass(frozen=True)
class Holder:
    """A party of the vectors."""

    name: str
    role: str
    chain: list[bytes]

    @property
    def subject_id(self) -> str:
        return str(subject_id(self.name))

    @property
    def identity(self) -> Identity:
        return Identity(self.role, self.chain, signer(self.name))

    @property
    def certificate(self) -> x509.Certificate:
        return x509.load_der_x509_certificate(self.chain[0])

    @property
    def kid(self) -> str:
        return format(self.certificate.serial_number, "x")


def holder(name: str, role: str, extensions: Extensions | None = None) -> Holder:
    """A party with a good certificate, or one with these extensions."""
    public = key(name).public_key()
    says = leaf(name, role) if extensions is None else extensions
    own = certificate(str(subject_id(name)), public, ISSUING, "issuing", says)
    return Holder(name, role, [der(own), der(issuing())])


@cache
def party(role: str) -> Holder:
    """The usual party of that role."""
    return holder(role, role)


@cache
def pin_key_chain() -> tuple[bytes, bytes]:
    """The chain of the HSM's key for PIN blocks."""
    says: Extensions = [(usage("key_agreement"), True), (role_value("pin"), False)]
    public = key("pin").public_key()
    own = certificate(str(subject_id("pin")), public, ISSUING, "issuing", says)
    return der(own), der(issuing())


def trust(*revoked: int) -> Trust:
    """Trust in the root, with these serials revoked."""
    return Trust(der(root()), revoked=lambda serial: serial in revoked)


def fixed(name: str) -> Fresh:
    """The `random` values of a party in the vector of that name."""
    return Fresh(
        octets(f"ephemeral {name}", 32), octets(f"nonce {name}", 32), octets(f"name {name}", 8)
    )


def days(number: int) -> timedelta:
    """That many days."""
    return timedelta(days=number)
