"""The HSM's PIN split over custodians by SLIP-0039, and put together again.

A share is 20 words (33 for a PIN of more than 15 bytes). Fewer shares than the threshold tell
nothing of the PIN. A checksum in each share finds a mistyped word, a digest in the secret a wrong
set, and an identifier in the first words a share of another ceremony.
"""

import secrets
import string
from collections.abc import Sequence
from hashlib import sha256
from typing import Final, NamedTuple

from shamir_mnemonic import MnemonicError, Share, combine_mnemonics, generate_mnemonics

PIN_LETTERS: Final = string.ascii_letters + string.digits
MADE_PIN_LENGTH: Final = 15
"""Letters and digits: 89 bits, as many bytes as fit beside their length into 128 bits."""
PIN_MOST_BYTES: Final = 31
_SIZES: Final = (16, 32)
_WORDS_MOST: Final = 40


class ShareError(Exception):
    """A share, or a set of shares, gives no PIN; the message says why and holds no word of it."""


class Known(NamedTuple):
    """What a share tells of itself: which split it is of, its number from 1, how many it needs."""

    identifier: int
    number: int
    threshold: int


def make_pin() -> str:
    """A random PIN that nobody needs to type: it goes from the shares into the HSM."""
    return "".join(secrets.choice(PIN_LETTERS) for _ in range(MADE_PIN_LENGTH))


def split(pin: str, threshold: int, count: int) -> list[str]:
    """`count` shares, of which `threshold` give the PIN back. Raises ShareError: PIN too long."""
    raw = pin.encode()
    if not 1 <= len(raw) <= PIN_MOST_BYTES:
        raise ShareError(f"a PIN of 1 to {PIN_MOST_BYTES} bytes can be split")
    size = next(each for each in _SIZES if len(raw) < each)
    secret = bytes([len(raw)]) + raw + secrets.token_bytes(size - 1 - len(raw))
    shares: list[str]
    (shares,) = generate_mnemonics(1, [(threshold, count)], secret)
    return shares


def read(words: str) -> Known:
    """What the share says of itself. Raises ShareError for what is no share, or mistyped."""
    try:
        share = Share.from_mnemonic(normalized(words))
    except (MnemonicError, ValueError, LookupError):
        raise ShareError("this is no share: a word is wrong, missing or too many") from None
    return Known(share.identifier, share.index + 1, share.member_threshold)


def combine(shares: Sequence[str], identifier: int | None = None) -> str:
    """The PIN of exactly, or more than, the threshold's shares of one split. Raises ShareError.

    `identifier`: of the split that they must be of, where it is known.
    """
    known = [read(words) for words in shares]
    if identifier is not None and any(each.identifier != identifier for each in known):
        raise ShareError("a share is of another ceremony")
    if len({each.identifier for each in known}) > 1:
        raise ShareError("the shares are of different ceremonies")
    if len({each.number for each in known}) != len(known):
        raise ShareError("a share was given twice")
    if not known or len(known) < known[0].threshold:
        needed = known[0].threshold if known else 2
        raise ShareError(f"{len(known)} shares were given, and {needed} are needed")
    try:
        secret: bytes = combine_mnemonics(
            [normalized(each) for each in shares[: known[0].threshold]]
        )
    except (MnemonicError, ValueError):
        raise ShareError("the shares do not fit together: one of them was altered") from None
    length = secret[0]
    try:
        if not 1 <= length < len(secret):
            raise ValueError
        return secret[1 : 1 + length].decode()
    except ValueError:
        raise ShareError("the shares hold no PIN of this program") from None


def fingerprint(words: str) -> str:
    """What the transcript holds of a share: a custodian recognizes it, and nobody learns from it.

    The first 16 hex digits of SHA-256; a share has 128 random bits at least.
    """
    return sha256(normalized(words).encode()).hexdigest()[:16]


def normalized(words: str) -> str:
    """Lower case, single blanks: as people type it. Raises ShareError for far too much."""
    found = words.lower().split()
    if len(found) > _WORDS_MOST:
        raise ShareError("this is no share: it has too many words")
    return " ".join(found)
