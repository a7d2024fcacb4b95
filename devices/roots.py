"""The roots that a device trusts, in its folder: a new one is taken up, a retired one dropped.

READY tells of both. What is believed of it `protocol/roots.py` says: a new root only where a root
that is held already vouches for its key.
"""

import contextlib
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from devices.durable import write_durably
from devices.identity_files import ROOT_FILE
from protocol.certificates import Trust
from protocol.record import Session
from protocol.roots import read_told, taken_up


def load_trust(folder: Path) -> Trust:
    """Trust in the roots of the folder. Raises OSError, ValueError."""
    return trust_in((folder / ROOT_FILE).read_bytes())


def trust_in(pem: bytes) -> Trust:
    """Trust in all roots of a PEM file. Raises ValueError."""
    found = x509.load_pem_x509_certificates(pem)
    return Trust(*(each.public_bytes(Encoding.DER) for each in found))


def take_up_roots(
    folder: Path, trust: Trust, session: Session, ready: Mapping[str, Any], now_ms: int
) -> bool:
    """Holds what READY tells against what is trusted; whether that changed, in the folder too.

    What cannot be written is not trusted either: the next session tells it again.
    """
    told = read_told(ready.get("roots"))
    if told is None:
        return False
    now = datetime.fromtimestamp(now_ms / 1000, UTC)
    roots = taken_up(trust.roots, told, session.peer.root, now)
    if list(trust.roots) == roots:
        return False
    with contextlib.suppress(OSError):
        pem = b"".join(each.public_bytes(Encoding.PEM) for each in roots)
        write_durably(folder / ROOT_FILE, pem)
        trust.roots = tuple(roots)
        return True
    return False
