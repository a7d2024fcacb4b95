"""Personalisation on this machine: identity folders, stripes for the encoder, PINs for the mailer.

A folder is made beside the others under a passing name and takes its own name once the backend
answered, so that an interrupted command leaves nothing that looks like a device. On a real site
stripe and PIN go to the card encoder and the PIN-mailer printer and no file is left.
"""

import contextlib
import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from adapters.cli.failure import misconfigured
from adapters.tls_material import class_tls_files
from devices.durable import write_durably
from devices.identity import Device, show_address
from devices.keystore import FileKeyStore
from devices.magstripe import StripeError, read_stripe
from devices.personalisation import CardData, new_request, store_card, write_identity
from protocol.encoding import b64, unb64

STRIPE_FILE: Final = "stripe.txt"
"""Track 1 and track 2 as the encoder wants them: it adds the LRC."""
PIN_FILE: Final = "pin.txt"
NOTE: Final = (
    "On a real site stripe.txt goes to the card encoder and pin.txt to the PIN-mailer printer;"
    " here they are files of mode 0600."
)
_OBVIOUS: Final = frozenset(
    {str(digit) * 4 for digit in range(10)}
    | {"0123456789"[at : at + 4] for at in range(7)}
    | {"9876543210"[at : at + 4] for at in range(7)}
)


class Workbench:
    """Where devices of this machine are personalised: `<home>/devices`."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self._devices = home / "devices"

    @contextlib.contextmanager
    def new_identity(self) -> "Iterator[NewIdentity]":
        """A folder with a new key; removed again unless it was completed."""
        folder = self._devices / f".new-{secrets.token_hex(8)}"
        try:
            self._devices.mkdir(mode=0o700, parents=True, exist_ok=True)
            yield NewIdentity(self.home, folder)
        except OSError as error:
            raise misconfigured(f"{self._devices}: {error.strerror}") from None
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def folder_of(self, card: str) -> Path:
        """The folder of a card or terminal, which may not exist."""
        return self._devices / card

    def write_stripe(self, card: str, track1: str, track2: str) -> Path:
        """What the encoder writes onto the card."""
        folder = self._folder(card)
        write_durably(folder / STRIPE_FILE, f"{track1}{track2}\n".encode("ascii"))
        return folder

    def write_pin(self, card: str, pin: str) -> None:
        """What the PIN mailer tells the cardholder."""
        write_durably(self._folder(card) / PIN_FILE, f"{pin}\n".encode("ascii"))

    def has_pin(self, card: str) -> bool:
        """Whether a PIN was set from here."""
        return (self._devices / card / PIN_FILE).exists()

    def pan_of(self, card: str) -> str:
        """The number of a stripe card personalised here. Raises Failure."""
        path = self._devices / card / STRIPE_FILE
        try:
            return read_stripe(path.read_text(encoding="ascii")).pan
        except OSError:
            raise misconfigured(
                f"{path} is not there: a PIN can be set only where the stripe was personalised"
            ) from None
        except (StripeError, UnicodeDecodeError):
            raise misconfigured(f"{path} is damaged") from None

    def _folder(self, card: str) -> Path:
        folder = self._devices / card
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
        return folder


class NewIdentity:
    """An identity folder in the making."""

    def __init__(self, home: Path, folder: Path) -> None:
        self._home = home
        self._folder = folder
        self.request = b64(new_request(folder))
        """The certificate request: DER, base64url."""

    def complete(
        self,
        role: str,
        subject_id: str,
        chain: Sequence[str],
        operator: Device,
        *,
        shop: str | None = None,
        shop_name: str = "",
        card: CardData | None = None,
    ) -> Path:
        """The finished folder under its own name. `role` is also its TLS class."""
        if card is not None:
            store_card(self._folder, FileKeyStore(self._folder), card)
        write_identity(
            self._folder,
            subject_id=subject_id,
            role=role,
            gateway=show_address(operator.gateway),
            chain_der=[unb64(each) for each in chain],
            root_pem=(self._home / "pki" / "root.pem").read_bytes(),
            tls=class_tls_files(self._home, role),
            shop=shop,
            shop_name=shop_name,
        )
        place = self._folder.with_name(subject_id)
        self._folder.rename(place)
        return place


def random_pin() -> str:
    """Four random digits, none of the ones that everybody tries first."""
    while True:
        pin = f"{secrets.randbelow(10_000):04}"
        if pin not in _OBVIOUS:
            return pin


def shown(card: Mapping[str, Any]) -> dict[str, Any]:
    """A card of an answer without what is on its stripe."""
    return {key: card[key] for key in ("card", "kind", "masked_pan", "expiry")}
