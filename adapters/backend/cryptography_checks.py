"""What payments ask of the HSM, in the terms of payments (`card_questions`)."""

from adapters.backend.card_questions import Asked, Checked, PinAsked, Stripe
from adapters.hsm.card_verification import CardVerification, Track2, TrackFault
from adapters.hsm.keys import Hsm
from adapters.hsm.pin_verification import PinBlockInvalid, PinVerification
from application.authorize import CARD_NUMBER
from domain import pan as pans
from protocol.errors import BAD_PIN_BLOCK, BAD_TRACK, BodyError


class HsmChecks:
    """Stripes, card numbers and PINs. Every call may raise Unavailable."""

    def __init__(self, hsm: Hsm) -> None:
        self._hsm = hsm
        self._cards = CardVerification(hsm.token)
        self._pins = PinVerification(hsm.token)

    def check(self, asked: Asked) -> Checked:
        """The stripe and the PIN of a payment. Raises BodyError where either is none."""
        stripe = self._stripe(asked.track2) if asked.track2 else None
        return Checked(stripe, self._pin(asked.pin) if asked.pin is not None else None)

    def _stripe(self, track2: str) -> Stripe:
        text = track2.strip()
        found = self._cards.verify_track2(text)
        if found is TrackFault.FORMAT:
            raise BodyError(BAD_TRACK)
        pan = text[1 : text.index("=")]
        return Stripe(self.card_digests(pan), isinstance(found, Track2), pans.mask(pan))

    def card_digests(self, pan: str) -> tuple[bytes, ...]:
        """The keyed hashes under which a card number may be found, newest key first."""
        return self._hsm.indexes(CARD_NUMBER, pan)

    def _pin(self, asked: PinAsked) -> tuple[bytes, ...]:
        try:
            return self._pins.references(*asked)
        except PinBlockInvalid:
            raise BodyError(BAD_PIN_BLOCK) from None
