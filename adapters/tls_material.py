"""The state folder's TLS material, read: one file with certificate and key, or a file for each."""

from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from adapters.tls import TlsFiles as TlsPaths
from devices.personalisation import TlsFiles
from devices.pkcs12 import Bundle


def tls_bundle(home: Path, tls_class: str) -> Bundle:
    """Key, certificate and trusted authorities of a TLS class. Raises OSError, ValueError."""
    files = TlsPaths.of_server(home, tls_class)
    key_file = files.certificate if files.has_key_inside else files.key
    key = load_pem_private_key(key_file.read_bytes(), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError(f"{key_file} holds no P-256 key")
    certificate = x509.load_pem_x509_certificates(files.certificate.read_bytes())[0]
    trusted = x509.load_pem_x509_certificates(files.authority.read_bytes())
    return Bundle(key, certificate, trusted)


def class_tls_files(home: Path, tls_class: str) -> TlsFiles:
    """What an identity folder holds of a TLS class (`pos`, `card`, `website`)."""
    bundle = tls_bundle(home, tls_class)
    return TlsFiles(
        authority_pem=b"".join(each.public_bytes(Encoding.PEM) for each in bundle.authorities),
        certificate_pem=bundle.certificate.public_bytes(Encoding.PEM),
        key_pem=bundle.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    )
