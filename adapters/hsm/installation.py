"""The certificates that `init` makes: the servers' TLS classes, the backend, the first people.

What exists is left alone, and nothing is renewed here. Keys made here are files of mode 0600,
except the backend's individual key, which is in the HSM.
"""

import contextlib
import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from uuid import UUID

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

from adapters.hsm.authority import Authority
from adapters.hsm.roots import Roots, pem_of
from adapters.tls_material import class_tls_files
from devices.durable import write_durably
from devices.identity_files import IDENTITY_FILE
from devices.personalisation import new_request, write_identity
from domain.aggregates.certificate import (
    AUTHORITY_ISSUING,
    AUTHORITY_LINK,
    AUTHORITY_ROOT,
    TLS,
)
from domain.aggregates.key import key_id
from domain.ids import make_id
from protocol.certificates import AUDITOR, BACKEND, OPERATOR, PIN, WEBSITE, role_of

PEOPLE: Final = (("operator-1", OPERATOR), ("operator-2", OPERATOR), ("auditor-1", AUDITOR))
WEBSITE_FOLDER: Final = "pki/website"
"""The identity folder with which the website's process opens its session with the backend."""
CERTIFICATE_FILE: Final = "certificate.pem"
"""In an identity folder: the chain."""
PIN_CERTIFICATE: Final = "pki/pin.pem"
"""The chain of the HSM's key for PIN blocks, which the backend shows to devices."""
BACKEND_CERTIFICATE: Final = "pki/backend.pem"
ROOTS_FILE: Final = "pki/root.pem"
"""The roots in force, oldest first."""
RETIRED_ROOTS_FILE: Final = "pki/retired/root.pem"
_TLS_CLASSES: Final = ("gateway", "backend", "website", "pos", "card")
_LISTENERS: Final = ("gateway", "backend")
_LOOPBACK: Final = ("localhost", "127.0.0.1")
_PARTITION: Final = 0  # people and servers own no money; any partition will do


@dataclass(frozen=True, slots=True)
class Individual:
    """Somebody of the installation. The ledger records the certificate when it first runs."""

    name: str
    subject_id: UUID
    role: str
    certificate: x509.Certificate


def issue_installation(
    home: Path,
    authority: Authority,
    *,
    gateway: str = "127.0.0.1:7300",
    server_names: Sequence[str] = (),
) -> list[Individual]:
    """Completes `tls/`, `pki/` and `operators/` of the state folder; everybody in them.

    `gateway` is the address (host:port) that people and the website call; when it has changed,
    it is changed in their folders. `server_names`: further host names or addresses by which
    gateway and backend are reached. Raises HsmUnavailable or RequestRefused.
    """
    for folder in (home / "tls", home / "pki", home / "operators"):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _write_once(home / "tls" / "ca.pem", _pem(authority.tls))
    _write_once(home / ROOTS_FILE, pem_of(authority.roots.all))
    _write_once(home / "pki" / "issuing.pem", _pem(authority.issuing))
    for tls_class in _TLS_CLASSES:
        names = (*_LOOPBACK, *server_names) if tls_class in _LISTENERS else ()
        _issue_tls(home / "tls", authority, tls_class, names)
    everybody = [_issue_backend(home / BACKEND_CERTIFICATE, authority)]
    folders = [(home / "operators" / name, role) for name, role in PEOPLE]
    for folder, role in (*folders, (home / WEBSITE_FOLDER, WEBSITE)):
        everybody.append(_issue_identity(home, folder, role, authority, gateway))
    everybody.append(_issue_pin_key(home / PIN_CERTIFICATE, authority))
    return everybody


def certified(home: Path) -> list[Individual]:
    """Everybody of the installation whose certificate is there, read from the state folder, and
    the authorities and TLS classes.

    Raises OSError and ValueError for one that cannot be read.
    """
    places: list[tuple[str, str, Path]] = [
        ("backend", BACKEND, home / BACKEND_CERTIFICATE),
        ("pin", PIN, home / PIN_CERTIFICATE),
        ("website", WEBSITE, home / WEBSITE_FOLDER / CERTIFICATE_FILE),
    ]
    people = sorted((home / "operators").glob(f"*/{CERTIFICATE_FILE}"))
    places += [(path.parent.name, "", path) for path in people]
    found = [_individual(name, role, path) for name, role, path in places if path.exists()]
    return [*_authorities(home / "pki"), *_of_tls(home / "tls"), *found]


def _authorities(folder: Path) -> list[Individual]:
    """The roots with their links, and each generation of the issuing authority."""
    places = [
        ("CA-ROOT", AUTHORITY_ROOT, "root.pem"),
        ("CA-ROOT", AUTHORITY_LINK, "link-*.pem"),
        ("CA-ISSUING", AUTHORITY_ISSUING, "issuing*.pem"),
    ]
    return [
        Individual(name, key_id(name), role, each)
        for name, role, pattern in places
        for path in sorted(folder.glob(pattern))
        for each in x509.load_pem_x509_certificates(path.read_bytes())
    ]


