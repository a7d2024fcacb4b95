"""Tokens that are not ours: SoftHSM stands for a smart card, an own HSM and a network HSM.

Each is made in a process and under a configuration of its own, as its maker's tools would.
"""

import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from adapters.hsm.softhsm import find_module

_MAKE = """
import sys
from pathlib import Path
from pkcs11 import Attribute, KeyType, MechanismFlag
from adapters.hsm import softhsm
from adapters.hsm.provision import KeySpec, make_key
from adapters.hsm.token import Token

folder, module, label, pin, key = sys.argv[1:]
folder, module = Path(folder), Path(module)

def fill():
    if key:
        token = Token(module, label, pin, writable=True)
        make_key(token, Named(key, KeyType.EC, MechanismFlag.DERIVE))
        token.close()

class Named(KeySpec):
    @property
    def label(self):
        return self.name

softhsm.create_token(folder, module, label, pin, fill)
"""
CARD_KEY = "ticketrestaurant"


class Foreign(NamedTuple):
    """A token of somebody else: where it is, and what its module must be told to find it."""

    folder: Path
    module: Path
    label: str
    pin: str

    @property
    def environment(self) -> dict[str, str]:
        """For the process that is to see it."""
        return {**os.environ, "SOFTHSM2_CONF": str(self.folder / "softhsm2.conf")}

    def take_away(self) -> None:
        """As when a card is drawn out of its reader."""
        (self.folder / "tokens").rename(self.folder / "away")

    def bring_back(self) -> None:
        """And put in again."""
        (self.folder / "away").rename(self.folder / "tokens")


def make(folder: Path, label: str, pin: str, key: str = "") -> Foreign:
    """A token, empty but for the key pair of that label (P-256, for ECDH)."""
    made = Foreign(folder, find_module(folder), label, pin)
    subprocess.run(
        [sys.executable, "-c", _MAKE, str(folder), str(made.module), label, pin, key], check=True
    )
    return made
