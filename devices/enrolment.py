"""A device's first certificate, by a one-time code (TR-TPR section 12).

The installation package is an identity folder without an identity: the TLS class's files, the root
certificate, and `package.json` with the gateway's address. The key is made here; the session with
the backend is opened with a certificate that this key signed itself, so it is proven to be ours.
"""

import asyncio
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from devices.durable import write_durably
from devices.exchange import Refused, Unreachable
from devices.identity import GATEWAY_NAME, IdentityError, parse_address
from devices.identity_files import ROOT_FILE
from devices.keystore import KEY_FILE, FileKeyStore, KeyStoreError
from devices.personalisation import TlsFiles, new_request, write_identity
from devices.roots import load_trust, take_up_roots
from devices.tls_files import KEY_FILE as TLS_KEY_FILE
from devices.tls_files import PEM_FILE, TRUST_FILE, TlsSource
from protocol.certificates import ENROLLEE, Trust, enrollee_id, role_extension
from protocol.encoding import b64, from_json, to_json, unb64
from protocol.handshake import Identity, Initiator
from protocol.line import MAX_LINE, parse

PACKAGE_FILE: Final = "package.json"
P12_FILE: Final = "identity.p12"
"""In a package that needs no certificate: its key was made at the desk (`card_package.py`)."""
CARD_CODE_LETTERS: Final = 25
"""Of such a package's code: one group more than a code has that is sent to the backend."""
_TIMEOUT_S: Final = 15.0
_LIFE: Final = timedelta(hours=12)
_BACKDATED: Final = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Enrolled:
    """What came of it: `queued` while a person has to look, else the holder's id.

    `key_hash` is SHA-256 of the new key's SPKI in hex, as `pki queue` shows it to that person.
    """

    queued: bool
    subject_id: str = ""
    role: str = ""
    text: str = ""
    key_hash: str = ""


