"""The next certificate of an identity folder: a new key, a request over the old one's session.

The new key and certificate are written beside the old ones and take their place in one step that
is finished at the next start if it was interrupted: the folder never holds a key without its
certificate.
"""

import contextlib
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from devices.durable import write_durably
from devices.identity_files import CERTIFICATE_FILE
from devices.personalisation import new_request
from devices.succession import COMPLETE, NEXT_FOLDER, finish
from protocol.encoding import b64, unb64

DUE_AFTER: Final = 2 / 3
"""Of its life a certificate is used before the next one is asked for …"""
JITTER: Final = 1 / 6
"""… and up to so much more, different for each holder, so that a fleet does not come at once."""

MOVES_AFTER: Final = timedelta(hours=1)
"""A new issuing authority is followed so long after the backend's certificate is from it …"""
MOVES_WITHIN: Final = timedelta(hours=4)
"""… or up to so much later, different for each holder."""


def due_at(certificate: x509.Certificate, backend: x509.Certificate | None = None) -> datetime:
    """When its holder should ask for the next one: the same moment however often it is asked.

    `backend` is the certificate that the backend showed. One that is younger and of another
    authority tells that ours is no longer the newest: its end may be near.
    """
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    name = sha256(certificate.subject.public_bytes()).digest()
    share = int.from_bytes(name[:4]) / (1 << 32)
    due = begin + (end - begin) * (DUE_AFTER + JITTER * share)
    if backend is not None and backend.issuer != certificate.issuer:
        moved = backend.not_valid_before_utc
        if moved > begin:
            return min(due, moved + MOVES_AFTER + MOVES_WITHIN * share)
    return due


def is_due(
    chain_der: Sequence[bytes], now_ms: int, backend: x509.Certificate | None = None
) -> bool:
    """Whether the leaf of a chain should be renewed; `backend` as for `due_at`."""
    leaf = x509.load_der_x509_certificate(chain_der[0])
    return datetime.fromtimestamp(now_ms / 1000, UTC) >= due_at(leaf, backend)


def prepare(folder: Path) -> str:
    """A request (b64 DER) for a new key, which waits in the folder; the same one again until it
    was answered. Raises OSError."""
    return b64(new_request(folder / NEXT_FOLDER))


def accept(folder: Path, chain: Sequence[str]) -> None:
    """Puts the answer in place. Raises OSError; ValueError for a chain of another key."""
    waiting = folder / NEXT_FOLDER
    certificates = [x509.load_der_x509_certificate(unb64(each)) for each in chain]
    request = x509.load_der_x509_csr(new_request(waiting))
    if not certificates or certificates[0].public_key() != request.public_key():
        raise ValueError("the certificate is for another key")
    pem = b"".join(each.public_bytes(Encoding.PEM) for each in certificates)
    write_durably(waiting / CERTIFICATE_FILE, pem)
    write_durably(waiting / COMPLETE, b"")
    finish(folder)


Ask = Callable[[str, str, dict[str, Any]], Awaitable[dict[str, Any] | None]]
"""Sends a request (kind, verb, body) in the session and gives the answer's body, None for a no."""


async def renew(folder: Path, ask: Ask) -> bool:
    """Asks for the next certificate; True: it is in place, and the next session must use it."""
    with contextlib.suppress(OSError, ValueError):
        answer = await ask("C", "RENEW", {"csr": prepare(folder)})
        result = answer.get("result") if answer is not None else None
        if isinstance(result, dict):
            accept(folder, result["certificate"])
            return True
    return False
