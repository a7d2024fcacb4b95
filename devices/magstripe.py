"""The text of a magnetic stripe as a reader delivers it (ISO/IEC 7813), checked and taken apart.

Layout and discretionary data: TR-CFS. No error says anything that was on the stripe.
"""

import re
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class _Format:
    """One track: what it looks like, its length with LRC, and the code of its characters."""

    sentinel: str
    pattern: re.Pattern[str]
    longest: int
    base: int
    mask: int


_TRACK_1 = _Format(
    "%",
    re.compile(
        r"%B(?P<pan>[0-9]{12,19})\^[^^?%;]{2,26}\^(?P<rest>[0-9]{7})(?P<free>[^^?%;]*)\?", re.ASCII
    ),
    79,
    0x20,
    0x3F,
)
_TRACK_2 = _Format(
    ";",
    re.compile(r";(?P<pan>[0-9]{12,19})=(?P<rest>[0-9]{7})(?P<free>[0-9]*)\?", re.ASCII),
    40,
    0x30,
    0x0F,
)
# Discretionary data of our cards: key version (1), issue sequence (2), MAC (8): TR-CFS.
_DISCRETIONARY = re.compile(r"[0-9]{0,11}", re.ASCII)
_MAX_TEXT = 512
_FIRST_SHOWN, _LAST_SHOWN = 6, 4


class StripeError(ValueError):
    """The stripe could not be read; `code` for programs, the message for the cashier."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True, slots=True)
class Stripe:
    """What one swipe told. Its `repr` shows no card data."""

    pan: str = field(repr=False)
    expiry: str = field(repr=False)  # YYMM
    service_code: str = field(repr=False)
    discretionary: str = field(repr=False)

    @property
    def track2(self) -> str:
        """Track 2 from sentinel to sentinel, as the backend wants it."""
        return f";{self.pan}={self.expiry}{self.service_code}{self.discretionary}?"

    @property
    def masked(self) -> str:
        """First six and last four digits: the most that may be shown or kept."""
        return mask(self.pan)


def mask(pan: str) -> str:
    """A PAN with all but its first six and last four digits hidden."""
    hidden = len(pan) - _FIRST_SHOWN - _LAST_SHOWN
    return pan[:_FIRST_SHOWN] + "*" * hidden + pan[-_LAST_SHOWN:]


def read_stripe(text: str) -> Stripe:
    """The stripe from track 1, track 2 or both, in that order; an LRC after each may be there.

    Readers differ: line ends and blanks around a track, a third track and the LRC character are
    accepted. Both tracks are compared when both were read. Raises StripeError.
    """
    text = text.strip(" \t\r\n\0")
    if not text:
        raise StripeError("empty", "Nothing was read. Swipe the card again.")
    if len(text) > _MAX_TEXT:
        raise StripeError("too-long", "This is not the text of a payment card.")
    text = text.upper()
    first, rest = _take(_TRACK_1, text)
    second, _ = _take(_TRACK_2, rest)
    if first is None and second is None:
        raise StripeError("unreadable", "The stripe could not be read. Swipe the card again.")
    if first is not None and second is not None and not _agree(first, second):
        raise StripeError("tracks-differ", "The two tracks of this card differ. Do not accept it.")
    stripe = second or first
    assert stripe is not None
    if not luhn_ok(stripe.pan):
        raise StripeError("check-digit", "The card number was misread. Swipe the card again.")
    if not "01" <= stripe.expiry[2:] <= "12":
        raise StripeError("expiry", "The expiry date was misread. Swipe the card again.")
    return stripe


def luhn_ok(digits: str) -> bool:
    """Whether the last digit is the Luhn check digit of the others (ISO/IEC 7812-1)."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def _take(track: _Format, text: str) -> tuple[Stripe | None, str]:
    """The track that the text starts with, or None; and the text after it."""
    if not text.startswith(track.sentinel):
        return None, text
    match = track.pattern.match(text)
    if match is None:
        # A reader says "%E?" or ";E?" for a track that it could not read: try the other track.
        end = text.find("?")
        return None, text[end + 1 :].lstrip() if end >= 0 else ""
    after = text[match.end() :]
    if len(match[0]) + 1 > track.longest:
        raise StripeError("too-long", "This is not the text of a payment card.")
    if after and not after[0].isspace() and not _starts_track(after):
        if after[0] != _lrc(track, match[0]):
            raise StripeError("lrc", "The stripe was misread. Swipe the card again.")
        after = after[1:]
    # Track 1 may carry more than track 2 has room for; ours starts with the same eleven digits.
    free = match["free"] if track is _TRACK_2 else _digits(match["free"])
    rest = match["rest"]
    return Stripe(match["pan"], rest[:4], rest[4:], free), after.lstrip()


def _digits(free: str) -> str:
    match = _DISCRETIONARY.match(free)
    return match[0] if match else ""


def _starts_track(text: str) -> bool:
    # ";" can be the LRC of track 1 as well; then the sentinel of track 2 follows it.
    return text[0] in ";+%" and len(text) > 1 and text[1] not in ";+"


def _lrc(track: _Format, text: str) -> str:
    """The longitudinal check character: xor of the bits, start sentinel to end sentinel."""
    total = 0
    for character in text:
        total ^= (ord(character) - track.base) & track.mask
    return chr(track.base + total)


def _agree(first: Stripe, second: Stripe) -> bool:
    same = (first.pan, first.expiry, first.service_code)
    return same == (second.pan, second.expiry, second.service_code)
