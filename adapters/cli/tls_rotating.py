"""New TLS certificates on the machine of the servers while they serve: `tls rotate` and `retire`.

The key is made here and stays here; the backend's HSM certifies it for an operator's signed
command. Trust goes out before anything that needs it, each file is replaced as one, and the
servers and devices take it over at their next handshake.
"""

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from adapters.cli.failure import refused
from adapters.cli.operator_link import Operator
from adapters.tls import COMMON_NAME
from adapters.tls_material import tls_bundle
from adapters.tls_rotation import SUPERSEDED_FILE, Superseded, SupersededList
from devices.durable import write_durably
from devices.identity_files import IDENTITY_FILE
from devices.keystore import FileKeyStore, KeyStoreError
from devices.pkcs12 import Bundle
from devices.tls_files import TRUST_FILE, combined_pem, read_bundle, replace_bundle, trust
from protocol.encoding import b64, unb64

_LISTENERS: Final = ("gateway", "backend")
_LOOPBACK: Final = ("localhost", "127.0.0.1")


@dataclass(frozen=True, slots=True)
class Rotated:
    """What `rotate` did."""

    holder: str
    certificate: x509.Certificate
    accepted_until_ms: int
    folders: int

    def as_json(self) -> dict[str, Any]:
        """For programs. `accepted_until_ms` is of the certificate that was replaced."""
        return {
            "holder": self.holder,
            "serial": format(self.certificate.serial_number, "x"),
            "sha256": self.certificate.fingerprint(SHA256()).hex(),
            "not_after": self.certificate.not_valid_after_utc.isoformat(),
            "accepted_until_ms": self.accepted_until_ms,
            "folders": self.folders,
        }


async def rotate(
    operator: Operator, home: Path, holder: str, names: Sequence[str], window_s: float
) -> Rotated:
    """A new key and certificate for a holder; the old one is accepted for `window_s` more.

    Raises Failure, OSError, ValueError; what was not reached by then keeps the old certificate.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    body: dict[str, Any] = {"what": "certificate", "holder": holder, "csr": _request(key)}
    if holder in _LISTENERS:
        body["names"] = [*_LOOPBACK, *names]
    chain = await _certified(operator, body)
    bundle = _checked(chain, key, holder)
    before = tls_bundle(home, holder).certificate
    folders = list(identity_folders(home, holder))
    _trust_everywhere(home, bundle.authorities)
    # First of all: killed after this, the old one is still current, or ends with its window.
    until_ms = time.time_ns() // 1_000_000 + int(window_s * 1000)
    _supersede(home, holder, before, bundle.certificate, until_ms)
    write_durably(home / "tls" / f"{holder}.pem", combined_pem(bundle))
    (home / "tls" / f"{holder}.key").unlink(missing_ok=True)
    for folder in folders:
        replace_bundle(folder, _keystore(folder), bundle)
    return Rotated(holder, bundle.certificate, until_ms, len(folders))


async def next_authority(operator: Operator, home: Path) -> x509.Certificate | dict[str, Any]:
    """A new TLS authority, trusted here beside the ones before; it signs from now on.

    Or the proposal of one, which a second operator must approve before it is asked for again.
    Raises Failure, OSError, ValueError.
    """
    newest = trusted_here(home)[-1]
    body = {"what": "authority", "replaces": newest.fingerprint(SHA256()).hex()}
    answer = await operator.command("TLS", body)
    if "proposal" in answer:
        return answer
    (authority,) = _chain_in(answer)
    basic = authority.extensions.get_extension_for_class(x509.BasicConstraints).value
    if not basic.ca or authority.subject != authority.issuer:
        raise refused("what the backend answered is no authority's certificate")
    _trust_everywhere(home, [authority])
    return authority


def retire_authorities(home: Path) -> list[x509.Certificate]:
    """Ends the trust in all TLS authorities but the newest; those that were dropped.

    Raises Failure while anything on this machine still shows a certificate of one of them.
    """
    *older, newest = trusted_here(home)
    behind = [name for name, each in _shown_here(home) if not _issued_by(each, newest)]
    if behind:
        shown = ", ".join(behind[:5]) + (", …" if len(behind) > 5 else "")
        raise refused(
            f"still certified by an older authority: {shown}. Rotate first, for example:"
            " ticketrestaurant tls rotate all"
        )
    pem = newest.public_bytes(Encoding.PEM)
    for path in (home / "tls" / "ca.pem", *(each / TRUST_FILE for each in all_folders(home))):
        write_durably(path, pem)
    return older


def trusted_here(home: Path) -> list[x509.Certificate]:
    """The TLS authorities that this machine's servers trust, the newest last."""
    return x509.load_pem_x509_certificates((home / "tls" / "ca.pem").read_bytes())


