"""New cards, certificates, PINs and activation codes, made with the HSM's keys.

Runs in the HSM's lane. A card number exists in full only here, on its way to the encoder.
"""

import base64
from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha256
from uuid import UUID

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from adapters.backend.operator_ports import Certified, Denied, DrawnCard
from adapters.hsm.authority import Authority
from adapters.hsm.card_verification import (
    SERVICE_CODE,
    CardVerification,
    draw_pan,
    stripe_name,
)
from adapters.hsm.certificate_store import CertificateStore
from adapters.hsm.certification_request import (
    AuthorityRevoked,
    RequestRefused,
    validated_key,
)
from adapters.hsm.keys import Hsm
from adapters.hsm.pin_verification import PinBlockInvalid, PinVerification
from application.authorize import CARD_NUMBER
from application.issue import EMPLOYEE, employee
from application.payment_reference import REFERENCE_CLAIM, same_reference
from application.refill import FILE_CLAIM
from application.register import IssuedCertificate
from domain import pan as pans
from domain.aggregates.certificate import PERSONALISED
from protocol.errors import BAD_PIN_BLOCK, NOT_FOUND, TEXTS

CARD_PREFIX = "984000"
"""Issuer identification number: 9 and the country 840 leave the rest to national use (ISO/IEC
7812-1), so that no number of ours is one of a bank."""
VALID_YEARS = 3
FIRST_ISSUE = 1
_CODE_GROUPS, _CODE_GROUP = 4, 5
_ACTIVATION = "activation-code"
_ENROLMENT = "enrolment-code"
VALID_DAYS = 730
"""Of a certificate that is made with its device, where the policy is not asked."""
GONE = "This certificate is not kept here any more. Ask for one with a new key."


