"""PKCS#12 (RFC 7292): a TLS key, its certificate and the authorities in one file under a password.

Encrypted with PBES2, PBKDF2 with HMAC-SHA-256 and AES-256-CBC, and sealed with HMAC-SHA-256, as
OpenSSL 3 does by default, both with the same rounds; no older scheme is written.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import PrivateFormat, pkcs12

from devices.pkcs12_mac import with_rounds

MOST_BYTES: Final = 64 * 1024
ROUNDS_FOR_PEOPLE: Final = 600_000
"""For a password that a person chose: half a second here, for encryption and seal together."""
ROUNDS_FOR_RANDOM: Final = 2_048
"""For 32 random bytes, which nobody guesses."""


class Pkcs12Error(Exception):
    """No file of ours, or not its password; the message holds nothing of either."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """What a file holds."""

    key: ec.EllipticCurvePrivateKey = field(repr=False)
    certificate: x509.Certificate
    authorities: list[x509.Certificate]


def pack(bundle: Bundle, password: bytes, name: str, rounds: int = ROUNDS_FOR_PEOPLE) -> bytes:
    """The file's bytes. `name` is what programs show for the key."""
    encryption = (
        PrivateFormat.PKCS12.encryption_builder()
        .kdf_rounds(rounds)
        .key_cert_algorithm(pkcs12.PBES.PBESv2SHA256AndAES256CBC)
        .hmac_hash(SHA256())
        .build(password)
    )
    data = pkcs12.serialize_key_and_certificates(
        name.encode(), bundle.key, bundle.certificate, bundle.authorities, encryption
    )
    return with_rounds(data, password, rounds)


def unpack(data: bytes, password: bytes) -> Bundle:
    """What the file holds: a P-256 key that is the certificate's. Raises Pkcs12Error."""
    if len(data) > MOST_BYTES:
        raise Pkcs12Error(f"a PKCS#12 file of ours has at most {MOST_BYTES:,} bytes")
    try:
        key, certificate, more = pkcs12.load_key_and_certificates(data, password)
    except Exception:  # cryptography raises several kinds, and none may tell of the content
        raise Pkcs12Error("wrong password, or no PKCS#12 file") from None
    if key is None or certificate is None:
        raise Pkcs12Error("the file lacks its key or its certificate")
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise Pkcs12Error("the key is not a P-256 key")
    if key.public_key() != certificate.public_key():
        raise Pkcs12Error("the key is not that of the certificate")
    return Bundle(key, certificate, _authorities(more))


def _authorities(certificates: Sequence[x509.Certificate]) -> list[x509.Certificate]:
    for each in certificates:
        try:
            basic = each.extensions.get_extension_for_class(x509.BasicConstraints).value
        except x509.ExtensionNotFound:
            raise Pkcs12Error("the file's chain holds a certificate of no authority") from None
        if not basic.ca:
            raise Pkcs12Error("the file's chain holds a certificate of no authority")
    return list(certificates)
