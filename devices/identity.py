"""The identity folder of a device or operator: who it is, where its gateway is, whom it trusts.

Written once by personalisation (`devices/personalisation.py`), read at every start.
"""

import json
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from devices.identity_files import CERTIFICATE_FILE, IDENTITY_FILE
from devices.keystore import FileKeyStore, KeyStore, KeyStoreError
from devices.roots import load_trust
from devices.succession import NEXT_FOLDER, finish
from devices.tls_files import TlsSource
from protocol.certificates import Trust
from protocol.handshake import Identity

GATEWAY_NAME = "gateway.ticketrestaurant.internal"


class IdentityError(Exception):
    """The folder is no complete identity; the message names the file, never its content."""


@dataclass(slots=True)
class Device:
    """Everything a program needs to speak as one individual. `gateway` is (host, port).

    Serial, identity and key store change together when the certificate was renewed (`reload`),
    between two sessions.
    """

    folder: Path
    id: UUID
    role: str
    shop: UUID | None
    shop_name: str
    gateway: tuple[str, int]
    serial: str
    keystore: KeyStore
    identity: Identity
    trust: Trust
    tls_source: TlsSource

    @property
    def tls(self) -> ssl.SSLContext:
        """TLS for the next connection, from the files as they are now."""
        return self.tls_source.context()

    def reload(self) -> None:
        """Takes up the key and certificate that are in the folder now. Raises IdentityError."""
        fresh = load_device(self.folder, self.role)
        self.serial, self.keystore, self.identity = fresh.serial, fresh.keystore, fresh.identity


def load_device(folder: Path, *roles: str) -> Device:
    """The identity in `folder`; of one of `roles`, when any are given. Raises IdentityError."""
    facts = _facts(folder)
    try:
        if (folder / NEXT_FOLDER).exists():
            finish(folder)
            facts = _facts(folder)
        role, shop = str(facts["role"]), facts.get("shop")
        if roles and role not in roles:
            raise IdentityError(
                f"the identity in {folder} is of role {role}; {' or '.join(roles)} is needed"
            )
        keystore = FileKeyStore(folder)
        return Device(
            folder=folder,
            id=UUID(facts["id"]),
            role=role,
            shop=UUID(shop) if shop else None,
            shop_name=str(facts.get("shop_name") or ""),
            gateway=parse_address(str(facts["gateway"])),
            serial=str(facts.get("serial") or ""),
            keystore=keystore,
            identity=Identity(role, _chain(folder / CERTIFICATE_FILE), keystore.sign),
            trust=load_trust(folder),
            tls_source=TlsSource(folder, keystore),
        )
    except KeyError as error:
        raise IdentityError(f"{IDENTITY_FILE} has no {error}") from None
    except (KeyStoreError, OSError, ssl.SSLError) as error:
        raise IdentityError(f"the identity in {folder}: {error}") from None
    except ValueError:
        raise IdentityError(f"{folder}: a file of the identity is damaged") from None


def parse_address(text: str) -> tuple[str, int]:
    """Host and port of "127.0.0.1:7300" or "[::1]:7300". Raises ValueError."""
    host, colon, port = text.rpartition(":")
    if not colon or not host or not 0 < int(port) < 65536:
        raise ValueError("an address looks like 127.0.0.1:7300")
    return host.removeprefix("[").removesuffix("]"), int(port)


def show_address(address: tuple[str, int]) -> str:
    """What `parse_address` reads."""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _facts(folder: Path) -> dict[str, Any]:
    try:
        facts = json.loads((folder / IDENTITY_FILE).read_text(encoding="utf-8"))
    except OSError:
        raise IdentityError(f"there is no identity in {folder} ({IDENTITY_FILE})") from None
    except ValueError:
        facts = None
    if not isinstance(facts, dict):
        raise IdentityError(f"{folder}: {IDENTITY_FILE} is damaged")
    return facts


def _chain(path: Path) -> list[bytes]:
    certificates = x509.load_pem_x509_certificates(path.read_bytes())
    return [certificate.public_bytes(Encoding.DER) for certificate in certificates]
