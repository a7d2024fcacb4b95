"""Certificates of the private PKI: role extension, chain verification (TR-TPR section 4)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Final
from uuid import UUID

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from cryptography.x509.verification import (
    Criticality,
    ExtensionPolicy,
    Policy,
    PolicyBuilder,
    Store,
    VerificationError,
)

from protocol.errors import (
    EXPIRED_CERTIFICATE,
    RETIRED_ROOT,
    REVOKED_CERTIFICATE,
    UNTRUSTED_CERTIFICATE,
    WRONG_ROLE,
    CertificateError,
)
from protocol.roots import is_issued_by, is_self_issued, is_valid_at, links_in, voucher

ROLE_OID: Final = x509.ObjectIdentifier("2.25.203969413868862338541186214871264133791")

BACKEND: Final = "backend"
GATEWAY: Final = "gateway"
POS: Final = "pos"
CARD: Final = "card"
WEBSITE: Final = "website"
OPERATOR: Final = "operator"
AUDITOR: Final = "auditor"
ENROLLEE: Final = "enrollee"
"""A device that comes for its first certificate, with one that it signed itself."""
PIN: Final = "pin"
"""Not the role of a party: marks the certificate of the HSM's key for PIN blocks."""
ROLES: Final = frozenset({BACKEND, GATEWAY, POS, CARD, WEBSITE, OPERATOR, AUDITOR})
"""What the authority certifies."""

ROLES_OF_TLS_CLASS: Final[dict[str, frozenset[str]]] = {
    "pos": frozenset({POS, ENROLLEE}),
    "card": frozenset({CARD, ENROLLEE}),
    "website": frozenset({WEBSITE, OPERATOR, AUDITOR, ENROLLEE}),
}
"""Which roles may open a session with the backend over which TLS client certificate."""

MAX_CHAIN: Final = 3
_UNREADABLE: Final = (
    x509.ExtensionNotFound,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
    ValueError,
)
MAX_CERTIFICATE_BYTES: Final = 4096


def role_extension(role: str) -> x509.UnrecognizedExtension:
    """The non-critical extension that names the holder's role: a DER UTF8String."""
    if role not in ROLES and role not in (PIN, ENROLLEE):
        raise ValueError("no such role")
    text = role.encode("utf-8")
    return x509.UnrecognizedExtension(ROLE_OID, b"\x0c" + bytes([len(text)]) + text)


def role_of(certificate: x509.Certificate) -> str:
    """The role in `certificate`, or an empty text if it has none or an unknown one."""
    try:
        extension = certificate.extensions.get_extension_for_oid(ROLE_OID).value
    except _UNREADABLE:
        return ""
    if not isinstance(extension, x509.UnrecognizedExtension):
        return ""
    return _ROLE_OF_DER.get(extension.value, "")


_ROLE_OF_DER: Final = {role_extension(role).value: role for role in (*ROLES, PIN, ENROLLEE)}


@dataclass(frozen=True, slots=True)
class Peer:
    """Who proved to be at the other end of a session."""

    subject_id: UUID
    role: str
    serial: int
    certificate: x509.Certificate
    public_key: ec.EllipticCurvePublicKey
    expired: bool = False
    """Within the grace after its certificate's end: good for its renewal, and nothing else."""
    authorities: tuple[int, ...] = ()
    """Serials of the authorities' certificates above the leaf, of a link and of the root too."""
    root: x509.Certificate | None = None
    """Of those that are trusted, the one that the chain leads to; an enrollee's leads to none."""

    @property
    def kid(self) -> str:
        """The serial as signatures name it: lowercase hex."""
        return format(self.serial, "x")


def _signs_certificates(_: Policy, __: x509.Certificate, usage: x509.KeyUsage) -> None:
    if not usage.key_cert_sign:
        raise ValueError("not a key for signing certificates")


def _is_authority(_: Policy, __: x509.Certificate, basic: x509.BasicConstraints) -> None:
    if not basic.ca:
        raise ValueError("not an authority")


def _signs_only(_: Policy, __: x509.Certificate, usage: x509.KeyUsage) -> None:
    if not usage.digital_signature or usage.key_cert_sign or usage.crl_sign:
        raise ValueError("not a key for signing messages only")


def _agrees_only(_: Policy, __: x509.Certificate, usage: x509.KeyUsage) -> None:
    if not usage.key_agreement or usage.key_cert_sign or usage.digital_signature:
        raise ValueError("not a key for key agreement only")


def _is_no_authority(_: Policy, __: x509.Certificate, basic: x509.BasicConstraints | None) -> None:
    if basic is not None and basic.ca:
        raise ValueError("an authority is no device")


def _authenticates(_: Policy, __: x509.Certificate, usage: x509.ExtendedKeyUsage) -> None:
    if ExtendedKeyUsageOID.CLIENT_AUTH not in usage:
        raise ValueError("not a key for authentication")


