"""What the validation authority says of certificates: CRL (RFC 5280) and OCSP answers (RFC 6960).

Each generation of the issuing key signs a list and answers of its own. What is revoked is told by
the ledger, for all of them alike: a serial number is given once, whoever signed it, so every list
holds all individuals that were revoked; the root's holds the authorities. An OCSP request for one
that the ledger does not know is answered `unknown`; under a revoked authority, or a retired root,
every certificate is `revoked` (RFC 6960 section 2.7).
"""

import hashlib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA1, SHA224, SHA256, SHA384, SHA512
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import ocsp

from adapters.hsm.authority import Authority
from adapters.hsm.authority_certificates import Issuer

CRL_HOURS: Final = 24
"""How long a list is good for; a new one is made well before, and after each revocation."""
ANSWER_MINUTES: Final = 10
"""How long an OCSP answer may be kept."""
LONGEST_REQUEST: Final = 2048
_NONCE_BYTES: Final = (1, 128)  # RFC 9654
_SERIAL_BITS: Final = 160  # RFC 5280: 20 bytes, and positive
_BACKDATED: Final = timedelta(minutes=5)
_HASHES: Final = frozenset(each.name for each in (SHA1, SHA224, SHA256, SHA384, SHA512))


class Entry(Protocol):
    """A revoked certificate: `adapters.backend.revocations.Revoked`."""

    @property
    def serial(self) -> int: ...

    @property
    def revoked_us(self) -> int: ...

    @property
    def reason(self) -> str: ...

    @property
    def not_after_us(self) -> int: ...

    @property
    def is_authority(self) -> bool: ...


class Known(Protocol):
    """What the ledger knows of certificates, at once."""

    def is_issued(self, serial: int) -> bool: ...

    def get(self, serial: int) -> Entry | None: ...

    def all(self) -> Sequence[Entry]: ...


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Validation:
    """Signs for the issuing authority, whichever generation. Methods raise HsmUnavailable."""

    def __init__(
        self, authority: Authority, known: Known, clock: Callable[[], datetime] = _utc_now
    ) -> None:
        self._authority = authority
        self._known = known
        self._clock = clock

    def certificate(self, generation: int) -> bytes:
        """The DER certificate of a generation of the issuing key; empty where there is none."""
        issuer = self._authority.issuers.get(generation)
        return issuer.certificate.public_bytes(Encoding.DER) if issuer else b""

    def root(self, generation: int, *, link: bool = False) -> bytes:
        """The DER certificate of a root, or of the link to it; empty where there is none."""
        roots = self._authority.roots
        issuer = roots.issuers.get(generation)
        found = roots.link(generation) if link else issuer.certificate if issuer else None
        return found.public_bytes(Encoding.DER) if found else b""

    def crl(self, generation: int = 1, *, of_root: bool = False) -> bytes:
        """The list of what is revoked and not yet expired, in DER, signed by a generation of the
        issuing key or of the root: that one lists authorities, the others individuals.

        Empty where there is no such generation.

        Its number is the milliseconds of its making: growing, also over a restart.
        """
        of = self._authority.roots if of_root else self._authority
        issuer = of.issuers.get(generation)
        if issuer is None:
            return b""
        issuing, now = issuer.certificate, self._clock()
        now_us = int(now.timestamp() * 1_000_000)
        identifier = issuing.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(issuing.subject)
            .last_update((now - _BACKDATED).replace(microsecond=0))
            .next_update((now + timedelta(hours=CRL_HOURS)).replace(microsecond=0))
            .add_extension(x509.CRLNumber(now_us // 1000), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier.value),
                critical=False,
            )
        )
        for entry in self._known.all():
            if entry.not_after_us >= now_us and entry.is_authority == of_root:
                builder = builder.add_revoked_certificate(_listed(entry))
        return builder.sign(issuer.key, SHA256()).public_bytes(Encoding.DER)

    def answer(self, request_der: bytes) -> bytes:
        """The DER of an OCSP response to a DER request; unusable ones get `malformedRequest`."""
        if len(request_der) > LONGEST_REQUEST:
            return _unsuccessful(ocsp.OCSPResponseStatus.MALFORMED_REQUEST)
        try:
            request = ocsp.load_der_ocsp_request(request_der)
            serial, algorithm = request.serial_number, request.hash_algorithm
            hashes = request.issuer_name_hash, request.issuer_key_hash
            nonce = _nonce_of(request)
            # A serial that no certificate can have; there is no answer that could name it.
            if serial <= 0 or serial.bit_length() > _SERIAL_BITS:
                raise ValueError("no serial number")
        except Exception:  # whatever a hostile request makes the parser say
            return _unsuccessful(ocsp.OCSPResponseStatus.MALFORMED_REQUEST)
        issuer = self._named(algorithm.name, hashes) if algorithm.name in _HASHES else None
        if issuer is None:
            return _unsuccessful(ocsp.OCSPResponseStatus.UNAUTHORIZED)
        now = self._clock().replace(microsecond=0)
        status, revoked_at, reason = self._status(serial, issuer)
        builder = ocsp.OCSPResponseBuilder().add_response_by_hash(
            issuer_name_hash=hashes[0],
            issuer_key_hash=hashes[1],
            serial_number=serial,
            algorithm=algorithm,
            cert_status=status,
            this_update=now,
            next_update=now + timedelta(minutes=ANSWER_MINUTES),
            revocation_time=revoked_at,
            revocation_reason=reason,
        )
        builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, issuer.certificate)
        if nonce is not None:
            builder = builder.add_extension(nonce, critical=False)
        return builder.sign(issuer.key, SHA256()).public_bytes(Encoding.DER)

    def _named(self, algorithm: str, hashes: tuple[bytes, bytes]) -> Issuer | None:
        """Which generation a request asks about."""
        for issuer in list(self._authority.issuers.values()):
            if hashes == _hashes(algorithm, issuer.certificate):
                return issuer
        return None

    def _status(
        self, serial: int, issuer: Issuer
    ) -> tuple[ocsp.OCSPCertStatus, datetime | None, x509.ReasonFlags | None]:
        entry = self._known.get(serial)
        if entry is not None:
            return ocsp.OCSPCertStatus.REVOKED, _at(entry.revoked_us), _flag(entry.reason)
        roots = self._authority.roots
        root = roots.issuers.get(roots.above(issuer.certificate))
        above = self._known.get(issuer.certificate.serial_number)
        if above is None and root is not None:
            above = self._known.get(root.certificate.serial_number)  # it was retired
        if above is not None:
            reason = "cACompromise" if above.reason == "keyCompromise" else above.reason
            return ocsp.OCSPCertStatus.REVOKED, _at(above.revoked_us), _flag(reason)
        if self._known.is_issued(serial):
            return ocsp.OCSPCertStatus.GOOD, None, None
        return ocsp.OCSPCertStatus.UNKNOWN, None, None


