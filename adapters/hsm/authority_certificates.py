"""Certificates of authorities, made with keys of the token and kept beside them in it."""

from datetime import datetime, timedelta
from typing import Final, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from pkcs11 import Attribute
from pkcs11.util.x509 import decode_x509_certificate

from adapters.hsm import certificate_profiles as profiles
from adapters.hsm.certificate_profiles import Profile
from adapters.hsm.generations import FIRST
from adapters.hsm.session import KeySession
from adapters.hsm.token import HsmUnavailable, Token
from adapters.hsm.token_key import TokenPrivateKey
from adapters.hsm.writing import Runs

BACKDATED: Final = timedelta(minutes=10)
"""For devices whose clock is slow: a certificate is valid from a little before it was made."""


class Issuer(NamedTuple):
    """A key that signs certificates and lists, with its own certificate."""

    certificate: x509.Certificate
    key: TokenPrivateKey


def establish_certificate(
    token: Runs,
    label: str,
    subject: tuple[TokenPrivateKey, x509.Name],
    issuer: tuple[TokenPrivateKey, x509.Name],
    profile: Profile,
    now: datetime,
    latest: datetime | None = None,
    validation_url: str = "",
    root: int = FIRST,
) -> None:
    """The certificate of an authority's key, in the token under `label`, unless it is there.

    `subject` and `issuer`: key and name. It ends at `latest` at the latest. With `validation_url`
    it tells where the list of the root of that generation is. Raises HsmUnavailable.
    """
    if token.run(lambda keys: keys.certificate(label)) is not None:
        return
    key_id = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer[0].public_key())
    builder = x509.CertificateBuilder().subject_name(subject[1]).issuer_name(issuer[1])
    end = now + timedelta(days=profile.days)
    builder = dated(builder, now, min(end, latest) if latest else end)
    builder = builder.add_extension(key_id, critical=False)
    builder = profiles.authority_validated_at(builder, validation_url, root_name(root))
    made = signed(builder, subject[0].public_key(), profile, issuer[0])
    token.run(lambda keys: store(keys, label, made))


def root_name(generation: int) -> str:
    """How a root is named where its list and certificate are asked for."""
    return "root" if generation == FIRST else f"root-{generation}"


def dated(
    builder: x509.CertificateBuilder, now: datetime, end: datetime
) -> x509.CertificateBuilder:
    """Valid from a little before `now`."""
    begin = (now - BACKDATED).replace(microsecond=0)
    return builder.not_valid_before(begin).not_valid_after(end.replace(microsecond=0))


def signed(
    builder: x509.CertificateBuilder,
    key: ec.EllipticCurvePublicKey,
    profile: Profile,
    issuer_key: TokenPrivateKey,
) -> x509.Certificate:
    """The certificate of `key`."""
    return (
        profiles.add_usages(builder, profile)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .sign(issuer_key, SHA256())
    )


def stored(token: Token, label: str) -> x509.Certificate:
    """The certificate that the token holds under a label. Raises HsmUnavailable without one."""
    der = token.run(lambda keys: keys.certificate(label))
    if der is None:
        raise HsmUnavailable(f"the token holds no certificate {label}")
    return x509.load_der_x509_certificate(der)


def store(keys: KeySession, label: str, certificate: x509.Certificate) -> None:
    """Puts a certificate into a writable token."""
    attributes = decode_x509_certificate(certificate.public_bytes(Encoding.DER))
    attributes |= {
        Attribute.LABEL: label,
        Attribute.TOKEN: True,
        Attribute.PRIVATE: True,
        Attribute.MODIFIABLE: False,
    }
    keys.pkcs11.create_object(attributes)
