"""Rules over how a card is used: by what `domain.suspicion` made of the account's recent uses."""

from domain.aggregates import card as cards
from domain.answers import Refusal, refusal
from domain.rules.request import Request
from domain.suspicion import REFUSE, STEP_UP


def looks_genuine(request: Request) -> Refusal | None:
    """63 for a payment that looks like one of a cloned card, by where and how often it is used."""
    return refusal("63", "suspicion") if request.suspicion.action == REFUSE else None


def proves_its_owner(request: Request) -> Refusal | None:
    """55 for a suspicious stripe without its PIN, whatever the amount, unless it is locked."""
    if request.suspicion.action != STEP_UP or request.pin_right is not None:
        return None
    card = request.card
    assert card is not None
    if card.kind != "stripe" or card.pin_failures >= cards.PIN_TRIES:
        return None
    return refusal("55", "step-up")
