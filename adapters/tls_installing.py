"""A PKCS#12 file put into an identity folder: checked against who the folder belongs to first."""

import json
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from adapters.tls import COMMON_NAME
from devices.identity_files import IDENTITY_FILE
from devices.keystore import FileKeyStore
from devices.pkcs12 import MOST_BYTES, Bundle, Pkcs12Error, unpack
from devices.tls_files import install_p12
from protocol.certificates import ROLES_OF_TLS_CLASS, WEBSITE


def install_file(file: Path, folder: Path, password: bytes) -> None:
    """Raises Pkcs12Error for the file, OSError, KeyStoreError or ValueError for the folder."""
    facts = json.loads((folder / IDENTITY_FILE).read_bytes())
    with file.open("rb") as opened:
        bundle = unpack(opened.read(MOST_BYTES + 1), password)
    role = str(facts["role"]) if isinstance(facts, dict) and "role" in facts else ""
    if role == WEBSITE:
        raise Pkcs12Error("the website's own process reads PEM: use `tls rotate website`")
    _check_class(bundle.certificate, role)
    _check_issuer(bundle)
    install_p12(folder, FileKeyStore(folder), bundle)


def _check_class(certificate: x509.Certificate, role: str) -> None:
    names = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    tls_class = str(names[0].value).removeprefix(COMMON_NAME) if len(names) == 1 else ""
    if role not in ROLES_OF_TLS_CLASS.get(tls_class, ()):
        raise Pkcs12Error(f"a {role} does not use a certificate of the class {tls_class or 'none'}")


def _check_issuer(bundle: Bundle) -> None:
    for authority in bundle.authorities:
        try:
            bundle.certificate.verify_directly_issued_by(authority)
        except (InvalidSignature, ValueError, TypeError):
            continue
        return
    raise Pkcs12Error("no authority in the file issued its certificate")
