"""A certificate of the private PKI: who it names and whether it still holds."""

from uuid import UUID

import msgspec
from msgspec.structs import replace

from domain.event import Context, Event, no_such_event, stamp, stored_as


@stored_as("certificate.issued/1")
class CertificateIssued(Event, frozen=True, kw_only=True, gc=False):
    """`serial` in lowercase hex; `fingerprint` is SHA-256 of the DER certificate."""

    subject_id: UUID
    role: str
    serial: str
    fingerprint: bytes
    not_before_us: int
    not_after_us: int


@stored_as("certificate.revoked/1")
class CertificateRevoked(Event, frozen=True, kw_only=True, gc=False):
    """`reason` is one of RFC 5280's (keyCompromise, cessationOfOperation …)."""

    reason: str


class Certificate(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The certificate as its events made it."""

    id: UUID
    version: int
    subject_id: UUID
    role: str
    serial: str
    not_after_us: int
    revoked: bool = False


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
            )
        case CertificateRevoked() if certificate is not None:
            return replace(certificate, version=event.originator_version, revoked=True)
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
    )


def revoke(context: Context, certificate: Certificate, *, reason: str) -> CertificateRevoked | None:
    """Ends the certificate; None where it is revoked already."""
    if certificate.revoked:
        return None
    return CertificateRevoked(
        **stamp(context, certificate.id, certificate.version + 1), reason=reason
    )
