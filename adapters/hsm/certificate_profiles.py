"""What our certificates look like, as data, and their extensions (RFC 5280, TR-TPR section 4).

Two trees that share nothing: the private PKI (root, issuing, individuals) and the TLS authority
(classes). The names that a request asks for are never taken over: only its key is.
"""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

from adapters.tls import COMMON_NAME, server_name
from protocol.certificates import role_extension

_CLIENT: Final = ExtendedKeyUsageOID.CLIENT_AUTH
_SERVER: Final = ExtendedKeyUsageOID.SERVER_AUTH


@dataclass(frozen=True, slots=True)
class Profile:
    """One kind of certificate. `path_length` None: no authority. `days` at most: of validity."""

    days: int
    path_length: int | None = None
    usages: tuple[x509.ObjectIdentifier, ...] = ()
    agrees: bool = False
    """A key for key agreement, which signs nothing."""

    @property
    def is_authority(self) -> bool:
        """Whether it signs other certificates."""
        return self.path_length is not None


ROOT: Final = Profile(days=20 * 365, path_length=1)
ISSUING: Final = Profile(days=10 * 365, path_length=0)
TLS_AUTHORITY: Final = Profile(days=10 * 365, path_length=0)
LEAF: Final = Profile(days=3 * 365, usages=(_CLIENT,))
PIN_KEY: Final = Profile(days=10 * 365, agrees=True)
"""Of the HSM's key for PIN blocks: as long as its authority's, for devices check it offline."""
TLS_CLASS: Final = Profile(days=397, usages=(_CLIENT, _SERVER))
"""A year and a month, and with the backdating still within 398 days (CA/Browser Forum BR 6.3.2)."""


def authority_name(organization: str, what: str) -> x509.Name:
    """The name of an authority: organization, and common name `<organization> <what>`."""
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization),
            x509.NameAttribute(NameOID.COMMON_NAME, f"{organization} {what}"),
        ]
    )


def individual(
    builder: x509.CertificateBuilder, subject_id: UUID, role: str
) -> x509.CertificateBuilder:
    """Names one individual by its id, twice, and its role. Raises ValueError: no such role."""
    uri = x509.UniformResourceIdentifier(f"urn:uuid:{subject_id}")
    name = x509.NameAttribute(NameOID.COMMON_NAME, str(subject_id))
    return (
        builder.subject_name(x509.Name([name]))
        .add_extension(x509.SubjectAlternativeName([uri]), critical=False)
        .add_extension(role_extension(role), critical=False)
    )


def validated_at(
    builder: x509.CertificateBuilder, url: str, issuer: str = "issuing"
) -> x509.CertificateBuilder:
    """Where a checker finds CRL, OCSP and issuer (RFC 5280 sections 4.2.1.13 and 4.2.2.1)."""
    ocsp = (AuthorityInformationAccessOID.OCSP, "/ocsp")
    issuing = (AuthorityInformationAccessOID.CA_ISSUERS, f"/ca/{issuer}.cer")
    return _checked_at(builder, url, f"/crl/{issuer}.crl", (ocsp, issuing))


def authority_validated_at(
    builder: x509.CertificateBuilder, url: str, root: str
) -> x509.CertificateBuilder:
    """Where a checker of an authority under a root, by its name there, finds its CRL, and it."""
    access = (AuthorityInformationAccessOID.CA_ISSUERS, f"/ca/{root}.cer")
    return _checked_at(builder, url, f"/crl/{root}.crl", (access,))


def _checked_at(
    builder: x509.CertificateBuilder,
    url: str,
    crl: str,
    access: Sequence[tuple[x509.ObjectIdentifier, str]],
) -> x509.CertificateBuilder:
    if not url:
        return builder
    place = x509.UniformResourceIdentifier(url + crl)
    point = x509.DistributionPoint([place], relative_name=None, reasons=None, crl_issuer=None)
    told = [
        x509.AccessDescription(method, x509.UniformResourceIdentifier(url + path))
        for method, path in access
    ]
    return builder.add_extension(x509.CRLDistributionPoints([point]), critical=False).add_extension(
        x509.AuthorityInformationAccess(told), critical=False
    )


def tls_class(
    builder: x509.CertificateBuilder, name: str, more_names: Sequence[str]
) -> x509.CertificateBuilder:
    """Names a TLS class, and host names or addresses for a server. ValueError: no such class."""
    names: list[x509.GeneralName] = [x509.DNSName(server_name(name))]
    for more in more_names:
        try:
            names.append(x509.IPAddress(ipaddress.ip_address(more)))
        except ValueError:
            names.append(x509.DNSName(more))
    common = x509.NameAttribute(NameOID.COMMON_NAME, COMMON_NAME + name)
    return builder.subject_name(x509.Name([common])).add_extension(
        x509.SubjectAlternativeName(names), critical=False
    )


def add_usages(builder: x509.CertificateBuilder, profile: Profile) -> x509.CertificateBuilder:
    """Basic constraints, key usage and extended key usage of a profile."""
    basic = x509.BasicConstraints(ca=profile.is_authority, path_length=profile.path_length)
    builder = builder.add_extension(basic, critical=True)
    builder = builder.add_extension(_key_usage(profile), critical=True)
    if profile.usages:
        builder = builder.add_extension(x509.ExtendedKeyUsage(profile.usages), critical=False)
    return builder


def _key_usage(profile: Profile) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not (profile.is_authority or profile.agrees),
        key_cert_sign=profile.is_authority,
        crl_sign=profile.is_authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=profile.agrees,
        encipher_only=False,
        decipher_only=False,
    )
