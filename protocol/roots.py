"""Roots of the private PKI: the link from one to the next, and how a holder of the old one takes up
the new one (RFC 4210 section 4.4, TR-TPR section 4.1).

The link ("new with old") certifies the new root's key under the old root's. Both roots have one
name, so it is self-issued and no path length counts it (RFC 5280 section 6.1.4).
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec

from protocol.encoding import unb64

MOST: Final = 4
"""Roots, and links, that READY may tell of; an installation has two of them at most."""
_KNOWN_CRITICAL: Final = frozenset({x509.BasicConstraints.oid, x509.KeyUsage.oid})
_UNREADABLE: Final = (
    x509.ExtensionNotFound,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
    UnsupportedAlgorithm,
    ValueError,
    TypeError,
)
Certificates = Sequence[x509.Certificate]


class Told(NamedTuple):
    """What READY tells: the roots in force, oldest first, and the links between them."""

    in_force: list[x509.Certificate]
    links: list[x509.Certificate]


def read_told(value: Any) -> Told | None:
    """The member `roots` of READY; None where it is not there, or not as it should be."""
    if not isinstance(value, dict):
        return None
    try:
        lists = [[unb64(each) for each in value[name]] for name in ("in_force", "links")]
        if any(len(each) > MOST for each in lists):
            return None
        return Told(*([x509.load_der_x509_certificate(der) for der in each] for each in lists))
    except (KeyError, TypeError, ValueError, x509.InvalidVersion):
        return None


def is_self_issued(certificate: x509.Certificate) -> bool:
    """Whether it names one authority twice: a root, or a link. In a chain it is no issuer."""
    return certificate.subject == certificate.issuer


def links_in(
    chain: Iterable[x509.Certificate], roots: Certificates, now: datetime
) -> list[x509.Certificate]:
    """The links of a chain to roots that are not among `roots`, each vouched for by one of them."""
    return [
        each
        for each in chain
        if is_self_issued(each)
        and not any(_same_key(each, root) for root in roots)
        and voucher(each, roots, now) is not None
    ]


def voucher(link: x509.Certificate, roots: Certificates, now: datetime) -> x509.Certificate | None:
    """Which of `roots` certified the key of `link`, as that of a root; None: none, or not now."""
    if not (is_valid_at(link, now) and _may_be_root(link) and is_self_issued(link)):
        return None
    for root in roots:
        if is_valid_at(root, now) and _may_be_root(root) and is_issued_by(link, root):
            return root
    return None


def taken_up(
    held: Certificates, told: Told, anchor: x509.Certificate | None, now: datetime
) -> list[x509.Certificate]:
    """The roots to hold from now on, oldest first, by whoever holds `held`.

    A new one is added if one that is held vouches for its key. One that is no longer in force is
    dropped if the other end of this session proved itself under a younger one, `anchor`, that is in
    force: an old key's holder cannot take away what came after it.
    """
    added = [
        each
        for each in told.in_force
        if each not in held and _is_root(each, now) and _is_linked(each, told.links, held, now)
    ]
    kept = list(held)
    if anchor is not None and anchor in held and anchor in told.in_force:
        begin = anchor.not_valid_before_utc
        kept = [
            each for each in held if each in told.in_force or each.not_valid_before_utc >= begin
        ]
    return sorted([*kept, *added], key=lambda each: each.not_valid_before_utc)


def is_valid_at(certificate: x509.Certificate, now: datetime) -> bool:
    """Whether it has begun and not ended."""
    return certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc


def is_issued_by(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    """Whether name and signature say so."""
    try:
        certificate.verify_directly_issued_by(authority)
    except (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError):
        return False
    return True


def _is_root(certificate: x509.Certificate, now: datetime) -> bool:
    return (
        is_valid_at(certificate, now)
        and _may_be_root(certificate)
        and is_issued_by(certificate, certificate)
    )


def _is_linked(
    root: x509.Certificate, links: Certificates, held: Certificates, now: datetime
) -> bool:
    return any(
        _same_key(link, root) and link.subject == root.subject and voucher(link, held, now)
        for link in links
    )


def _same_key(one: x509.Certificate, other: x509.Certificate) -> bool:
    try:
        return one.public_key() == other.public_key()
    except _UNREADABLE:
        return False


def _may_be_root(certificate: x509.Certificate) -> bool:
    """An authority with a P-256 key that lets an issuing one be below it, and says nothing critical
    that we do not know."""
    try:
        key = certificate.public_key()
        extensions = certificate.extensions
        basic = extensions.get_extension_for_class(x509.BasicConstraints)
        usage = extensions.get_extension_for_class(x509.KeyUsage).value
    except _UNREADABLE:
        return False
    return (
        isinstance(key, ec.EllipticCurvePublicKey)
        and key.curve.name == "secp256r1"
        and all(each.oid in _KNOWN_CRITICAL for each in extensions if each.critical)
        and basic.critical
        and basic.value.ca
        and (basic.value.path_length is None or basic.value.path_length >= 1)
        and usage.key_cert_sign
    )
