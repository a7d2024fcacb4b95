"""What calls to the HSM cost, and what the backend makes with them: PINs, certificates, handshakes.

Calls are timed one at a time in one thread; the rates are those of as many threads as the lane has.
"""

import asyncio
import itertools
import os
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from adapters.hsm.authority import Authority
from adapters.hsm.keys import Hsm
from adapters.hsm.pin_verification import PinVerification
from adapters.hsm.validation import Entry, Validation
from devices.identity import Device, load_device
from devices.load_connection import Connection
from protocol.encoding import unb64
from protocol.pin import seal_pin
from script.benchmark.population import new_id

HANDSHAKES_AT_ONCE = 16
_PAN, _PIN = "9840001234567897", "2846"
_MS = 1


class HsmRates:
    """Of the token that the installation uses, in this process; the backend must not run."""

    def __init__(self, hsm: Hsm, threads: int) -> None:
        self._hsm = hsm
        self._threads = threads
        self._pins = PinVerification(hsm.token)
        t4 = os.urandom(32)
        sealed = seal_pin(_PIN, _PAN, self._pins.pin_public_key(), t4, 0, _MS)
        self._block = unb64(sealed["ephemeral"]), unb64(sealed["block"]), t4, 0, _MS
        self._reference = self._pins.set_pin(*self._block)

    def costs_us(self, seconds: float) -> dict[str, float]:
        """Microseconds of each kind of call, by its name."""
        calls: dict[str, Callable[[], object]] = {
            "hmac": lambda: self._hsm.index("pan", _PAN),
            "gcm": lambda: self._hsm.seal_data_key(1, 1, b"", bytes(32)),
            "ecdsa": lambda: self._hsm.sign_identity(b"message"),
            "pin": self._verify,
        }
        return {name: 1e6 / _rate(call, 1, seconds) for name, call in calls.items()}

    def pins_per_second(self, seconds: float) -> float:
        """PIN blocks opened and held against their reference."""
        return _rate(self._verify, self._threads, seconds)

    def certificates_per_second(self, seconds: float) -> float:
        """Individual certificates for keys that are there already."""
        authority = Authority(self._hsm.token)
        keys = itertools.cycle([_public_key() for _ in range(8)])
        return _rate(
            lambda: authority.issue_leaf(next(keys), new_id(), "pos"), self._threads, seconds
        )

    def ocsp_per_second(self, seconds: float) -> float:
        """OCSP questions read, answered and signed."""
        authority = Authority(self._hsm.token)
        leaf = authority.issue_leaf(_public_key(), new_id(), "pos")
        asked = ocsp.OCSPRequestBuilder().add_certificate(leaf, authority.issuing, SHA1())
        request = asked.build().public_bytes(Encoding.DER)
        validation = Validation(authority, _AllGood())
        return _rate(lambda: validation.answer(request), self._threads, seconds)

    def _verify(self) -> None:
        if not self._pins.verify_pin(*self._block, self._reference):
            raise RuntimeError("the right PIN was refused")


class _AllGood:
    """A ledger in which every certificate is known and none is revoked."""

    def is_issued(self, serial: int) -> bool:
        return True

    def get(self, serial: int) -> None:
        return None

    def all(self) -> list[Entry]:
        return []


def handshakes_per_second(terminals: Sequence[Path], seconds: float) -> float:
    """TLS, our handshake, READY, and away: whole sessions through the gateway."""
    devices = [load_device(folder, "pos") for folder in terminals[:HANDSHAKES_AT_ONCE]]
    return asyncio.run(_connecting(devices, seconds))


async def _connecting(devices: Sequence[Device], seconds: float) -> float:
    until_s = time.monotonic() + seconds
    done = 0

    async def again_and_again(device: Device) -> None:
        nonlocal done
        while time.monotonic() < until_s:
            connection = Connection(device)
            await connection.connect()
            done += 1
            connection.close()
            await connection.lost()

    await asyncio.gather(*(again_and_again(device) for device in devices))
    return done / seconds


def _rate(call: Callable[[], object], threads: int, seconds: float) -> float:
    """Calls a second of all threads together. Raises what a call raised."""
    call()
    counts = [0] * threads
    wrong: list[BaseException] = []
    until_s = time.monotonic() + seconds

    def work(place: int) -> None:
        try:
            while time.monotonic() < until_s:
                call()
                counts[place] += 1
        except BaseException as error:
            wrong.append(error)

    running = [threading.Thread(target=work, args=(place,)) for place in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    if wrong:
        raise wrong[0]
    return sum(counts) / seconds


def _public_key() -> ec.EllipticCurvePublicKey:
    return ec.generate_private_key(ec.SECP256R1()).public_key()
