"""A virtual card for a phone elsewhere: its installation package, made before the card is issued.

The card's number comes once, in the answer to ISSUE. So everything that can fail is done before it
is asked for: the place, the TLS files, the key. The package gets its own name last.
"""

import contextlib
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from adapters.cli.failure import in_words, misconfigured, refused
from adapters.tls_material import class_tls_files
from devices.card_package import lock_card, new_code
from devices.durable import sync_folder
from devices.enrolment import write_package
from devices.identity import Device, show_address
from devices.personalisation import CardData, signing_request
from devices.pkcs12 import Bundle
from protocol.encoding import b64, unb64


@contextlib.contextmanager
def new_package(home: Path, place: Path, operator: Device) -> "Iterator[NewPackage]":
    """A package that becomes the folder `place`; no trace of it unless it was completed."""
    place = place.absolute()
    _check_free(place)
    fresh = place.with_name(f".{place.name}.new")
    try:
        _begin(fresh, home, operator)
        yield NewPackage(fresh, place)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _check_free(place: Path) -> None:
    try:
        taken = place.exists() or place.is_symlink()
    except OSError as error:  # a name that is too long, a folder that is closed to us
        raise misconfigured(in_words(error)) from None
    if taken:
        raise refused(f"{place} is there already: remove it, or give another name")


def _begin(fresh: Path, home: Path, operator: Device) -> None:
    """What every package for a phone holds."""
    try:
        shutil.rmtree(fresh, ignore_errors=True)  # of a command that was killed
        fresh.mkdir(mode=0o700, parents=True)
        write_package(
            fresh,
            gateway=show_address(operator.gateway),
            root_pem=(home / "pki" / "root.pem").read_bytes(),
            tls=class_tls_files(home, "card"),
        )
    except OSError as error:
        raise misconfigured(in_words(error)) from None
    except ValueError:
        raise misconfigured(f"a TLS certificate under {home / 'tls'} is damaged") from None


class NewPackage:
    """A package in the making. The key is in memory until it is encrypted."""

    def __init__(self, fresh: Path, place: Path) -> None:
        self.place = place
        self._fresh = fresh
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.request = b64(signing_request(self._key))
        """The certificate request: DER, base64url."""

    def complete(self, card_id: str, chain: Sequence[str], card: CardData) -> str:
        """The package under its own name; its code, which is kept nowhere."""
        leaf, *authorities = (x509.load_der_x509_certificate(unb64(each)) for each in chain)
        code = new_code()
        try:
            lock_card(self._fresh, Bundle(self._key, leaf, authorities), card, code)
            self._fresh.rename(self.place)
            sync_folder(self.place.parent)
        except OSError as error:
            raise misconfigured(
                f"card {card_id} is issued, but its package could not be written"
                f" ({in_words(error)}): block it and issue another."
            ) from None
        return code
