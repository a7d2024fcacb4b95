"""The POS: asks the backend for yes or no, and never leaves a payment undecided.

Whatever shows it (box, smartphone, script) only calls `Pos`. A payment goes: counter on disk,
contract signed, pending reversal on disk, AUTHORIZE, decision on disk, shown. If the decision is
not heard, the payment is reversed, now or after a restart; it is never sent again (TR-TPR
section 7).
"""

import asyncio
import contextlib
import time
from collections.abc import Sequence
from typing import Any, Self

from cryptography.hazmat.primitives.asymmetric import ec

from devices.durable import FolderLock
from devices.exchange import Exchange, Message, NoAnswer, Refused, Unreachable
from devices.identity import Device, IdentityError
from devices.link import Link
from devices.magstripe import Stripe, read_stripe
from devices.menu import Menu, OrderLine, read_menu, total_cents
from devices.money import MAX_AMOUNT_CENTS, AmountError
from devices.pos.adjustments import Adjustments
from devices.pos.bills import Bill, Bills
from devices.pos.journal import Journal, JournalError
from devices.pos.payment import (
    USUAL,
    Moment,
    Offer,
    Outcome,
    Payment,
    Terms,
    check_pin,
    make_offer,
    phone_payment,
    present_pin,
    read_decision,
    read_pin_key,
    stripe_payment,
    undecided,
)
from devices.pos.phones import PhoneOrder, Phones, caller_of
from devices.pos.reversals import Reversals
from protocol import errors
from protocol.contract import TYP_CARD, verify_detached
from protocol.encoding import b64
from protocol.errors import BodyError

DECISION_TIMEOUT_S = 8.0
CONSENT_TIMEOUT_S = 60.0
KEEP_ALIVE_S, SILENCE_S = 10.0, 5.0
"""Shorter than of other devices: the light LINE must not tell a cashier of a line that is dead."""
_CONNECT_PATIENCE_S = 3.0
_MENU_FRESH_S = 60.0
_BUSY_CODES = (errors.UNAVAILABLE, errors.BUSY, errors.RATE_LIMITED, errors.TIMED_OUT)


class NotWaiting(Exception):
    """There is no such order, or no payment to send again."""