class HsmPersonalisation:
    """`operator_ports.Personalisation` over the token."""

    def __init__(
        self,
        hsm: Hsm,
        authority: Authority,
        card_prefix: str = CARD_PREFIX,
        store: CertificateStore | None = None,
    ) -> None:
        """`store` keeps what was issued, where there is one."""
        self._store = store
        self._hsm = hsm
        self._authority = authority
        self._cards = CardVerification(hsm.token)
        self._pins = PinVerification(hsm.token)
        self._card_prefix = card_prefix

    def draw_card(self, first_name: str, last_name: str, now_us: int) -> DrawnCard:
        """See the port."""
        pan = draw_pan(self._card_prefix)
        expiry = expiry_of(now_us)
        name = stripe_name(first_name, last_name)
        track1, track2 = self._cards.make_tracks(pan, name, expiry, SERVICE_CODE, FIRST_ISSUE)
        digest, *older = digests = self._hsm.indexes(CARD_NUMBER, pan)
        masked = pans.mask(pan)
        return DrawnCard(pan, digest, masked, expiry, track1, track2, len(digests), tuple(older))

    def employee_digests(self, company_id: UUID, email: str) -> tuple[bytes, ...]:
        """See the port."""
        return self._hsm.indexes(EMPLOYEE, employee(company_id, email))

    def file_digests(self, company_id: UUID, content: str) -> tuple[bytes, ...]:
        """See the port."""
        return self._hsm.indexes(FILE_CLAIM, f"{company_id} {content}")

    def payment_digests(self, company_id: UUID, reference: str) -> tuple[bytes, ...]:
        """See the port."""
        return self._hsm.indexes(REFERENCE_CLAIM, f"{company_id} {same_reference(reference)}")

    def certify(
        self,
        request_der: bytes,
        subject_id: UUID,
        role: str,
        valid_days: int = VALID_DAYS,
        how: str = PERSONALISED,
        replaces: str = "",
    ) -> Certified:
        """See the port; `how` and `replaces` as in the event."""
        try:
            leaf = self._authority.issue_leaf(request_der, subject_id, role, valid_days)
        except AuthorityRevoked as error:
            raise Denied("authority-revoked", f"No certificate is issued: {error}.") from None
        except RequestRefused as error:
            raise Denied("bad-request", f"The certificate request is refused: {error}.") from None
        if self._store is not None:
            self._store.put(leaf)
        return Certified(self._authority.chain_der(leaf), recorded(leaf, role, how, replaces))

    def is_of_older_authority(self, certificate: x509.Certificate) -> bool:
        """Whether another generation than the newest signed it: it may be renewed at any time."""
        return certificate.issuer != self._authority.issuing.subject

    def chain_of(self, serial: str) -> list[bytes]:
        """The chain of a certificate that was issued before. Raises Denied."""
        der = self._store.get(serial) if self._store is not None else None
        if der is None:
            raise Denied(NOT_FOUND, TEXTS[NOT_FOUND])
        return self._authority.chain_der(x509.load_der_x509_certificate(der))

    def enrolment_code(self, command_id: UUID) -> str:
        """See the port: made as an activation code is."""
        return self._code(_ENROLMENT, command_id)

    def code_digests(self, code: str) -> tuple[bytes, ...]:
        """See the port."""
        typed = "".join(filter(str.isalnum, code.upper()))
        return self._hsm.indexes(_ENROLMENT + "-digest", typed)

    def certify_tls(self, request_der: bytes, holder: str, names: Sequence[str]) -> Certified:
        """See the port."""
        try:
            leaf = self._authority.issue_tls(request_der, holder, names)
        except RequestRefused as error:
            raise Denied("bad-request", f"The certificate request is refused: {error}.") from None
        if self._store is not None:
            self._store.put(leaf)
        chain = [each.public_bytes(Encoding.DER) for each in (leaf, self._authority.tls)]
        return Certified(chain, recorded(leaf, f"tls:{holder}"))

    def requested_key(self, request_der: bytes) -> bytes:
        """See the port."""
        try:
            return _key_hash(validated_key(request_der))
        except RequestRefused as error:
            raise Denied("bad-request", f"The certificate request is refused: {error}.") from None

    def tls_chain(self, serial: str) -> list[bytes]:
        """See the port."""
        der = self._store.get(serial) if self._store is not None else None
        leaf = x509.load_der_x509_certificate(der) if der is not None else None
        authority = self._authority.tls_issuer_of(leaf) if leaf is not None else None
        if leaf is None or authority is None:
            raise Denied("certificate-gone", GONE)
        return [each.public_bytes(Encoding.DER) for each in (leaf, authority)]

    def tls_authority(self) -> Certified:
        """See the port."""
        newest = self._authority.tls
        return Certified([newest.public_bytes(Encoding.DER)], recorded(newest, "tls:authority"))

    def next_tls_authority(self, replaces: str) -> Certified:
        """See the port."""
        newest = self._authority.tls
        if newest.fingerprint(SHA256()).hex() == replaces:
            newest = self._authority.begin_tls_generation()
        return Certified([newest.public_bytes(Encoding.DER)], recorded(newest, "tls:authority"))

    def pin_reference(
        self, ephemeral: bytes, block: bytes, t4: bytes, ms: int, pin_key: int = 0
    ) -> bytes:
        """See the port: an operator's block has counter 0."""
        try:
            return self._pins.set_pin(ephemeral, block, t4, 0, ms, pin_key)
        except PinBlockInvalid:
            raise Denied(BAD_PIN_BLOCK, TEXTS[BAD_PIN_BLOCK]) from None

    def activation_code(self, command_id: UUID) -> str:
        """See the port: 100 bits that only the HSM's key leads to, in groups to be typed."""
        return self._code(_ACTIVATION, command_id)

    def _code(self, purpose: str, command_id: UUID) -> str:
        letters = base64.b32encode(self._hsm.index(purpose, str(command_id))).decode()
        starts = range(0, _CODE_GROUPS * _CODE_GROUP, _CODE_GROUP)
        return "-".join(letters[start : start + _CODE_GROUP] for start in starts)


def expiry_of(now_us: int) -> str:
    """YYMM, the last month in which a card issued now pays: the same month, three years on."""
    now = datetime.fromtimestamp(now_us / 1_000_000, UTC)
    return f"{(now.year + VALID_YEARS) % 100:02}{now.month:02}"


def recorded(
    leaf: x509.Certificate, role: str, how: str = PERSONALISED, replaces: str = ""
) -> IssuedCertificate:
    """What the ledger keeps of a certificate; the certificate itself is not stored."""
    return IssuedCertificate(
        role=role,
        how=how,
        replaces=replaces,
        key_hash=_key_hash(leaf.public_key()),
        serial=format(leaf.serial_number, "x"),
        fingerprint=sha256(leaf.public_bytes(Encoding.DER)).digest(),
        not_before_us=_microseconds(leaf.not_valid_before_utc),
        not_after_us=_microseconds(leaf.not_valid_after_utc),
        issuer=_issuer_key(leaf),
    )


def _key_hash(key: CertificatePublicKeyTypes) -> bytes:
    return sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest()


def _issuer_key(leaf: x509.Certificate) -> bytes:
    try:
        found = leaf.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier)
    except x509.ExtensionNotFound:
        return b""
    return found.value.key_identifier or b""


def _microseconds(at: datetime) -> int:
    return int(at.timestamp()) * 1_000_000
