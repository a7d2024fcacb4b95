"""What a server watches while certificates change: its own files, and which old ones still count.

A superseded class certificate is accepted until its window ends; then whoever still shows it is
refused, although the authority's signature on it holds. The list is a file beside the certificates
that `ticketrestaurant tls rotate` writes and the servers of this machine read. It is written before
the certificate is replaced: what is listed and still the current one of its class is not refused.
"""

import json
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from adapters.tls import CLASSES, TlsFiles, client_context, server_context

SUPERSEDED_FILE: Final = "superseded.json"
LOOK_EVERY_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Superseded:
    """A certificate that was replaced: of which holder, and until when it is still accepted."""

    holder: str
    until_ms: int


class SupersededList:
    """Certificates that were replaced, by the SHA-256 of their DER in lower-case hex."""

    def __init__(self, entries: Mapping[str, Superseded] | None = None) -> None:
        self.entries = dict(entries or {})

    @classmethod
    def read(cls, home: Path) -> "SupersededList":
        """The list of the state folder; empty where nothing was replaced yet.

        Raises OSError, and ValueError for a damaged file: without it nobody knows whom to refuse.
        """
        try:
            found = json.loads((home / "tls" / SUPERSEDED_FILE).read_bytes())
        except FileNotFoundError:
            return cls()
        try:
            return cls(
                {
                    fingerprint: Superseded(str(each["holder"]), int(each["until_ms"]))
                    for fingerprint, each in found.items()
                }
            )
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError(f"{SUPERSEDED_FILE} is damaged") from error

    def without_current(self, home: Path) -> "SupersededList":
        """Those that were in fact replaced: not the certificates that the state folder shows now.

        Raises OSError, ValueError.
        """
        folder = home / "tls"
        holders = {each.holder for each in self.entries.values()} & CLASSES
        current = {_fingerprint(folder / f"{each}.pem") for each in holders}
        return SupersededList(
            {name: each for name, each in self.entries.items() if name not in current}
        )

    def as_json(self) -> bytes:
        """The file's content."""
        entries = {
            fingerprint: {"holder": each.holder, "until_ms": each.until_ms}
            for fingerprint, each in sorted(self.entries.items())
        }
        return json.dumps(entries, indent=1).encode() + b"\n"

    def refuses(self, certificate_der: bytes | None, now_ms: int) -> bool:
        """Whether this certificate was replaced and its window is over."""
        if not certificate_der or not self.entries:
            return False
        found = self.entries.get(sha256(certificate_der).hexdigest())
        return found is not None and now_ms >= found.until_ms


@dataclass(frozen=True, slots=True)
class TlsState:
    """One server's TLS as its files say now."""

    server: ssl.SSLContext
    client: ssl.SSLContext
    superseded: SupersededList


class WatchedTls:
    """The TLS files of one server. `look` is cheap: nine calls of stat."""

    def __init__(self, home: Path, tls_class: str) -> None:
        """Raises OSError, ssl.SSLError or ValueError for files that are missing or unfit."""
        self._home = home
        self._files = TlsFiles.of_server(home, tls_class)
        self._seen = self._signature()
        self.state = self._load()

    def look(self, log: Callable[[str], None]) -> bool:
        """Whether the files changed and `state` is a new one.

        Files that do not fit are told to `log` once; what was in force before stays in force.
        """
        seen = self._signature()
        if seen == self._seen:
            return False
        try:
            self.state = self._load()
        except (OSError, ValueError) as error:  # an ssl.SSLError is an OSError
            reason = getattr(error, "reason", None) or type(error).__name__
            if self._signature() == seen:  # else: read while it was written, look again
                self._seen = seen
                log(f"unfit: {reason}")
            return False
        self._seen = seen
        return True

    def _load(self) -> TlsState:
        superseded = SupersededList.read(self._home).without_current(self._home)
        return TlsState(server_context(self._files), client_context(self._files), superseded)

    def _signature(self) -> tuple[tuple[int, int, int] | None, ...]:
        folder = self._home / "tls"
        shown = (folder / f"{each}.pem" for each in sorted(CLASSES))
        return tuple(_stat(path) for path in (*self._files, folder / SUPERSEDED_FILE, *shown))


def _fingerprint(path: Path) -> str:
    """Of the first certificate of a file; empty where there is no such file."""
    try:
        return x509.load_pem_x509_certificates(path.read_bytes())[0].fingerprint(SHA256()).hex()
    except FileNotFoundError:
        return ""


def _stat(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