def identity_folders(home: Path, holder: str) -> Iterator[Path]:
    """The identity folders of this machine that show a holder's certificate."""
    if holder == "website":
        people = sorted((home / "operators").glob(f"*/{IDENTITY_FILE}"))
        for path in (home / "pki" / "website" / IDENTITY_FILE, *people):
            if path.exists():
                yield path.parent
    for path in sorted((home / "devices").glob(f"*/{IDENTITY_FILE}")):
        if json.loads(path.read_bytes()).get("role") == holder:
            yield path.parent


def all_folders(home: Path) -> list[Path]:
    """All identity folders of this machine."""
    return [
        each for holder in ("website", "pos", "card") for each in identity_folders(home, holder)
    ]


async def _certified(operator: Operator, body: dict[str, Any]) -> list[x509.Certificate]:
    """The chain of the answer. One whose first answer was lost is asked for once more."""
    result = await operator.command("TLS", body)
    if "certificate" not in result:
        result = await operator.command("TLS", body)
    return _chain_in(result)


def _chain_in(result: dict[str, Any]) -> list[x509.Certificate]:
    try:
        return [x509.load_der_x509_certificate(unb64(each)) for each in result["certificate"]]
    except (KeyError, TypeError, ValueError):
        raise refused(
            "the backend's answer holds no certificate. Give the command again."
        ) from None


def _request(key: ec.EllipticCurvePrivateKey) -> str:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "TicketRestaurant US TLS")])
    request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, SHA256())
    return b64(request.public_bytes(Encoding.DER))


def _checked(chain: list[x509.Certificate], key: ec.EllipticCurvePrivateKey, holder: str) -> Bundle:
    leaf, *authorities = chain
    names = [each.value for each in leaf.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)]
    fits = leaf.public_key() == key.public_key() and names == [COMMON_NAME + holder]
    if not fits or len(authorities) != 1 or not _issued_by(leaf, authorities[0]):
        raise refused("the certificate that the backend answered is not the one that was asked for")
    return Bundle(key, leaf, authorities)


def _issued_by(leaf: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        leaf.verify_directly_issued_by(authority)
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True


def _shown_here(home: Path) -> Iterator[tuple[str, x509.Certificate]]:
    for path in sorted((home / "tls").glob("*.pem")):
        if path.name != "ca.pem":
            yield path.name, tls_bundle(home, path.stem).certificate
    for folder in all_folders(home):
        yield folder.name, read_bundle(folder, _keystore(folder)).certificate


def _trust_everywhere(home: Path, authorities: Sequence[x509.Certificate]) -> None:
    path = home / "tls" / "ca.pem"
    known = trusted_here(home)
    more = [each for each in authorities if each not in known]
    if more:
        pem = b"".join(each.public_bytes(Encoding.PEM) for each in [*known, *more])
        write_durably(path, pem)
    for folder in all_folders(home):
        trust(folder, authorities)


def _supersede(
    home: Path, holder: str, old: x509.Certificate, new: x509.Certificate, until_ms: int
) -> None:
    """Notes when the old certificate is refused, once another one is shown in its place."""
    listed = SupersededList.read(home)
    listed.entries.pop(new.fingerprint(SHA256()).hex(), None)
    listed.entries[old.fingerprint(SHA256()).hex()] = Superseded(holder, until_ms)
    write_durably(home / "tls" / SUPERSEDED_FILE, listed.as_json())


def _keystore(folder: Path) -> FileKeyStore:
    try:
        return FileKeyStore(folder)
    except KeyStoreError as error:
        raise refused(f"{folder}: {error}") from None
