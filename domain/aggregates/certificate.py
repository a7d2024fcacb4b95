"""A certificate of the private PKI: who it names and whether it still holds.

The certificate itself is not in the ledger; its serial and fingerprint are, so that the log of
events is also the record of every issuance.
"""

from uuid import UUID

import msgspec
from msgspec.structs import replace

from domain.event import Context, Event, Facts, no_such_event, stamp, stored_as, upcast

PERSONALISED, INSTALLED, ENROLLED, RENEWED = "personalised", "installed", "enrolled", "renewed"
"""How a certificate came to be: with the device or card; by `init`; by a one-time code; as the
successor of another."""
AUTHORITY_ROOT, AUTHORITY_LINK = "authority:root", "authority:link"
AUTHORITY_ISSUING = "authority:issuing"
"""Beside the roles of TR-TPR: certificates that sign others. A link is what one root says of the
key of the next."""
TLS = "tls:"
"""What the role of a TLS class or of the TLS authority begins with."""
_CARRY_OTHERS = frozenset({AUTHORITY_ROOT, AUTHORITY_LINK, AUTHORITY_ISSUING, "backend", "pin"})


def carries_others(role: str) -> bool:
    """Whether the end of one such certificate stops more than its holder: two decide over it."""
    return role in _CARRY_OTHERS


@stored_as("certificate.issued/2")
class CertificateIssued(Event, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """`serial` in lowercase hex; `fingerprint` is SHA-256 of the DER certificate.

    `key_hash` is SHA-256 of its public key (SPKI), empty where that was not recorded. `replaces`
    is the serial of the certificate that it succeeds, empty for none. `issuer` is the identifier of
    the key that signed it (RFC 5280 section 4.2.1.1), empty in events from before a root could be
    followed by another.
    """

    subject_id: UUID
    role: str
    serial: str
    fingerprint: bytes
    not_before_us: int
    not_after_us: int
    how: str
    key_hash: bytes
    replaces: str
    issuer: bytes = b""


def _issued_1(facts: Facts) -> Facts:
    return {**facts, "how": PERSONALISED, "key_hash": b"", "replaces": ""}


upcast("certificate.issued/1", "certificate.issued/2", _issued_1)


@stored_as("certificate.revoked/2")
class CertificateRevoked(Event, frozen=True, kw_only=True, gc=False):
    """`reason` is one of RFC 5280's (keyCompromise, cessationOfOperation …); `why` in words."""

    reason: str
    why: str


upcast("certificate.revoked/1", "certificate.revoked/2", lambda facts: {**facts, "why": ""})


class Certificate(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The certificate as its events made it."""

    id: UUID
    version: int
    subject_id: UUID
    role: str
    serial: str
    not_after_us: int
    revoked: bool = False
    not_before_us: int = 0
    fingerprint: bytes = b""
    key_hash: bytes = b""
    how: str = ""
    replaces: str = ""
    reason: str = ""
    revoked_us: int = 0


def evolve(certificate: Certificate | None, event: Event) -> Certificate:
    """The certificate after `event`."""
    match event:
        case CertificateIssued():
            return Certificate(
                id=event.originator_id,
                version=event.originator_version,
                subject_id=event.subject_id,
                role=event.role,
                serial=event.serial,
                not_after_us=event.not_after_us,
                not_before_us=event.not_before_us,
                fingerprint=event.fingerprint,
                key_hash=event.key_hash,
                how=event.how,
                replaces=event.replaces,
            )
        case CertificateRevoked() if certificate is not None:
            return replace(
                certificate,
                version=event.originator_version,
                revoked=True,
                reason=event.reason,
                revoked_us=event.recorded_at_us,
            )
        case _:
            raise no_such_event("certificate", event)


def issue(
    context: Context,
    id: UUID,
    *,
    subject_id: UUID,
    role: str,
    serial: str,
    fingerprint: bytes,
    not_before_us: int,
    not_after_us: int,
    how: str = PERSONALISED,
    key_hash: bytes = b"",
    replaces: str = "",
    issuer: bytes = b"",
) -> CertificateIssued:
    """Records an issued certificate."""
    return CertificateIssued(
        **stamp(context, id, 1),
        subject_id=subject_id,
        role=role,
        serial=serial,
        fingerprint=fingerprint,
        not_before_us=not_before_us,
        not_after_us=not_after_us,
        how=how,
        key_hash=key_hash,
        replaces=replaces,
        issuer=issuer,
    )


def revoke(
    context: Context, certificate: Certificate, *, reason: str, why: str
) -> CertificateRevoked | None:
    """Ends the certificate; None where it is revoked already."""
    if certificate.revoked:
        return None
    return CertificateRevoked(
        **stamp(context, certificate.id, certificate.version + 1), reason=reason, why=why
    )
