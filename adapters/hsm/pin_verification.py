"""PINs inside the HSM: a block comes sealed to PIN-ENC, its reference is a keyed hash of it.

Steps of TR-TPR section 8 undone in the token: ECDH with the block's ephemeral key, AES-ECB of the
context gives the wrapping key, the unwrapped block becomes a session key that cannot be read.
Wrapped again under K_PVV (deterministic, RFC 3394) and hashed under K_PVV2 it is the reference.
The 32 bytes hold PIN and card together, so equal PINs of two cards have different references. A
reference begins with the generation of the keys that made it.

Limits: whoever holds the HSM's login can find PINs by trying. The scheme protects dumps, disks and
logs; it makes the machine no PCI PIN device. Trying is limited by the card's count of wrong PINs.
"""

import hmac
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec

from adapters.hsm.generations import labelled
from adapters.hsm.session import KeySession
from adapters.hsm.token import HsmRefused, Token
from protocol.pin import POINT_BYTES, WRAPPED_BYTES, pin_context

GENERATIONS_MOST: Final = 255
"""Of K_PVV and K_PVV2 together: a reference begins with one byte for them."""


class PinBlockInvalid(Exception):
    """The block does not open, or is none; which of the two is not said."""


class PinVerification:
    """PINs of our cards; all methods raise HsmUnavailable. Verifying takes 0.5 ms (SoftHSM).

    `ephemeral` is an uncompressed P-256 point, `block` the wrapped 40 bytes; `t4`, `counter` and
    `ms` (milliseconds since 1970) must be those that the block was sealed with; `pin_key` the
    generation of PIN-ENC that it was sealed to, 0 for the newest.
    """

    def __init__(self, token: Token) -> None:
        self._token = token

    def pin_public_key(self) -> ec.EllipticCurvePublicKey:
        """What PIN pads seal to."""
        label = self._token.generations.label("PIN-ENC")
        return self._token.run(lambda keys: keys.public_key_p256(label))

    def set_pin(
        self, ephemeral: bytes, block: bytes, t4: bytes, counter: int, ms: int, pin_key: int = 0
    ) -> bytes:
        """The reference of a new PIN: 33 bytes, worth nothing without the HSM.

        Nobody outside the token can see whether the block holds a PIN of this card: one that does
        not will never be matched. Raises PinBlockInvalid.
        """
        newest = self._token.generations.newest("K_PVV")
        return self._references(ephemeral, block, pin_context(t4, counter, ms), pin_key, [newest])[
            0
        ]

    def references(
        self, ephemeral: bytes, block: bytes, t4: bytes, counter: int, ms: int, pin_key: int = 0
    ) -> tuple[bytes, ...]:
        """What a presented PIN is compared as: its reference under each generation, newest first.

        Which one a card has is known where the card is. Raises PinBlockInvalid.
        """
        every = self._token.generations.all("K_PVV")
        return self._references(ephemeral, block, pin_context(t4, counter, ms), pin_key, every)

    def _references(
        self, ephemeral: bytes, block: bytes, context: bytes, pin_key: int, made_by: Sequence[int]
    ) -> tuple[bytes, ...]:
        if not _is_well_formed(ephemeral, block):
            raise PinBlockInvalid
        label = labelled("PIN-ENC", pin_key or self._token.generations.newest("PIN-ENC"))
        try:
            return self._token.run(
                lambda keys: _references(keys, label, ephemeral, block, context, made_by)
            )
        except HsmRefused:
            raise PinBlockInvalid from None

    def verify_pin(
        self, ephemeral: bytes, block: bytes, t4: bytes, counter: int, ms: int, reference: bytes
    ) -> bool:
        """Whether the block holds the PIN of the reference; False for any other block, too."""
        try:
            presented = self.references(ephemeral, block, t4, counter, ms)
        except PinBlockInvalid:
            return False
        matches = [hmac.compare_digest(each, reference) for each in presented]
        return True in matches


def _is_well_formed(ephemeral: bytes, block: bytes) -> bool:
    if len(ephemeral) != POINT_BYTES or len(block) != WRAPPED_BYTES:
        return False
    try:  # a point off the curve would tell about the private key (invalid-curve attack)
        ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), ephemeral)
    except ValueError:
        return False
    return True


def _references(
    keys: KeySession,
    pin_key: str,
    ephemeral: bytes,
    block: bytes,
    context: bytes,
    made_by: Sequence[int],
) -> tuple[bytes, ...]:
    with ExitStack() as wipe:
        shared = keys.derive_ecdh(pin_key, ephemeral)
        wipe.callback(keys.destroy, shared)
        wrapping = keys.derive_aes_ecb(shared, context)
        wipe.callback(keys.destroy, wrapping)
        pin = keys.unwrap_secret(wrapping, block)
        wipe.callback(keys.destroy, pin)
        wrapped = [(each, keys.wrap(labelled("K_PVV", each), pin)) for each in made_by]
    return tuple(
        bytes([each]) + keys.hmac(labelled("K_PVV2", each), block) for each, block in wrapped
    )