def _hashes(algorithm: str, issuing: x509.Certificate) -> tuple[bytes, bytes]:
    """Of an issuing authority's name and key, as a request must name it."""
    # The bits of the key, without the algorithm around them (RFC 6960 section 4.1.1).
    key = issuing.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return _digest(algorithm, issuing.subject.public_bytes()), _digest(algorithm, key)


def _digest(algorithm: str, data: bytes) -> bytes:
    return hashlib.new(algorithm, data, usedforsecurity=False).digest()


def _listed(entry: Entry) -> x509.RevokedCertificate:
    builder = (
        x509.RevokedCertificateBuilder()
        .serial_number(entry.serial)
        .revocation_date(_at(entry.revoked_us))
    )
    flag = _flag(entry.reason)
    if flag is not None:
        builder = builder.add_extension(x509.CRLReason(flag), critical=False)
    return builder.build()


def _flag(reason: str) -> x509.ReasonFlags | None:
    """RFC 5280: `unspecified` should be left out."""
    flag = x509.ReasonFlags(reason)  # the standard's own names
    return None if flag is x509.ReasonFlags.unspecified else flag


def _at(us: int) -> datetime:
    return datetime.fromtimestamp(us // 1_000_000, UTC)


def _nonce_of(request: ocsp.OCSPRequest) -> x509.OCSPNonce | None:
    for extension in request.extensions:
        if isinstance(extension.value, x509.OCSPNonce):
            least, most = _NONCE_BYTES
            if not least <= len(extension.value.nonce) <= most:
                raise ValueError("a nonce has 1 to 128 bytes")
            return extension.value
    return None


def _unsuccessful(status: ocsp.OCSPResponseStatus) -> bytes:
    return ocsp.OCSPResponseBuilder.build_unsuccessful(status).public_bytes(Encoding.DER)
