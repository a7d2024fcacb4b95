"""New TLS certificates on the machine of the servers while they serve: `tls rotate` and `retire`.

The key is made here and stays here; the backend's HSM certifies it once two operators agreed: the
command given again goes on then. Trust goes out before anything that needs it, each file is
replaced as one, and the servers and devices take it over at their next handshake.
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
from adapters.cli.tls_asked import Asked, ask, asked
from adapters.tls import COMMON_NAME
from adapters.tls_material import tls_bundle
from adapters.tls_rotation import SUPERSEDED_FILE, Superseded, SupersededList
from devices.durable import write_durably
from devices.exchange import Refused
from devices.identity_files import IDENTITY_FILE
from devices.keystore import FileKeyStore, KeyStoreError
from devices.pkcs12 import Bundle
from devices.tls_files import TRUST_FILE, combined_pem, read_bundle, replace_bundle, trust
from protocol.encoding import b64, unb64

_LISTENERS: Final = ("gateway", "backend")
_LOOPBACK: Final = ("localhost", "127.0.0.1")
_ANEW: Final = frozenset({"certificate-gone", "key-in-use"})
"""Codes after which only a new key helps: the next time asks with one."""
_OTHER: Final = "the certificate that the backend answered is not the one that was asked for"


@dataclass(frozen=True, slots=True)
class Rotated:
    """What `put_in_use` did."""

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


async def certified(
    operator: Operator, home: Path, what: str, holders: tuple[str, ...], names: Sequence[str]
) -> tuple[Asked, dict[str, Bundle]] | dict[str, Any]:
    """New keys of the holders with their certificates, once a second operator agreed; the proposal
    before that. `what` names the request: with the same name it is the same one.

    Raises Failure, OSError, ValueError.
    """
    waiting = asked(home, what) or ask(home, what, holders)
    body: dict[str, Any] = {
        "what": "certificate",
        "requests": [_request(holder, key, names) for holder, key in waiting.keys.items()],
    }
    try:
        answer = await _given(operator, body, waiting)
    except Refused as error:
        if error.code in _ANEW:
            waiting.forget()
        raise
    if "proposal" in answer:
        return answer
    chains = {each["holder"]: _chain_in(each) for each in answer.get("certificates", ())}
    return waiting, {
        holder: _checked(chains.get(holder, []), key, holder)
        for holder, key in waiting.keys.items()
    }


def put_in_use(home: Path, holder: str, bundle: Bundle, window_s: float) -> Rotated:
    """A holder's new key and certificate; the old one is accepted for `window_s` more.

    Raises Failure, OSError, ValueError; what was not reached by then keeps the old certificate.
    """
    before = tls_bundle(home, holder).certificate
    folders = list(identity_folders(home, holder))
    _trust_everywhere(home, bundle.authorities)
    # First of all: killed after this, the old one is still current, or ends with its window.
    until_ms = time.time_ns() // 1_000_000 + int(window_s * 1000)
    if before != bundle.certificate:  # else this went so far before
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
    waiting = asked(home, "authority") or ask(home, "authority")
    answer = await _given(operator, body, waiting)
    if "proposal" in answer:
        return answer
    (authority,) = _chain_in(answer)
    basic = authority.extensions.get_extension_for_class(x509.BasicConstraints).value
    if not basic.ca or authority.subject != authority.issuer:
        raise refused("what the backend answered is no authority's certificate")
    _trust_everywhere(home, [authority])
    waiting.forget()
    return authority


def retirable(home: Path) -> tuple[list[x509.Certificate], x509.Certificate]:
    """All TLS authorities but the newest, whose trust can end, and the newest.

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
    return older, newest


async def agreed_to_retire(
    operator: Operator, home: Path, newest: x509.Certificate
) -> dict[str, Any]:
    """`agreed` where two operators agreed to end the trust in all before it; else the proposal."""
    waiting = asked(home, "retire") or ask(home, "retire")
    body = {"what": "retire", "keeps": newest.fingerprint(SHA256()).hex()}
    answer = await _given(operator, body, waiting)
    if "proposal" not in answer:
        waiting.forget()
    return answer


def trust_only(home: Path, newest: x509.Certificate) -> None:
    """Ends the trust of this machine in all other TLS authorities."""
    pem = newest.public_bytes(Encoding.PEM)
    for path in (home / "tls" / "ca.pem", *(each / TRUST_FILE for each in all_folders(home))):
        write_durably(path, pem)


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


async def _given(operator: Operator, body: dict[str, Any], waiting: Asked) -> dict[str, Any]:
    """The answer to a TLS command; it tells of the proposal that it was asked for by before."""
    if waiting.proposal:
        body = {**body, "proposal": waiting.proposal}
    answer = await operator.command("TLS", body)
    if "proposal" in answer:
        waiting.proposed(answer["proposal"]).keep()
    return answer


def _chain_in(result: dict[str, Any]) -> list[x509.Certificate]:
    try:
        return [x509.load_der_x509_certificate(unb64(each)) for each in result["certificate"]]
    except (KeyError, TypeError, ValueError):
        raise refused(
            "the backend's answer holds no certificate. Give the command again."
        ) from None


def _request(holder: str, key: ec.EllipticCurvePrivateKey, names: Sequence[str]) -> dict[str, Any]:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "TicketRestaurant US TLS")])
    request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, SHA256())
    asked_for: dict[str, Any] = {
        "holder": holder,
        "csr": b64(request.public_bytes(Encoding.DER)),
    }
    if holder in _LISTENERS:
        asked_for["names"] = [*_LOOPBACK, *names]
    return asked_for


def _checked(chain: list[x509.Certificate], key: ec.EllipticCurvePrivateKey, holder: str) -> Bundle:
    if not chain:
        raise refused(_OTHER)
    leaf, *authorities = chain
    names = [each.value for each in leaf.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)]
    fits = leaf.public_key() == key.public_key() and names == [COMMON_NAME + holder]
    if not fits or len(authorities) != 1 or not _issued_by(leaf, authorities[0]):
        raise refused(_OTHER)
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