_ANY: Final = Criticality.AGNOSTIC
# Not the defaults of the Web PKI: those ask for key identifiers and DNS names, which devices
# have no use for. Signatures, validity, path length and critical extensions are checked by
# `cryptography` whatever the policy says.
_CA_POLICY: Final = (
    ExtensionPolicy.permit_all()
    .require_present(x509.BasicConstraints, Criticality.CRITICAL, _is_authority)
    .require_present(x509.KeyUsage, _ANY, _signs_certificates)
)
_LEAF_POLICY: Final = (
    ExtensionPolicy.permit_all()
    .may_be_present(x509.BasicConstraints, _ANY, _is_no_authority)
    .require_present(x509.KeyUsage, _ANY, _signs_only)
    .require_present(x509.ExtendedKeyUsage, _ANY, _authenticates)
    .require_present(x509.SubjectAlternativeName, _ANY, None)
)
_PIN_POLICY: Final = (
    ExtensionPolicy.permit_all()
    .may_be_present(x509.BasicConstraints, _ANY, _is_no_authority)
    .require_present(x509.KeyUsage, _ANY, _agrees_only)
)


def _never(_: int) -> bool:
    return False


class Trust:
    """The roots that a party trusts, and what it knows about revocation.

    `revoked` is asked with the serial of every certificate of a chain, and of the roots: one that
    is revoked was retired. `grace_ms` is how long after the end of its certificate a holder may
    still come for the next.
    """

    __slots__ = ("grace_ms", "revoked", "roots")

    def __init__(self, *roots_der: bytes, revoked: Callable[[int], bool] = _never) -> None:
        self.roots = tuple(x509.load_der_x509_certificate(each) for each in roots_der)
        """May be given anew, as one, by any thread."""
        self.revoked = revoked
        self.grace_ms = 0

    def verify_enrollee(self, chain_der: Sequence[bytes], now_ms: int) -> Peer:
        """The holder of a new key, of whom nothing else is known (TR-TPR section 12).

        One certificate, signed by its own P-256 key, valid now and for a day at most, role
        `enrollee`, whose subject id is `enrollee_id` of the key. Raises CertificateError.
        """
        chain = _load(chain_der)
        leaf, now = chain[0], _EPOCH + timedelta(milliseconds=now_ms)
        if len(chain) != 1:
            raise CertificateError(UNTRUSTED_CERTIFICATE)
        key = _p256_key(leaf)
        try:
            leaf.verify_directly_issued_by(leaf)
        except (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError):
            raise CertificateError(UNTRUSTED_CERTIFICATE) from None
        if _subject_id(leaf) != enrollee_id(key):
            raise CertificateError(UNTRUSTED_CERTIFICATE)
        if leaf.not_valid_after_utc - leaf.not_valid_before_utc > _ENROLLEE_LIFE:
            raise CertificateError(UNTRUSTED_CERTIFICATE)
        if not is_valid_at(leaf, now):
            raise CertificateError(EXPIRED_CERTIFICATE)
        if role_of(leaf) != ENROLLEE:
            raise CertificateError(WRONG_ROLE)
        return Peer(enrollee_id(key), ENROLLEE, leaf.serial_number, leaf, key)

    def verify(self, chain_der: Sequence[bytes], now_ms: int) -> Peer:
        """The holder of the leaf of `chain_der` (leaf first, root not included; perhaps a link).

        Checks signatures, validity, basic constraints, path length, usages, key type, names,
        role and revocation. Raises CertificateError: `untrusted-certificate`,
        `expired-certificate`, `revoked-certificate`, `retired-root`, `wrong-role` (none, or an
        unknown one).
        """
        at_ms = self._within_grace(chain_der, now_ms)
        path, public_key = self._verified(chain_der, at_ms, _LEAF_POLICY)
        leaf = path[0]
        subject_id = _subject_id(leaf)
        if subject_id is None:
            raise CertificateError(UNTRUSTED_CERTIFICATE)
        role = role_of(leaf)
        if role not in ROLES:
            raise CertificateError(WRONG_ROLE)
        serial, above = leaf.serial_number, tuple(each.serial_number for each in path[1:])
        expired = at_ms != now_ms
        return Peer(subject_id, role, serial, leaf, public_key, expired, above, path[-1])

    def _within_grace(self, chain_der: Sequence[bytes], now_ms: int) -> int:
        """Now; or, for a leaf that ended a short while ago, its last moment."""
        if not self.grace_ms or not chain_der or len(chain_der[0]) > MAX_CERTIFICATE_BYTES:
            return now_ms
        try:
            leaf = x509.load_der_x509_certificate(chain_der[0])
        except (ValueError, x509.InvalidVersion):
            return now_ms
        end_ms = int((leaf.not_valid_after_utc - _EPOCH) / timedelta(milliseconds=1))
        return end_ms if end_ms < now_ms <= end_ms + self.grace_ms else now_ms

    def verify_pin_key(self, chain_der: Sequence[bytes], now_ms: int) -> ec.EllipticCurvePublicKey:
        """The HSM's key for PIN blocks, from the certificate chain in READY. Key usage
        keyAgreement, role `pin`; else the same checks and errors as `verify`."""
        path, public_key = self._verified(chain_der, now_ms, _PIN_POLICY)
        if role_of(path[0]) != PIN:
            raise CertificateError(WRONG_ROLE)
        return public_key

    def _verified(
        self, chain_der: Sequence[bytes], now_ms: int, policy: ExtensionPolicy
    ) -> tuple[list[x509.Certificate], ec.EllipticCurvePublicKey]:
        """The path, leaf first, down to one of the roots; a link is in it where it was needed."""
        chain = _load(chain_der)
        now = _EPOCH + timedelta(milliseconds=now_ms)
        in_force = [each for each in self.roots if not self.revoked(each.serial_number)]
        path = _path(chain, in_force, now, policy)
        if path is None:
            retired = [each for each in self.roots if each not in in_force]
            if retired and _path(chain, retired, now, policy) is not None:
                raise CertificateError(RETIRED_ROOT)
            above = (each for each in self.roots if any(is_issued_by(low, each) for low in chain))
            if any(not is_valid_at(each, now) for each in (*chain, *above)):
                raise CertificateError(EXPIRED_CERTIFICATE)
            raise CertificateError(UNTRUSTED_CERTIFICATE)
        key = _p256_key(path[0])
        if any(self.revoked(each.serial_number) for each in path):
            raise CertificateError(REVOKED_CERTIFICATE)
        return path, key


