"""One payment as a POS prepares it: the signed contract, what travels beside it, the outcome."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_public_key

from devices.exchange import Body, Unreachable
from devices.identity import Device
from devices.magstripe import Stripe
from devices.menu import OrderLine, lines_body
from devices.money import show_amount
from devices.pos.journal import Pending
from devices.wording import after_verdict
from protocol.certificates import Trust
from protocol.contract import (
    SALT_BYTES,
    TYP_POS,
    Contract,
    card_reference,
    contract_hash,
    encode_contract,
    items_hash,
    sign_detached,
)
from protocol.encoding import b64, unb64
from protocol.errors import ProtocolError
from protocol.pin import MAX_PIN, MIN_PIN, seal_pin

CONTRACT_LIFE_MS = 120_000
CURRENCY = "USD"
_NOT_DECIDED = ("91", "96")
_LAST_MS = 253_402_300_800_000  # the year 10000: no calendar here goes on


@dataclass(frozen=True, slots=True)
class Moment:
    """What makes a payment of this terminal unique: (counter, ms), in a session (t4)."""

    counter: int
    ms: int
    t4: bytes


@dataclass(frozen=True, slots=True)
class Offer:
    """A contract and the POS's signature over its bytes."""

    moment: Moment
    amount_cents: int
    contract: bytes
    signature: str


@dataclass(frozen=True, slots=True)
class Terms:
    """What a contract may say besides (TR-TPR 7.1): see `protocol.contract.Contract`."""

    partial: bool = False
    tip_cents: int = 0
    group: UUID | None = None


USUAL = Terms()


