"""What payments ask of the HSM, in the terms of payments (`payments.Cryptography`)."""

from adapters.backend.payments import Stripe
from adapters.hsm.card_verification import CardVerification, Track2, TrackFault
from adapters.hsm.keys import Hsm
from adapters.hsm.pin_verification import PinBlockInvalid, PinVerification
from application.authorize import CARD_NUMBER
from domain import pan as pans
from protocol.errors import BAD_PIN_BLOCK, BAD_TRACK, BodyError
from protocol.record import Session


class HsmChecks:
    """Stripes, card numbers and PINs. Every call may raise Unavailable."""

    def __init__(self, hsm: Hsm) -> None:
        self._hsm = hsm
        self._cards = CardVerification(hsm.token)
        self._pins = PinVerification(hsm.token)

    def check_stripe(self, track2: str) -> Stripe:
        """The card of a track 2 as read. Raises BodyError where it is no track 2."""
        text = track2.strip()
        found = self._cards.verify_track2(text)
        if found is TrackFault.FORMAT:
            raise BodyError(BAD_TRACK)
        pan = text[1 : text.index("=")]
        return Stripe(self.card_digests(pan), isinstance(found, Track2), pans.mask(pan))

    def card_digests(self, pan: str) -> tuple[bytes, ...]:
        """The keyed hashes under which a card number may be found, newest key first."""
        return self._hsm.indexes(CARD_NUMBER, pan)

    def pin_references(
        self, ephemeral: bytes, block: bytes, session: Session, counter: int, ms: int
    ) -> tuple[bytes, ...]:
        """What the HSM makes of a presented PIN. Raises BodyError for a block that is none."""
        try:
            return self._pins.references(ephemeral, block, session.t4, counter, ms, session.pin_key)
        except PinBlockInvalid:
            raise BodyError(BAD_PIN_BLOCK) from None
