"""The website's identity folder: its certificates and keys, its gateway, whom it trusts."""

import json
import ssl
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from adapters.tls import TlsFiles, client_context
from devices.roots import load_trust
from protocol.certificates import BACKEND, WEBSITE, Trust
from protocol.handshake import Identity, Initiator
from protocol.signature import software_signer


class IdentityError(Exception):
    """The folder is missing or no complete identity; the message names a file, never content."""


@dataclass(frozen=True, slots=True)
class WebsiteIdentity:
    """What one connection to the gateway needs. `gateway` is host and port."""

    folder: Path
    gateway: tuple[str, int]
    tls: ssl.SSLContext
    identity: Identity
    trust: Trust

    def initiator(self, now_ms: int) -> Initiator:
        """A new handshake with the backend."""
        return Initiator(self.identity, self.trust, "backend", BACKEND, now_ms)


def load_identity(folder: Path) -> WebsiteIdentity:
    """The identity in `folder`. Raises `IdentityError`."""
    try:
        facts = json.loads((folder / "identity.json").read_text(encoding="utf-8"))
        host, _, port = str(facts["gateway"]).rpartition(":")
        if facts["role"] != WEBSITE:
            raise IdentityError("identity.json is of another role")
        chain = x509.load_pem_x509_certificates((folder / "certificate.pem").read_bytes())
        key = load_pem_private_key((folder / "key.pem").read_bytes(), password=None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise IdentityError("key.pem is not a P-256 key")
        return WebsiteIdentity(
            folder=folder,
            gateway=(host.strip("[]"), int(port)),
            tls=client_context(TlsFiles.of_identity(folder)),
            identity=Identity(
                WEBSITE, [each.public_bytes(Encoding.DER) for each in chain], software_signer(key)
            ),
            trust=load_trust(folder),
        )
    except FileNotFoundError as error:
        raise IdentityError(f"no {Path(str(error.filename)).name}") from None
    except OSError as error:
        raise IdentityError(f"unreadable: {type(error).__name__}") from None
    except (KeyError, TypeError, ValueError):
        raise IdentityError("a file is damaged") from None