def _path(
    chain: Sequence[x509.Certificate],
    roots: Sequence[x509.Certificate],
    now: datetime,
    policy: ExtensionPolicy,
) -> list[x509.Certificate] | None:
    """From the leaf to one of `roots`; None where there is no such path.

    `cryptography` counts a self-issued certificate in the path length, which RFC 5280 does not. So
    a link is checked by itself (`roots.voucher`), and stands for the root that it certifies.
    """
    try:
        above = [each for each in chain[1:] if not is_self_issued(each)]
        anchors = [*roots, *links_in(chain[1:], roots, now)]
        verifier = (
            PolicyBuilder()
            .store(Store(anchors))
            .time(now)
            .max_chain_depth(1)
            .extension_policies(ca_policy=_CA_POLICY, ee_policy=policy)
            .build_client_verifier()
        )
        path = verifier.verify(chain[0], above).chain
    except (VerificationError, UnsupportedAlgorithm, ValueError):
        return None
    if path[-1] in roots:
        return path
    root = voucher(path[-1], roots, now)
    return None if root is None else [*path, root]


def enrollee_id(key: ec.EllipticCurvePublicKey) -> UUID:
    """The id by which an enrollee is known: a UUIDv8 of the first bits of its key's SHA-256, so
    that nobody can come under the id of somebody else."""
    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    number = int.from_bytes(sha256(spki).digest()[:16])
    return UUID(int=number & ~(0xF << 76) & ~(3 << 62) | 8 << 76 | 2 << 62)


_ENROLLEE_LIFE: Final = timedelta(days=1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def _load(chain_der: Sequence[bytes]) -> list[x509.Certificate]:
    if not 1 <= len(chain_der) <= MAX_CHAIN:
        raise CertificateError(UNTRUSTED_CERTIFICATE)
    if any(len(der) > MAX_CERTIFICATE_BYTES for der in chain_der):
        raise CertificateError(UNTRUSTED_CERTIFICATE)
    try:
        return [x509.load_der_x509_certificate(der) for der in chain_der]
    except (ValueError, x509.InvalidVersion):
        raise CertificateError(UNTRUSTED_CERTIFICATE) from None


def _p256_key(certificate: x509.Certificate) -> ec.EllipticCurvePublicKey:
    """The key that it certifies. Raises CertificateError for another kind, or none at all."""
    try:
        key = certificate.public_key()
    except (UnsupportedAlgorithm, ValueError, TypeError):  # an unknown curve, a point not on it
        raise CertificateError(UNTRUSTED_CERTIFICATE) from None
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name != "secp256r1":
        raise CertificateError(UNTRUSTED_CERTIFICATE)
    return key


def _subject_id(leaf: x509.Certificate) -> UUID | None:
    """The UUID that common name and URI both give, else None."""
    try:
        names = leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        alternative = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        uris = alternative.value.get_values_for_type(x509.UniformResourceIdentifier)
        subject_id = UUID(str(names[0].value)) if len(names) == 1 else None
    except _UNREADABLE:
        return None
    if subject_id is None or str(names[0].value) != str(subject_id):
        return None
    return subject_id if uris == [f"urn:uuid:{subject_id}"] else None