class Pos:
    """One terminal. Use as `async with Pos(device) as pos`; raises InUse, JournalError there.

    `remember_last`: keeps the last request in memory, so that `resend_last` can repeat it (for
    tests of duplicates; a POS in a shop does not).
    """

    def __init__(
        self,
        device: Device,
        *,
        decision_timeout_s: float = DECISION_TIMEOUT_S,
        consent_timeout_s: float = CONSENT_TIMEOUT_S,
        remember_last: bool = False,
    ) -> None:
        if device.shop is None:
            raise IdentityError(f"{device.folder} names no shop")
        self.device = device
        self.link = Link(device, keep_alive_s=KEEP_ALIVE_S, silence_s=SILENCE_S)
        self.bills = Bills(device.folder)
        self.phones = Phones(device, self.link, self.menu)
        self._decision_timeout_s = decision_timeout_s
        self._consent_timeout_s = consent_timeout_s
        self._remember_last = remember_last
        self._last: Payment | None = None
        self._menu: tuple[float, Menu] | None = None
        self._closing = contextlib.AsyncExitStack()
        self.link.on_change = self._line_changed

    async def __aenter__(self) -> Self:
        async with contextlib.AsyncExitStack() as stack:
            stack.enter_context(FolderLock(self.device.folder))
            self._journal = Journal(self.device.folder, self.device.keystore)
            self._journal.pending()  # better to stop here than never to be able to reverse
            self.reversals = Reversals(self.link, self._journal, self.bills)
            self.adjustments = Adjustments(self.device, self.link, self._journal, self.bills)
            await stack.enter_async_context(self.link)
            for part in (self.reversals, self.adjustments):
                working = asyncio.create_task(part.run(), name=type(part).__name__)
                stack.push_async_callback(_stop, working)
            self._closing = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.phones.hang_up()
        await self._closing.aclose()

    async def connected(self, timeout_s: float) -> None:
        """Returns when there is a session with the backend. Raises Unreachable, with the reason."""
        await self.link.backend(timeout_s)

    async def menu(self) -> Menu:
        """The shop's items and prices, at most a minute old. Raises Unreachable, NoAnswer, Refused,
        MenuError."""
        now = time.monotonic()
        if self._menu is None or now - self._menu[0] > _MENU_FRESH_S:
            backend = await self.link.backend(_CONNECT_PATIENCE_S)
            answer = await backend.ask("C", "MENU", {}, self._decision_timeout_s)
            self._menu = (now, read_menu(answer.body))
        return self._menu[1]

    async def sale(
        self,
        amount_cents: int,
        track: str,
        pin: str = "",
        lines: Sequence[OrderLine] = (),
        *,
        terms: Terms = USUAL,
        drop_answer: bool = False,
    ) -> Outcome:
        """A payment by the stripe whose text the reader delivered, with the PIN if one was entered.

        Raises AmountError, PinError and StripeError before anything is sent. An approved share of
        a bill (`terms.group`) is reversed unless `reversals.keep` is called: `devices.pos.split`.
        `drop_answer` behaves as if the decision had been lost on its way (a simulation).
        """
        _check_amount(amount_cents, lines)
        check_pin(pin)
        stripe = read_stripe(track)
        try:
            backend = await self.link.backend(_CONNECT_PATIENCE_S)
            payment = self._stripe_payment(backend, amount_cents, stripe, pin, lines, terms)
        except Unreachable as error:
            return undecided(amount_cents, stripe.masked, f"No connection: {error}.", reason=_DOWN)
        shared = terms.group is not None
        return await self._authorize(backend, payment, shared=shared, drop_answer=drop_answer)

    async def resend_last(self) -> Outcome:
        """The last request once more, byte for byte: a duplicate. The first answer stands, so
        nothing is reversed if this one is not heard.

        Raises NotWaiting without a last request, Unreachable, NoAnswer, Refused.
        """
        if self._last is None:
            raise NotWaiting("there is no payment to send again")
        backend = await self.link.backend(_CONNECT_PATIENCE_S)
        answer = await self._ask(backend, self._last)
        return read_decision(answer.body, self._last)

    async def next_order(self, timeout_s: float | None = None) -> PhoneOrder | None:
        """The next order that a phone sends here; it waits in `phones.orders` for the cashier.

        None if there is none within `timeout_s`.
        """
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    order = await self.phones.arrived.get()
                    if order.number in self.phones.orders:
                        return order
        except TimeoutError:
            return None

    async def confirm(self, number: int, *, drop_answer: bool = False) -> Outcome:
        """The cashier accepts the order: contract, the card's consent, authorization.

        Raises NotWaiting for an order that is not waiting.
        """
        order = self._take_order(number)
        try:
            backend = await self.link.backend(_CONNECT_PATIENCE_S)
        except Unreachable as error:
            return self._no_consent(order, f"No connection: {error}.", reason=_DOWN)
        try:
            terms, moment = Terms(tip_cents=order.tip_cents), self._moment(backend)
            offer = make_offer(
                self.device, moment, order.amount_cents, order.lines, order.card, terms
            )
            payment = await self._consented(order, offer)
        except Refused as error:
            return self._no_consent(order, f"The phone said no: {error}")
        except (Unreachable, NoAnswer) as error:
            return self._no_consent(order, f"The phone is gone: {error}.")
        except BodyError:
            return self._no_consent(order, "The phone's consent is not valid.")
        outcome = await self._authorize(backend, payment, drop_answer=drop_answer)
        _tell(order, outcome)
        return outcome

    def refuse(self, number: int, text: str = "The shop did not accept the order.") -> None:
        """The cashier does not accept the order. Raises NotWaiting, Unreachable."""
        self.phones.refuse(self._take_order(number), text)

    def _stripe_payment(
        self,
        backend: Exchange,
        amount_cents: int,
        stripe: Stripe,
        pin: str,
        lines: Sequence[OrderLine],
        terms: Terms,
    ) -> Payment:
        pin_key = self._pin_key() if pin else None
        moment = self._moment(backend)
        block = present_pin(pin, stripe, pin_key, moment) if pin_key is not None else None
        return stripe_payment(self.device, moment, amount_cents, lines, stripe, block, terms)

    def _pin_key(self) -> ec.EllipticCurvePublicKey:
        return read_pin_key(self.link.ready, self.device.trust, self.link.now_ms())

    def _moment(self, backend: Exchange) -> Moment:
        return Moment(self._journal.reserve(), self.link.now_ms(), backend.session.t4)

    async def _authorize(
        self,
        backend: Exchange,
        payment: Payment,
        *,
        shared: bool = False,
        drop_answer: bool = False,
    ) -> Outcome:
        """Asks, and writes down what came of it before anybody sees it.

        A share of a bill that was approved waits for the others before it counts as decided.
        """
        asked = payment.pending
        try:
            self.reversals.begin(asked)
        except JournalError as error:
            self.reversals.try_now()
            return undecided(asked.amount_cents, asked.card_shown, str(error), reason="full")
        try:
            outcome = await self._decision(backend, payment)
        except asyncio.CancelledError:
            self.reversals.unheard(asked.counter, "cancelled")
            raise
        if drop_answer:
            outcome = _unheard(payment, "no-answer", "No answer was heard.")
        self._bill(payment, outcome)
        if outcome.approved and shared:
            pass
        elif outcome.decided:
            self.reversals.decided(asked.counter)
        else:
            self.reversals.unheard(asked.counter, outcome.reason)
        if self._remember_last:
            self._last = payment
        return outcome

    async def _decision(self, backend: Exchange, payment: Payment) -> Outcome:
        try:
            answer = await self._ask(backend, payment)
            outcome = read_decision(answer.body, payment)
        except NoAnswer as error:
            return _unheard(payment, "no-answer", f"{str(error).capitalize()}.")
        except Unreachable as error:
            return _unheard(payment, _DOWN, f"The connection broke: {error}.")
        except Refused as error:
            code = "91" if error.code in _BUSY_CODES else "96"
            return _unheard(payment, error.code, f"{error}.", code=code)
        except ValueError:
            return _unheard(payment, "bad-answer", "The answer was not understood.", code="96")
        if not outcome.decided:
            return _unheard(payment, outcome.reason, outcome.text, code=outcome.code)
        return outcome

    async def _ask(self, backend: Exchange, payment: Payment) -> Message:
        if payment.pin is not None:
            backend.post("C", "PRESENT-PIN", {"id": backend.next_id(), **payment.pin})
        body = payment.body
        return await backend.ask("C", "AUTHORIZE", body, self._decision_timeout_s)

    async def _consented(self, order: PhoneOrder, offer: Offer) -> Payment:
        """Sends the contract to the phone and checks the consent that comes back."""
        exchange, peer = order.exchange, order.exchange.session.peer
        exchange.expect(order.wire_id)
        exchange.post(
            "D",
            "CONTRACT",
            {
                "re": order.wire_id,
                "contract": b64(offer.contract),
                "signature": offer.signature,
                "amount_cents": offer.amount_cents,
            },
        )
        answer = await exchange.asked(order.wire_id, self._consent_timeout_s)
        body = answer.body
        consent, track = body.get("consent"), body.get("track")
        if type(consent) is not str or type(track) is not dict:
            raise BodyError(errors.BAD_BODY)
        if answer.verb != "CONSENT" or body.get("card_id") != str(peer.subject_id):
            raise BodyError(errors.BAD_BODY)
        verify_detached(offer.contract, consent, TYP_CARD, peer.public_key, peer.kid)
        return phone_payment(offer, order.lines, caller_of(order), consent, track)

    def _no_consent(self, order: PhoneOrder, text: str, *, reason: str = "no-consent") -> Outcome:
        with contextlib.suppress(Unreachable):
            self.phones.refuse(order, "The payment was not started.")
        return undecided(order.amount_cents, "phone", text, reason=reason)

    def _take_order(self, number: int) -> PhoneOrder:
        order = self.phones.take_order(number)
        if order is None:
            raise NotWaiting(f"no order {number} is waiting")
        return order

    def _bill(self, payment: Payment, outcome: Outcome) -> None:
        state = "approved" if outcome.approved else "refused"
        self.bills.add(
            Bill(
                counter=payment.pending.counter,
                ms=payment.pending.ms,
                state=state if outcome.decided else "unanswered",
                amount_cents=outcome.approved_cents or outcome.amount_cents,
                card=outcome.card,
                code=outcome.code,
                reason=outcome.reason,
                transaction=outcome.transaction,
                items=payment.items,
            )
        )

    def _line_changed(self, up: bool) -> None:
        if up:
            self.reversals.try_now()
            self.adjustments.try_now()
        else:
            self.phones.hang_up()


_DOWN = "unavailable"


def _unheard(payment: Payment, reason: str, text: str, *, code: str = "91") -> Outcome:
    asked = payment.pending
    return Outcome(
        approved=False,
        code=code,
        reason=reason,
        text=text,
        amount_cents=asked.amount_cents,
        card=asked.card_shown,
        counter=asked.counter,
        reversal="pending",
    )


def _tell(order: PhoneOrder, outcome: Outcome) -> None:
    """Tells the phone how it ended; the decision itself comes to it from the backend."""
    state = "approved" if outcome.approved else "refused" if outcome.decided else "unanswered"
    body: dict[str, Any] = {"re": order.wire_id, "state": state, "text": outcome.text}
    with contextlib.suppress(Unreachable):
        order.exchange.post("I", "STATUS", body)


def _check_amount(amount_cents: int, lines: Sequence[OrderLine]) -> None:
    if not 1 <= amount_cents <= MAX_AMOUNT_CENTS:
        raise AmountError("the amount is out of range")
    if lines and total_cents(lines) != amount_cents:
        raise AmountError("the amount is not the sum of the items")


async def _stop(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