@dataclass(frozen=True, slots=True)
class Payment:
    """Everything to ask for one authorization. `repr` shows no card data.

    `body` and `pin` are the bodies of AUTHORIZE and PRESENT-PIN, without their ids.
    """

    pending: Pending
    body: Body = field(repr=False)
    pin: Body | None = field(repr=False)
    items: list[Body] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a payment ended for the POS.

    `reversal`: empty; or `pending`, `reversed`, `nothing-to-reverse` where no decision was heard.
    `approved_cents` of `amount_cents`: less where only part was approved, 0 where nothing was.
    """

    approved: bool
    code: str
    reason: str
    text: str
    amount_cents: int
    card: str
    counter: int = 0
    would_pass_cents: int | None = None
    passes_at_ms: int | None = None
    transaction: str = ""
    duplicate: bool = False
    reversal: str = ""
    approved_cents: int = 0

    @property
    def decided(self) -> bool:
        """Whether the backend said yes or no, as opposed to 91 and 96: undecided."""
        return self.code not in _NOT_DECIDED


def make_offer(
    device: Device,
    moment: Moment,
    amount_cents: int,
    lines: Sequence[OrderLine],
    card: bytes,
    terms: Terms = USUAL,
) -> Offer:
    """The contract for `card` (its salted reference), signed by this POS."""
    assert device.shop is not None
    contract = encode_contract(
        Contract(
            amount_cents=amount_cents,
            card=card,
            counter=moment.counter,
            currency=CURRENCY,
            expires_ms=moment.ms + CONTRACT_LIFE_MS,
            items=items_hash(lines_body(lines)),
            ms=moment.ms,
            session=moment.t4,
            shop=device.shop,
            terminal=device.id,
            group=terms.group,
            partial=terms.partial,
            tip_cents=terms.tip_cents,
        )
    )
    signature = sign_detached(contract, TYP_POS, device.serial, device.identity.sign)
    return Offer(moment, amount_cents, contract, signature)


def stripe_payment(
    device: Device,
    moment: Moment,
    amount_cents: int,
    lines: Sequence[OrderLine],
    stripe: Stripe,
    pin: Body | None,
    terms: Terms = USUAL,
) -> Payment:
    """A payment by a stripe that was just read; `pin` is its PRESENT-PIN, if one was entered."""
    salt = os.urandom(SALT_BYTES)
    reference = card_reference(salt, stripe.pan)
    offer = make_offer(device, moment, amount_cents, lines, reference, terms)
    body = _authorize(offer, salt=b64(salt), pin=pin is not None, track2=stripe.track2)
    pending = _pending(offer, stripe.masked, pan=stripe.pan, salt=b64(salt))
    return Payment(pending, body, pin, lines_body(lines))


def phone_payment(
    offer: Offer, lines: Sequence[OrderLine], card_id: UUID, consent: str, track: Body
) -> Payment:
    """A payment by a virtual card that consented to `offer`; the track stays sealed."""
    body = _authorize(offer, pin=False, track=track, consent=consent, card_id=str(card_id))
    return Payment(_pending(offer, "phone", card_id=str(card_id)), body, None, lines_body(lines))


class PinError(ValueError):
    """What was entered is no PIN."""


def check_pin(pin: str) -> None:
    """Raises PinError unless it is empty (none was entered) or 4 to 12 digits."""
    if pin and not (MIN_PIN <= len(pin) <= MAX_PIN and pin.isascii() and pin.isdigit()):
        raise PinError(f"a PIN has {MIN_PIN} to {MAX_PIN} digits")


def present_pin(pin: str, stripe: Stripe, pin_key: ec.EllipticCurvePublicKey, at: Moment) -> Body:
    """The body of PRESENT-PIN, for a PIN that `check_pin` let pass."""
    sealed = seal_pin(pin, stripe.pan, pin_key, at.t4, at.counter, at.ms)
    return {"counter": at.counter, "ms": at.ms, **sealed}


def read_pin_key(ready: Body, trust: Trust, now_ms: int) -> ec.EllipticCurvePublicKey:
    """The HSM's PIN key from READY, which our authority must have certified (TR-TPR section 8).

    Raises Unreachable: without the key no PIN can be presented."""
    text, chain = ready.get("pin_key"), ready.get("pin_certificate")
    if not isinstance(chain, list):
        raise Unreachable("the backend's PIN key comes without its certificate")
    try:
        key = load_der_public_key(unb64(str(text)))
        certified = trust.verify_pin_key([unb64(str(der)) for der in chain], now_ms)
    except (ValueError, ProtocolError, UnsupportedAlgorithm):
        raise Unreachable("the backend's PIN key is not acceptable") from None
    if certified != key:
        raise Unreachable("the backend's PIN key is not the certified one")
    return certified


def _authorize(offer: Offer, **beside: Any) -> Body:
    return {"contract": b64(offer.contract), "signature": offer.signature, **beside}


def _pending(offer: Offer, card_shown: str, **card: str) -> Pending:
    return Pending(
        counter=offer.moment.counter,
        ms=offer.moment.ms,
        contract_hash=b64(contract_hash(offer.contract)),
        amount_cents=offer.amount_cents,
        card_shown=card_shown,
        **card,
    )


def read_decision(body: Body, payment: Payment) -> Outcome:
    """The outcome that an I DECISION tells. Raises ValueError unless it is about this payment."""
    asked = payment.pending
    ours = (body.get("counter"), body.get("ms"), body.get("amount_cents"))
    approved, would_pass = body.get("approved"), body.get("would_pass_cents")
    if ours != (asked.counter, asked.ms, asked.amount_cents) or type(approved) is not bool:
        raise ValueError("not the decision that was asked for")
    if would_pass is not None and type(would_pass) is not int:
        raise ValueError("not an amount")
    granted = body.get("approved_cents", asked.amount_cents)
    if type(granted) is not int or not 1 <= granted <= asked.amount_cents:
        raise ValueError("not what can be approved")
    passes_at = body.get("passes_at_ms")
    if passes_at is not None and not (type(passes_at) is int and 0 <= passes_at < _LAST_MS):
        raise ValueError("not a time")
    return Outcome(
        approved=approved,
        code=str(body.get("code", "")),
        reason=str(body.get("reason", "")),
        text=str(body.get("text", "")),
        amount_cents=asked.amount_cents,
        card=asked.card_shown,
        counter=asked.counter,
        would_pass_cents=would_pass,
        passes_at_ms=passes_at,
        transaction=str(body.get("transaction", "")),
        duplicate=body.get("duplicate") is True,
        approved_cents=granted if approved else 0,
    )


def undecided(amount_cents: int, card: str, text: str, *, code: str = "91", reason: str) -> Outcome:
    """The outcome where no decision was heard."""
    return Outcome(False, code, reason, text, amount_cents, card)


def in_words(outcome: Outcome) -> str:
    """The outcome as a cashier reads it, in one line."""
    amount = show_amount(outcome.amount_cents)
    if outcome.approved:
        words = f"APPROVED {amount}"
        left = outcome.amount_cents - outcome.approved_cents
        if left:
            words = f"APPROVED {show_amount(outcome.approved_cents)} of {amount}"
            words += f" · {show_amount(left)} left to pay another way"
    elif outcome.decided:
        words = f"REFUSED {amount} ({outcome.code}): {after_verdict(outcome.text)}"
        passes = outcome.would_pass_cents
        if passes and show_amount(passes) not in outcome.text:
            words += f" {show_amount(passes)} would pass."
    else:
        words = f"NOT DECIDED {amount} ({outcome.code}): {after_verdict(outcome.text)}"
    if outcome.duplicate:
        words += " · same answer as before, nothing was debited again"
    return words + _REVERSAL_WORDS.get(outcome.reversal, "")


_REVERSAL_WORDS = {
    "pending": " · the payment will be cancelled as soon as the connection allows",
    "reversed": " · the payment was cancelled: the money is back on the card",
    "nothing-to-reverse": " · nothing was debited",
}
