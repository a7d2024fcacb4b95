"""TLS between our own processes and devices: 1.3 only, both sides proven, our own authority only.

A certificate proves a class (`pos`, `card`, `website`, `gateway`, `backend`), never an individual;
the individual proves itself in the session inside (TR-TPR). Names follow RFC 6125: the SAN decides,
and the common name must say the same.
"""

import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

CLASSES: Final = frozenset({"gateway", "backend", "website", "pos", "card"})
DOMAIN: Final = "ticketrestaurant.internal"
COMMON_NAME: Final = "TicketRestaurant US TLS "
KEY_INSIDE: Final = b"-----BEGIN PRIVATE KEY-----"


class TlsFiles(NamedTuple):
    """Where one party's TLS material lies, all PEM.

    A certificate file that holds the private key, too, needs no `key`: such a file is replaced
    as one, so nobody ever reads the key of one certificate beside another.
    """

    certificate: Path
    key: Path
    authority: Path

    @classmethod
    def of_server(cls, home: Path, tls_class: str) -> "TlsFiles":
        """Those of a server in the state folder `home`."""
        folder = home / "tls"
        return cls(folder / f"{tls_class}.pem", folder / f"{tls_class}.key", folder / "ca.pem")

    @property
    def has_key_inside(self) -> bool:
        """Whether the certificate file holds the private key. Raises OSError."""
        return KEY_INSIDE in self.certificate.read_bytes()

    @classmethod
    def of_identity(cls, folder: Path) -> "TlsFiles":
        """Those of a device or operator in its identity folder."""
        return cls(folder / "tls.pem", folder / "tls.key", folder / "tls-ca.pem")


def server_name(tls_class: str) -> str:
    """The name to ask of a server, wherever it runs: `localhost` would fit two of them."""
    if tls_class not in CLASSES:
        raise ValueError(f"no such TLS class: {tls_class}")
    return f"{tls_class}.{DOMAIN}"


def server_context(files: TlsFiles) -> ssl.SSLContext:
    """For a listener. Raises OSError or ssl.SSLError for files that are missing or unfit.

    No session tickets: a resumed connection would skip the look at the client's certificate.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.num_tickets = 0
    return _strict(context, files)


def client_context(files: TlsFiles) -> ssl.SSLContext:
    """For a caller, who passes `server_hostname=server_name(...)` when connecting."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = True
    return _strict(context, files)


def _strict(context: ssl.SSLContext, files: TlsFiles) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cafile=files.authority)
    context.load_cert_chain(files.certificate, None if files.has_key_inside else files.key)
    return context


def peer_class(certificate: Mapping[str, Any] | None) -> str | None:
    """The class in a verified certificate (`get_extra_info("peercert")`), None if it has none.

    Exactly one name under our domain, and the same class in the common name.
    """
    if not certificate:
        return None
    suffix = "." + DOMAIN
    names = [
        value.removesuffix(suffix)
        for kind, value in certificate.get("subjectAltName", ())
        if kind == "DNS" and value.endswith(suffix)
    ]
    common = [
        value
        for attributes in certificate.get("subject", ())
        for kind, value in attributes
        if kind == "commonName"
    ]
    if len(names) != 1 or names[0] not in CLASSES or common != [COMMON_NAME + names[0]]:
        return None
    return str(names[0])
