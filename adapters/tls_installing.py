"""A PKCS#12 file put into an identity folder: checked against who the folder belongs to first.

Whom a device trusts decides whom it talks to: an authority that the folder does not trust yet is
taken over only by somebody who names it.
"""

import contextlib
import json
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.hashes import SHA256

from adapters.tls import COMMON_NAME
from devices.identity_files import IDENTITY_FILE
from devices.keystore import FileKeyStore
from devices.pkcs12 import MOST_BYTES, Bundle, Pkcs12Error, unpack
from devices.tls_files import TRUST_FILE, install_p12
from protocol.certificates import ROLES_OF_TLS_CLASS, WEBSITE


def install_file(file: Path, folder: Path, password: bytes, trusted: Collection[str] = ()) -> None:
    """`trusted`: SHA-256 (hex) of authorities that the folder may trust from now on.

    Raises Pkcs12Error for the file, OSError, KeyStoreError or ValueError for the folder.
    """
    facts = json.loads((folder / IDENTITY_FILE).read_bytes())
    with file.open("rb") as opened:
        bundle = unpack(opened.read(MOST_BYTES + 1), password)
    role = str(facts["role"]) if isinstance(facts, dict) and "role" in facts else ""
    if role == WEBSITE:
        raise Pkcs12Error("the website's own process reads PEM: use `tls rotate website`")
    _check_class(bundle.certificate, role)
    _check_time(bundle.certificate)
    _check_issuer(bundle)
    _check_trust(bundle.authorities, folder, {each.replace(":", "").lower() for each in trusted})
    install_p12(folder, FileKeyStore(folder), bundle)


def _check_class(certificate: x509.Certificate, role: str) -> None:
    names = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    tls_class = str(names[0].value).removeprefix(COMMON_NAME) if len(names) == 1 else ""
    if role not in ROLES_OF_TLS_CLASS.get(tls_class, ()):
        raise Pkcs12Error(f"a {role} does not use a certificate of the class {tls_class or 'none'}")


def _check_time(certificate: x509.Certificate) -> None:
    now = datetime.now(UTC)
    if now > certificate.not_valid_after_utc:
        day = certificate.not_valid_after_utc.date().isoformat()
        raise Pkcs12Error(f"its certificate expired on {day}; ask for a file with a newer one")
    if now < certificate.not_valid_before_utc:
        day = certificate.not_valid_before_utc.isoformat(" ", "minutes")
        raise Pkcs12Error(f"its certificate is valid from {day} only; is this clock right?")


def _check_trust(
    authorities: Sequence[x509.Certificate], folder: Path, trusted: Collection[str]
) -> None:
    known: list[x509.Certificate] = []
    with contextlib.suppress(OSError, ValueError):  # then nobody is trusted there yet
        known = x509.load_pem_x509_certificates((folder / TRUST_FILE).read_bytes())
    for each in authorities:
        sha256 = each.fingerprint(SHA256()).hex()
        if each not in known and sha256 not in trusted:
            raise Pkcs12Error(
                f"{folder} does not trust the authority {each.subject.rfc4514_string()} of this"
                f" file yet. Compare its SHA-256 on the machine of the servers; to trust it:"
                f" --trust {sha256}"
            )


def _check_issuer(bundle: Bundle) -> None:
    for authority in bundle.authorities:
        try:
            bundle.certificate.verify_directly_issued_by(authority)
        except (InvalidSignature, ValueError, TypeError):
            continue
        return
    raise Pkcs12Error("no authority in the file issued its certificate")