def first_root_file(home: Path) -> Path:
    """Where the installation's first root stands first, retired or not."""
    retired = home / RETIRED_ROOTS_FILE
    return retired if retired.exists() else home / ROOTS_FILE


def write_roots(home: Path, roots: Roots) -> None:
    """The roots in force, and the link to each, where programs of this machine find them; retired
    ones in a file of their own, for what they signed once.

    Raises OSError.
    """
    in_force = roots.in_force
    retired = [each for each in roots.all if each not in in_force]
    if retired:
        (home / RETIRED_ROOTS_FILE).parent.mkdir(mode=0o700, exist_ok=True)
        write_durably(home / RETIRED_ROOTS_FILE, pem_of(retired))
    write_durably(home / ROOTS_FILE, pem_of(in_force))
    for generation in roots.issuers:
        link = roots.link(generation)
        if link is not None:
            write_durably(home / "pki" / f"link-{generation}.pem", _pem(link))


def _of_tls(folder: Path) -> list[Individual]:
    """The TLS authorities, and of the classes' certificates those that they issued."""
    path = folder / "ca.pem"
    ours = x509.load_pem_x509_certificates(path.read_bytes()) if path.exists() else []
    found = [Individual("CA-TLS", key_id("CA-TLS"), TLS + "authority", each) for each in ours]
    for tls_class in _TLS_CLASSES:
        path = folder / f"{tls_class}.pem"
        if path.exists() and _is_signed_by(leaf := _first(path), ours):
            # A class is no individual: the subject is this issuance.
            number = int.from_bytes(leaf.fingerprint(SHA256())[:8]) >> 2
            made_ms = int(leaf.not_valid_before_utc.timestamp()) * 1000
            subject_id = make_id(made_ms, _PARTITION, number)
            found.append(Individual(tls_class, subject_id, TLS + tls_class, leaf))
    return found


def _is_signed_by(leaf: x509.Certificate, authorities: Sequence[x509.Certificate]) -> bool:
    for authority in authorities:
        with contextlib.suppress(InvalidSignature, ValueError, TypeError):
            leaf.verify_directly_issued_by(authority)
            return True
    return False


def subject_of(chain: Path) -> tuple[UUID, str]:
    """Whom the first certificate of a chain names, and its serial in hex. Raises OSError."""
    found = _individual("", PIN, chain)
    return found.subject_id, format(found.certificate.serial_number, "x")


def _issue_tls(folder: Path, authority: Authority, tls_class: str, names: Sequence[str]) -> None:
    certificate, key_file = folder / f"{tls_class}.pem", folder / f"{tls_class}.key"
    if certificate.exists():
        return
    if not key_file.exists():
        fresh = ec.generate_private_key(ec.SECP256R1())
        pem = fresh.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        write_durably(key_file, pem)
    key = load_pem_private_key(key_file.read_bytes(), password=None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    write_durably(certificate, _pem(authority.issue_tls(key.public_key(), tls_class, names)))


def _issue_backend(path: Path, authority: Authority) -> Individual:
    if not path.exists():
        leaf = authority.issue_leaf(authority.backend_key, _new_id(), BACKEND)
        write_durably(path, _pem(leaf) + _pem(authority.issuing))
    return _individual("backend", BACKEND, path)


def _issue_pin_key(path: Path, authority: Authority) -> Individual:
    if not path.exists():
        leaf = authority.issue_pin_key(_new_id())
        write_durably(path, _pem(leaf) + _pem(authority.issuing))
    return _individual("pin", PIN, path)


def _issue_identity(
    home: Path, folder: Path, role: str, authority: Authority, gateway: str
) -> Individual:
    identity = folder / IDENTITY_FILE
    if identity.exists():
        facts = json.loads(identity.read_bytes())
        if facts["gateway"] != gateway:
            facts["gateway"] = gateway
            write_durably(identity, json.dumps(facts, indent=1).encode() + b"\n")
    else:
        subject_id = _new_id()
        leaf = authority.issue_leaf(new_request(folder), subject_id, role)
        write_identity(
            folder,
            subject_id=str(subject_id),
            role=role,
            gateway=gateway,
            chain_der=authority.chain_der(leaf),
            root_pem=(home / ROOTS_FILE).read_bytes(),
            tls=class_tls_files(home, "website"),
        )
    return _individual(folder.name, role, folder / CERTIFICATE_FILE)


def _individual(name: str, role: str, chain: Path) -> Individual:
    leaf = _first(chain)
    (common_name,) = leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return Individual(name, UUID(str(common_name.value)), role or role_of(leaf), leaf)


def _first(chain: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificates(chain.read_bytes())[0]


def _new_id() -> UUID:
    now_ms = int(datetime.now(UTC).timestamp() * 1000)
    return make_id(now_ms, _PARTITION, secrets.randbits(62))


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.PEM)


def _write_once(path: Path, content: bytes) -> None:
    if not path.exists():
        write_durably(path, content)