def write_package(folder: Path, *, gateway: str, root_pem: bytes, tls: TlsFiles) -> None:
    """Makes an installation package (0700). `gateway`: host:port. Raises OSError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_durably(folder / ROOT_FILE, root_pem)
    write_durably(folder / TRUST_FILE, tls.authority_pem)
    write_durably(folder / PEM_FILE, tls.certificate_pem)
    write_durably(folder / TLS_KEY_FILE, tls.key_pem)
    write_durably(folder / PACKAGE_FILE, json.dumps({"gateway": gateway}).encode() + b"\n")


async def enrol(folder: Path, code: str) -> Enrolled:
    """Asks for the certificate and completes the folder. May be called again after anything.

    Raises IdentityError for a folder that is no package, Refused, Unreachable, ProtocolError.
    """
    gateway = _gateway(folder)
    if (folder / P12_FILE).exists() or len(code_letters(code)) == CARD_CODE_LETTERS:
        # That code opens card data: who exchanged the files of the package must not hear it.
        raise IdentityError(
            "a whole card, with a code of five groups, is for: ticketrestaurant card enrol"
        )
    request = new_request(folder)
    answer = await _ask(folder, gateway, code, request)
    if answer.get("state") == "queued":
        return Enrolled(True, text=str(answer.get("text", "")), key_hash=_key_hash(request))
    result = answer.get("result")
    if not isinstance(result, dict):
        raise Refused("bad-body", "The backend's answer holds no certificate.")
    role, subject = str(result["role"]), str(result["subject"])
    write_identity(
        folder,
        subject_id=subject,
        role=role,
        gateway=gateway,
        chain_der=[unb64(each) for each in result["certificate"]],
        root_pem=(folder / ROOT_FILE).read_bytes(),
        tls=_tls_files(folder),
        shop=result.get("shop"),
        shop_name=str(result.get("shop_name", "")),
    )
    (folder / PACKAGE_FILE).unlink()
    return Enrolled(False, subject, role, key_hash=_key_hash(request))


def _key_hash(request: bytes) -> str:
    key = x509.load_der_x509_csr(request).public_key()
    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return sha256(spki).hexdigest()


async def _ask(folder: Path, gateway: str, code: str, request: bytes) -> dict[str, Any]:
    host, port = parse_address(gateway)
    trust = load_trust(folder)
    tls = _tls(folder)
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            reader, writer = await asyncio.open_connection(
                host, port, ssl=tls.context(), server_hostname=GATEWAY_NAME, limit=MAX_LINE
            )
            try:
                return await _in_session(reader, writer, folder, trust, code, request)
            finally:
                writer.close()
    except TimeoutError:
        raise Unreachable("the backend does not answer") from None
    except (OSError, EOFError) as error:
        raise Unreachable(f"the gateway cannot be reached: {type(error).__name__}") from None


async def _in_session(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    folder: Path,
    trust: Trust,
    code: str,
    request: bytes,
) -> dict[str, Any]:
    now_ms = int(datetime.now(UTC).timestamp() * 1000)
    initiator = Initiator(_identity(folder), trust, "backend", "backend", now_ms)
    writer.write(initiator.hello())
    writer.write(initiator.prove(parse(await _line(reader))))
    session, ready = initiator.ready(parse(await _line(reader)))
    take_up_roots(folder, trust, session, ready, now_ms)
    body = {"id": 1, "code": code, "csr": b64(request)}
    writer.write(session.seal("C", "ENROL", "backend", to_json(body)))
    line = parse(await _line(reader))
    answer = from_json(session.open(line))
    if line.verb == "ERROR":
        raise Refused(str(answer.get("code")), str(answer.get("text")))
    return answer


async def _line(reader: asyncio.StreamReader) -> bytes:
    raw = await reader.readline()
    if not raw.endswith(b"\n"):
        raise EOFError
    return raw


def _identity(folder: Path) -> Identity:
    """Who we are before anybody certified us: the holder of this key."""
    key = load_pem_private_key((folder / KEY_FILE).read_bytes(), password=None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    subject = enrollee_id(key.public_key())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, str(subject))])
    begin = datetime.now(UTC) - _BACKDATED
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + _LIFE)
        .add_extension(
            x509.SubjectAlternativeName([x509.UniformResourceIdentifier(f"urn:uuid:{subject}")]),
            critical=False,
        )
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .add_extension(role_extension(ENROLLEE), critical=False)
        .sign(key, hashes.SHA256())
    )
    chain = [certificate.public_bytes(Encoding.DER)]
    return Identity(ENROLLEE, chain, FileKeyStore(folder).sign)


def _gateway(folder: Path) -> str:
    try:
        return read_gateway((folder / PACKAGE_FILE).read_bytes())
    except OSError:
        raise IdentityError(f"{folder} is no installation package ({PACKAGE_FILE})") from None
    except ValueError:
        raise IdentityError(f"{folder}: {PACKAGE_FILE} is damaged") from None


def code_letters(code: str) -> str:
    """A code as it is meant, however it was typed."""
    return "".join(filter(str.isalnum, code.upper()))


def read_gateway(package: bytes) -> str:
    """The gateway's host:port of a `package.json`. Raises ValueError."""
    try:
        gateway = str(json.loads(package)["gateway"])
    except (KeyError, TypeError):
        raise ValueError("there is no gateway in it") from None
    parse_address(gateway)
    return gateway


def _tls_files(folder: Path) -> TlsFiles:
    return TlsFiles(
        authority_pem=(folder / TRUST_FILE).read_bytes(),
        certificate_pem=(folder / PEM_FILE).read_bytes(),
        key_pem=(folder / TLS_KEY_FILE).read_bytes(),
    )


def _tls(folder: Path) -> TlsSource:
    try:
        return TlsSource(folder, FileKeyStore(folder))
    except (OSError, ValueError, KeyStoreError) as error:  # ssl.SSLError is an OSError
        raise IdentityError(f"{folder}: a TLS file of the package is unfit: {error}") from None
