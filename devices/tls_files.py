"""An identity folder's TLS material, and the context made of it: a new one once it was replaced.

`tls.p12` where the key store keeps its password (sealed in `tls.p12.password`); else `tls.pem` with
the private key in the same file, or in `tls.key` beside it. `tls-ca.pem` holds the authorities that
the gateway may be certified by: two of them while the TLS authority changes.
"""

import secrets
import ssl
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from devices.durable import write_durably
from devices.keystore import KeyStore, KeyStoreError
from devices.pkcs12 import ROUNDS_FOR_RANDOM, Bundle, Pkcs12Error, pack, unpack

TRUST_FILE: Final = "tls-ca.pem"
PEM_FILE: Final = "tls.pem"
KEY_FILE: Final = "tls.key"
P12_FILE: Final = "tls.p12"
PASSWORD_FILE: Final = "tls.p12.password"  # noqa: S105 - a file's name
_FILES: Final = (TRUST_FILE, PEM_FILE, KEY_FILE, P12_FILE, PASSWORD_FILE)
_PURPOSE: Final = "tls"
_KEY_INSIDE: Final = b"-----BEGIN PRIVATE KEY-----"


class TlsSource:
    """The TLS side of one identity folder."""

    def __init__(self, folder: Path, keystore: KeyStore) -> None:
        """Raises OSError, ssl.SSLError, KeyStoreError or ValueError for an unfit folder."""
        self._folder = folder
        self._keystore = keystore
        self._seen = self._signature()
        self._context = _context(folder, keystore)

    def context(self) -> ssl.SSLContext:
        """For the next connection. Files that do not fit change nothing: the last ones stay."""
        seen = self._signature()
        if seen != self._seen:
            try:
                self._context = _context(self._folder, self._keystore)
            except (OSError, ValueError, KeyStoreError):
                return self._context
            self._seen = seen
        return self._context

    def _signature(self) -> tuple[tuple[int, int] | None, ...]:
        return tuple(_stat(self._folder / name) for name in _FILES)


def read_bundle(folder: Path, keystore: KeyStore) -> Bundle:
    """Key, certificate and trusted authorities. Raises OSError, KeyStoreError or ValueError."""
    trusted = x509.load_pem_x509_certificates((folder / TRUST_FILE).read_bytes())
    if (folder / P12_FILE).exists():
        password = keystore.unseal(_PURPOSE, (folder / PASSWORD_FILE).read_bytes())
        try:
            bundle = unpack((folder / P12_FILE).read_bytes(), password)
        except Pkcs12Error as error:
            raise KeyStoreError(f"{P12_FILE}: {error}") from None
        return Bundle(bundle.key, bundle.certificate, trusted)
    pem = (folder / PEM_FILE).read_bytes()
    key_pem = pem if _KEY_INSIDE in pem else (folder / KEY_FILE).read_bytes()
    key = load_pem_private_key(key_pem, None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise KeyStoreError(f"{PEM_FILE} has no P-256 key")
    return Bundle(key, x509.load_pem_x509_certificates(pem)[0], trusted)


def replace_bundle(folder: Path, keystore: KeyStore, bundle: Bundle) -> None:
    """Puts key and certificate into the folder as one file, in the form that it has them now.

    The authorities come first: whoever reads in between trusts more, never less. Raises OSError,
    KeyStoreError.
    """
    trust(folder, bundle.authorities)
    if (folder / P12_FILE).exists():
        _write_p12(folder, keystore, bundle)
    else:
        write_durably(folder / PEM_FILE, combined_pem(bundle))
        (folder / KEY_FILE).unlink(missing_ok=True)


def install_p12(folder: Path, keystore: KeyStore, bundle: Bundle) -> None:
    """From now on the folder holds its TLS key as PKCS#12 which only its key store opens.

    It trusts the file's authorities and no others: so a retired one is forgotten here, too.
    """
    trust(folder, bundle.authorities)
    _write_p12(folder, keystore, bundle)
    trusted = b"".join(each.public_bytes(Encoding.PEM) for each in bundle.authorities)
    write_durably(folder / TRUST_FILE, trusted)
    (folder / PEM_FILE).unlink(missing_ok=True)
    (folder / KEY_FILE).unlink(missing_ok=True)


def trust(folder: Path, authorities: Sequence[x509.Certificate]) -> None:
    """Adds authorities to those that the folder trusts. Raises OSError, ValueError."""
    path = folder / TRUST_FILE
    known = x509.load_pem_x509_certificates(path.read_bytes()) if path.exists() else []
    more = [each for each in authorities if each not in known]
    if more:
        write_durably(path, b"".join(each.public_bytes(Encoding.PEM) for each in [*known, *more]))


def combined_pem(bundle: Bundle) -> bytes:
    """Certificate and private key in one text: replaced as one, never read half old, half new."""
    key = bundle.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return bundle.certificate.public_bytes(Encoding.PEM) + key


def _write_p12(folder: Path, keystore: KeyStore, bundle: Bundle) -> None:
    """Under a password of the key store's own, made once: so one file is all that is replaced."""
    path = folder / PASSWORD_FILE
    if path.exists():
        password = keystore.unseal(_PURPOSE, path.read_bytes())
    else:
        password = secrets.token_urlsafe(32).encode()
        write_durably(path, keystore.seal(_PURPOSE, password))
    data = pack(bundle, password, "TicketRestaurant US TLS", ROUNDS_FOR_RANDOM)
    write_durably(folder / P12_FILE, data)


def _context(folder: Path, keystore: KeyStore) -> ssl.SSLContext:
    """TLS 1.3 with the class certificate; only a server named as the gateway is accepted."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_verify_locations(folder / TRUST_FILE)
    if not (folder / P12_FILE).exists():
        pem = folder / PEM_FILE
        context.load_cert_chain(pem, None if _KEY_INSIDE in pem.read_bytes() else folder / KEY_FILE)
        return context
    bundle = read_bundle(folder, keystore)
    # Python's ssl reads keys from files only: what lies there for a moment is encrypted.
    password = secrets.token_bytes(32).hex().encode()
    key = bundle.key.private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(password)
    )
    with tempfile.NamedTemporaryFile() as file:
        file.write(bundle.certificate.public_bytes(Encoding.PEM) + key)
        file.flush()
        context.load_cert_chain(file.name, password=password)
    return context


def _stat(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns
