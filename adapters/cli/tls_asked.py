"""What `tls rotate` and `tls retire` wait for here until two operators agree, with the new keys.

It lies in `tls/asked/` from before the proposal is made until it is done here:
so the command given again goes on where it was, also after it was killed.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from devices.durable import write_durably

_FOLDER: Final = "asked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """`keys` by holder; `proposal` is empty where it is not known that there is one."""

    path: Path
    keys: Mapping[str, ec.EllipticCurvePrivateKey]
    proposal: str = ""

    def proposed(self, proposal: str) -> "Asked":
        """The same, by that proposal."""
        return replace(self, proposal=proposal)

    def keep(self) -> None:
        """Writes it. Raises OSError."""
        self.path.parent.mkdir(mode=0o700, exist_ok=True)
        keys = {holder: _pem(key) for holder, key in self.keys.items()}
        content = json.dumps({"proposal": self.proposal, "keys": keys})
        write_durably(self.path, content.encode())

    def forget(self) -> None:
        """It is done."""
        self.path.unlink(missing_ok=True)


def asked(home: Path, what: str) -> Asked | None:
    """What the command for `what` waits for here; None for nothing. Raises OSError, ValueError."""
    path = _path(home, what)
    try:
        content = json.loads(path.read_bytes())
        keys = {holder: _key(pem) for holder, pem in content["keys"].items()}
        return Asked(path=path, keys=keys, proposal=str(content["proposal"]))
    except FileNotFoundError:
        return None
    except (KeyError, TypeError, AttributeError):
        raise ValueError(f"{path} is damaged: remove it, and ask anew") from None


def ask(home: Path, what: str, holders: Sequence[str] = ()) -> Asked:
    """A new request, with new keys, kept. Raises OSError."""
    keys = {holder: ec.generate_private_key(ec.SECP256R1()) for holder in holders}
    made = Asked(path=_path(home, what), keys=keys)
    made.keep()
    return made


def _path(home: Path, what: str) -> Path:
    return home / "tls" / _FOLDER / f"{what}.json"


def _pem(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _key(pem: str) -> ec.EllipticCurvePrivateKey:
    key = load_pem_private_key(pem.encode(), None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError("no key of ours")
    return key
