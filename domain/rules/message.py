"""Rules over the message, the terminal and the card that it came with."""

from domain.aggregates import card as cards
from domain.answers import Refusal, refusal
from domain.rules.request import Request

MOST_CENTS = (1 << 31) - 1
CLOCK_OFF_US = 5 * 60 * 1_000_000


def belongs_to_session(request: Request) -> Refusal | None:
    """12 for a contract made for another session: one replayed by somebody else."""
    return None if request.of_this_session else refusal("12", "foreign-session")


def clock_is_near(request: Request) -> Refusal | None:
    """12 for a terminal whose clock is off by more than five minutes."""
    return refusal("12", "stale-clock") if abs(request.clock_off_us) > CLOCK_OFF_US else None


def contract_is_current(request: Request) -> Refusal | None:
    """12 for a contract past its own expiry."""
    return refusal("12", "expired-contract") if request.expired else None


def amount_is_sane(request: Request) -> Refusal | None:
    """13 for an amount that is not 1 .. 2^31-1 cents."""
    return None if 0 < request.amount_cents <= MOST_CENTS else refusal("13", "amount")


def terminal_is_active(request: Request) -> Refusal | None:
    """58 for an unknown or blocked terminal, or one that names another shop."""
    terminal, shop = request.terminal, request.shop
    if terminal is None or shop is None or not terminal.active or terminal.shop_id != shop.id:
        return refusal("58", "terminal")
    return None


def stripe_is_genuine(request: Request) -> Refusal | None:
    """63 for a stripe whose verification value the HSM did not make."""
    return refusal("63", "card-check") if request.stripe_genuine is False else None


def was_not_reversed(request: Request) -> Refusal | None:
    """05 where the terminal took this payment back before it arrived."""
    return refusal("05", "reversed-before") if request.reversed_before else None


def card_is_known(request: Request) -> Refusal | None:
    """14 for a card that was never issued."""
    if request.card is None or request.account is None or request.company is None:
        return refusal("14", "unknown-card")
    return None


def cardholder_consented(request: Request) -> Refusal | None:
    """63 for a phone card without the cardholder's valid signature over this contract, and for
    whatever card comes from a phone that is not that card."""
    assert request.card is not None
    from_phone = request.card.kind == "virtual" or request.consent_valid is not None
    if from_phone and request.consent_valid is not True:
        return refusal("63", "consent")
    return None


def card_is_usable(request: Request) -> Refusal | None:
    """41, 43, 54, 62 by the card's status and expiry."""
    assert request.card is not None
    return cards.check_usable(request.card, request.year_month)


def pin_is_right(request: Request) -> Refusal | None:
    """55 or 75 by the PIN that was presented, or missing above what the terms let pass without."""
    assert request.card is not None
    return cards.check_pin(
        request.card, request.amount_cents, request.pin_right, request.terms.pin_free_cents
    )
