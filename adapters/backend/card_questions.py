"""What a payment asks of the HSM, and how that goes to the process that asks it.

Between the backend and `adapters.hsm_process`, over a socket pair: messages of MessagePack, each
behind its length (4 bytes, big-endian). Nobody else sees them: they hold card numbers.
"""

from collections.abc import Callable
from typing import Any, Final, NamedTuple, Protocol

import msgspec

KEYS: Final = ("K_CVV", "K_INDEX", "K_PVV", "PIN-ENC")
"""Whose generations a question is answered under."""
PIN_REFUSED: Final = 3
"""The status with which the process ends where the HSM refuses its PIN: no other may try it."""
OPENED: Final = 0
"""The number of the answer that nobody asked for: the process has the HSM open."""
_LENGTH_BYTES: Final = 4


class Stripe(NamedTuple):
    """What the HSM says of a track: the card number's keyed hashes, newest key first, and whether
    we made the stripe."""

    digests: tuple[bytes, ...]
    genuine: bool
    masked_pan: str


class PinAsked(NamedTuple):
    """A sealed PIN and what it was sealed with: TR-TPR section 8. `pin_key`: the generation of
    PIN-ENC."""

    ephemeral: bytes
    block: bytes
    t4: bytes
    counter: int
    ms: int
    pin_key: int


class Asked(NamedTuple):
    """Either of the two, or both: a stripe's track 2 ("" where it is known), a PIN."""

    track2: str
    pin: PinAsked | None


class Checked(NamedTuple):
    """The answer: of what was asked."""

    stripe: Stripe | None
    references: tuple[bytes, ...] | None


class CardChecks(Protocol):
    """Who answers. `done` is given a `Checked`, or an exception: Unavailable, BodyError."""

    @property
    def healthy(self) -> bool: ...

    def submit(self, asked: Asked, done: Callable[[Any], None]) -> bool: ...


# Between the processes


class Question(msgspec.Struct, frozen=True, array_like=True):
    """`generations`: the newest of each of `KEYS`, in this order."""

    number: int
    generations: tuple[int, ...]
    asked: Asked


class Answer(msgspec.Struct, frozen=True, array_like=True):
    """`refused`: the code and the text of a BodyError. Without anything: the HSM is not there."""

    number: int
    took_s: float
    checked: Checked | None = None
    refused: tuple[str, str] | None = None


_encode: Final = msgspec.msgpack.Encoder().encode


def framed(message: Any) -> bytes:
    """The bytes of a message."""
    encoded = _encode(message)
    return len(encoded).to_bytes(_LENGTH_BYTES, "big") + encoded


class Frames:
    """Messages out of bytes that come in pieces of any size."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def take(self, data: bytes) -> list[bytes]:
        """Those that are whole by now."""
        waiting, found, at = self._bytes, [], 0
        waiting += data
        while len(waiting) >= (begin := at + _LENGTH_BYTES):
            end = begin + int.from_bytes(waiting[at:begin], "big")
            if len(waiting) < end:
                break
            found.append(bytes(waiting[begin:end]))
            at = end
        del waiting[:at]
        return found

    def clear(self) -> None:
        """Forgets what is not whole: no more will come."""
        self._bytes.clear()
