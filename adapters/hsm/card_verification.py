"""The stripe's text and its verification value: made and checked with K_CVV in the HSM.

Tracks after ISO/IEC 7813, from sentinel to sentinel; the encoder adds the LRC. Discretionary data:
generation of K_CVV (1 digit), issue sequence (2), MAC (8) = the first 64 bits of HMAC-SHA-256 over
label, PAN, expiry, service code and sequence, modulo 10^8. It stops forgery, not cloning.
"""

import hmac
import re
import secrets
import unicodedata
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from adapters.hsm.token import Token
from domain import pan as pans
from protocol.encoding import lp

SERVICE_CODE: Final = "727"
"""Closed loop; online only; goods and services only, PIN where there is a pad (ISO/IEC 7813)."""
VERSIONS_MOST: Final = 9
"""Generations of K_CVV: the stripe has one digit for them, and 0 is none."""
_LABEL: Final = b"TR-CVV/1"
_TRACK_2: Final = re.compile(
    r";(?P<pan>[0-9]{12,19})=(?P<expiry>[0-9]{4})(?P<service>[0-9]{3})"
    r"(?P<version>[0-9])(?P<sequence>[0-9]{2})(?P<mac>[0-9]{8})\?",
    re.ASCII,
)
_TRACK_2_LONGEST: Final = 39  # 40 with the LRC
_NAME_LONGEST: Final = 26


class TrackFault(StrEnum):
    """Why a track 2 is not believed: unreadable, or not written by us."""

    FORMAT = "format"
    CHECK_DIGIT = "check-digit"
    EXPIRY = "expiry"
    CARD_CHECK = "card-check"


@dataclass(frozen=True, slots=True)
class Track2:
    """A genuine track 2. Its `repr` shows no card data."""

    pan: str = field(repr=False)
    expiry: str = field(repr=False)  # YYMM
    service_code: str = field(repr=False)
    sequence: int = field(repr=False)

    @property
    def masked(self) -> str:
        """First six and last four digits."""
        return pans.mask(self.pan)


def draw_pan(prefix: str) -> str:
    """A random card number of 16 digits behind the prefix; whether it is free is not known here."""
    return pans.make(prefix, secrets.randbelow(pans.room(prefix)))


def stripe_name(first_name: str, last_name: str) -> str:
    """A name as track 1 carries it: `LAST/FIRST`, 2 to 26 characters of the 64 that it knows.

    Accents are dropped; a name in another script becomes `CARDHOLDER`.
    """
    last, first = _plain(last_name), _plain(first_name)
    if len(last) + len(first) < 2:
        return "CARDHOLDER"
    return f"{last}/{first}"[:_NAME_LONGEST].rstrip()


class CardVerification:
    """Stripes of our cards. Methods raise HsmUnavailable."""

    def __init__(self, token: Token) -> None:
        self._token = token

    def make_tracks(
        self, pan: str, name: str, expiry: str, service_code: str, sequence: int
    ) -> tuple[str, str]:
        """Track 1 and track 2 of a card. `name` from `stripe_name`, `expiry` YYMM, `sequence`
        0 .. 99 counts the re-issues. Raises ValueError for what a stripe cannot carry."""
        if pans.parse(pan) != pan or not _is_month(expiry) or not 0 <= sequence <= 99:
            raise ValueError("no card number, expiry or sequence")
        if not re.fullmatch("[0-9]{3}", service_code, re.ASCII):
            raise ValueError("a service code has three digits")
        if not re.fullmatch(r"[A-Z0-9 ./'-]{2,26}", name):
            raise ValueError("not a name for track 1")
        version = self._token.generations.newest("K_CVV")
        mac = self._mac(version, pan, expiry, service_code, f"{sequence:02}")
        rest = f"{expiry}{service_code}{version}{sequence:02}{mac}"
        track2 = f";{pan}={rest}?"
        if len(track2) > _TRACK_2_LONGEST:
            raise ValueError("the card number is too long for track 2")
        return f"%B{pan}^{name}^{rest}?", track2

    def verify_track2(self, text: str) -> Track2 | TrackFault:
        """The track, if the HSM made its verification value; else why not."""
        found = _TRACK_2.fullmatch(text)
        if found is None or len(text) > _TRACK_2_LONGEST:
            return TrackFault.FORMAT
        pan, expiry, service, version, sequence, mac = found.groups()
        if not pans.luhn_ok(pan):
            return TrackFault.CHECK_DIGIT
        if not _is_month(expiry):
            return TrackFault.EXPIRY
        made_by = int(version)
        if made_by not in self._token.generations.all("K_CVV"):
            return TrackFault.CARD_CHECK
        if not hmac.compare_digest(self._mac(made_by, pan, expiry, service, sequence), mac):
            return TrackFault.CARD_CHECK
        return Track2(pan, expiry, service, int(sequence))

    def _mac(self, version: int, pan: str, expiry: str, service_code: str, sequence: str) -> str:
        parts = (pan, expiry, service_code, sequence)
        data = lp(_LABEL) + b"".join(lp(part.encode()) for part in parts)
        digest = self._token.run(lambda keys: keys.hmac(f"K_CVV/{version}", data))
        return f"{int.from_bytes(digest[:8]) % 10**8:08}"


def _is_month(expiry: str) -> bool:
    return bool(re.fullmatch(r"[0-9]{2}(0[1-9]|1[0-2])", expiry, re.ASCII))


def _plain(name: str) -> str:
    # NFKD takes é apart into e and an accent, which is then left out like all other signs.
    letters = unicodedata.normalize("NFKD", name).upper()
    return re.sub(" +", " ", re.sub(r"[^A-Z0-9 .'-]", "", letters)).strip()
