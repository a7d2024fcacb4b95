"""The use case everything is for: a terminal asks, the backend answers yes or no.

Signatures, stripe and PIN were checked before (`adapters/backend`); here the streams are read,
`domain.authorization` decides, and a message that was answered before gets its answer again.
"""

import hmac
from collections.abc import Callable
from uuid import UUID

import msgspec

from application.states import States
from application.work import Needs, Outcome
from domain import authorization
from domain.aggregates.account import Account
from domain.aggregates.after_payment import PARTLY
from domain.aggregates.alert import Alert, alert_id
from domain.aggregates.card import Card
from domain.aggregates.company import Company
from domain.aggregates.programme import Programme, in_force, programme_id
from domain.aggregates.shop import Shop
from domain.aggregates.terminal import Terminal
from domain.aggregates.transaction import Authorized, Declined, Signed, Transaction
from domain.aggregates.watch import WATCH_ID, WatchRules
from domain.aggregates.watch import in_force as watch_in_force
from domain.answers import APPROVED_CODE, PARTIAL_CODE, refusal
from domain.event import Context, Event
from domain.ids import partition_of, transaction_id
from domain.suspicion import NO_SUSPICION, NOTHING, Suspicion, Use, assess

CARD_NUMBER = "card-number"
"""The kind of claim under which a card's keyed hash leads to its id."""


class Decision(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The answer to an authorization.

    `card_id` is the card whose number was presented; `balance_cents` is for the cardholder's eyes
    only, and there only where that card proved itself: a genuine stripe and its own consent.
    `approved_cents` where less was approved than the `amount_cents` that were asked for.
    """

    transaction_id: UUID
    approved: bool
    code: str
    reason: str
    text: str
    amount_cents: int
    would_pass_cents: int | None
    decided_us: int
    passes_at_us: int | None = None
    duplicate: bool = False
    card_id: UUID | None = None
    balance_cents: int | None = None
    shop_name: str = ""
    approved_cents: int | None = None


class Ask(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An authorization as it arrived, with what cryptography said about it.

    `card_digest` is the keyed hash of the card number, `older_digests` those by earlier keys, under
    one of which the card may be known; `pin_references` what the HSM made of the
    PIN that was presented, by each generation of its keys, newest first, None for no PIN;
    `expires_us` the contract's own end; `partial`, `tip_most_cents` and `group_id` see
    `domain.authorization.Request`.
    """

    terminal_id: UUID
    shop_id: UUID
    counter: int
    ms: int
    amount_cents: int
    expires_us: int
    of_this_session: bool
    card_digest: bytes
    masked_pan: str
    stripe_genuine: bool | None
    pin_references: tuple[bytes, ...] | None
    consent_valid: bool | None
    consent_card_id: UUID | None
    signed: Signed
    actor: str
    issuer_id: UUID
    older_digests: tuple[bytes, ...] = ()
    partial: bool = False
    tip_most_cents: int = 0
    group_id: UUID | None = None


def card_of(states: States, digest: bytes, older: tuple[bytes, ...]) -> UUID | None:
    """The card of a number, by its keyed hash under the newest key or one before it."""
    found = states.owner(CARD_NUMBER, digest)
    for each in older:
        if found is not None:
            break
        found = states.owner(CARD_NUMBER, each)
    return found


class Authorize:
    """The work of one authorization."""

    __slots__ = ("_card_id", "_id", "_wanted", "ask", "deadline_us")

    def __init__(
        self, ask: Ask, deadline_us: int, wanted: Callable[[], bool] = lambda: True
    ) -> None:
        """`wanted`: asked just before deciding; a session that ended drops its undecided ones."""
        self.ask = ask
        self.deadline_us = deadline_us
        self._wanted = wanted
        self._id: UUID | None = None
        self._card_id: UUID | None = None

    def needs(self, states: States, needs: Needs, now_us: int) -> bool:
        """The card by its number, then the transaction and the card, then the account.

        Terminal, shop, company and programme are few and nearly always known.
        """
        ask = self.ask
        if self._id is None:
            if not states.knows_owner(CARD_NUMBER, ask.card_digest):
                needs.owners += [
                    (CARD_NUMBER, each) for each in (ask.card_digest, *ask.older_digests)
                ]
                return True
            id = self._resolve(states)
            if not states.note_new(id, now_us):
                needs.transactions.append(id)
        if self._card_id is None or ask.stripe_genuine is False:
            return False
        if not states.knows(self._card_id):
            needs.ids.append(self._card_id)
            return True
        card = states.get(self._card_id, Card)
        if card is not None and not states.knows(card.account_id):
            needs.ids.append(card.account_id)
        return False

    def _resolve(self, states: States) -> UUID:
        """The transaction lives in the card's partition once its stripe proved to be genuine.

        Else in the terminal's, as of an unknown card: the id is told, and must not tell whether a
        guessed number exists. Nor must the time that the answer takes: such a card is not loaded.
        """
        ask = self.ask
        card_id = self._card_id = card_of(states, ask.card_digest, ask.older_digests)
        home = ask.terminal_id if card_id is None or ask.stripe_genuine is False else card_id
        partition = partition_of(home)
        id = self._id = transaction_id(ask.terminal_id, ask.counter, ask.ms, partition)
        return id

    def decide(self, states: States, now_us: int) -> Outcome:
        """The stored answer for a payment answered before, else a new one."""
        if not self._wanted():
            return Outcome(None)
        before = states.get_transaction(self._id or self._resolve(states))
        if before is not None and before.contract_hash:
            return Outcome(_again(before, self.ask))
        return self._anew(states, now_us, before)

    def _anew(self, states: States, now_us: int, before: Transaction | None) -> Outcome:
        ask, request = self.ask, self._request(states, now_us, before is not None)
        context = Context(
            occurred_at_us=ask.ms * 1000,
            recorded_at_us=now_us,
            actor=ask.actor,
            command_id=request.transaction_id,
            correlation_id=request.transaction_id,
            issuer_id=ask.issuer_id,
        )
        events = authorization.decide(
            context, request, next_version=before.version + 1 if before else 1
        )
        return Outcome(_told(request, events[0]), events)

    def _request(self, states: States, now_us: int, reversed_before: bool) -> authorization.Request:
        """The payment with all that the rules want to know of it."""
        ask = self.ask
        assert self._id is not None
        proven = self._card_id is not None and ask.stripe_genuine is not False
        card = states.get(self._card_id, Card) if proven and self._card_id else None
        account = states.get(card.account_id, Account) if card else None
        company = states.get(account.company_id, Company) if account else None
        shop = states.get(ask.shop_id, Shop)
        date, year_month = authorization.dates(now_us, account) if account else ("", "")
        programme = states.get(programme_id(company.id), Programme) if company else None
        terms = in_force(programme, now_us)
        pin_right, newer_reference = _pin(ask.pin_references, card)
        suspicion, watch_version, alert = NO_SUSPICION, 0, None
        if card is not None and account is not None and shop is not None and account.recent:
            use = Use(now_us, shop.id, card.kind, ask.amount_cents, shop.place)
            suspicion, watch_version, alert = _suspicion(states, account, use)
        return authorization.Request(
            transaction_id=self._id,
            amount_cents=ask.amount_cents,
            terminal=states.get(ask.terminal_id, Terminal),
            terminal_id=ask.terminal_id,
            shop=shop,
            shop_id=ask.shop_id,
            card_id=self._card_id,
            card=card,
            account=account,
            company=company,
            stripe_genuine=ask.stripe_genuine,
            pin_right=pin_right,
            consent_valid=_consent(ask, self._card_id),
            signed=ask.signed,
            of_this_session=ask.of_this_session,
            clock_off_us=now_us - ask.ms * 1000,
            expired=now_us > ask.expires_us,
            reversed_before=reversed_before,
            masked_pan=ask.masked_pan,
            now_us=now_us,
            local_date=date,
            year_month=year_month,
            newer_reference=newer_reference,
            partial=ask.partial,
            tip_most_cents=ask.tip_most_cents,
            group_id=ask.group_id,
            programme=programme,
            terms=terms.terms,
            terms_version=terms.number,
            suspicion=suspicion,
            watch_version=watch_version,
            alert=alert,
        )


def _told(request: authorization.Request, first: Event) -> Decision:
    """The answer, by the first event of the decision."""
    declined = first if isinstance(first, Declined) else None
    granted = first.amount_cents if isinstance(first, Authorized) else 0
    partly = 0 < granted < request.amount_cents
    balance = None
    if request.account is not None and request.stripe_genuine and request.consent_valid:
        balance = request.account.available_cents(request.local_date) - granted
    return Decision(
        transaction_id=request.transaction_id,
        approved=declined is None,
        code=declined.code if declined else PARTIAL_CODE if partly else APPROVED_CODE,
        reason=declined.reason if declined else "partial" if partly else "approved",
        text=declined.text if declined else PARTLY if partly else "Approved.",
        amount_cents=request.amount_cents,
        would_pass_cents=declined.would_pass_cents if declined else None,
        passes_at_us=declined.passes_at_us if declined else None,
        decided_us=request.now_us,
        card_id=request.card_id,
        balance_cents=balance,
        shop_name=request.shop.name if request.shop else "",
        approved_cents=granted if partly else None,
    )


def _suspicion(states: States, account: Account, use: Use) -> tuple[Suspicion, int, Alert | None]:
    """What the recent uses say, by which rules; the alert of the day where one may be raised."""
    known = states.get(WATCH_ID, WatchRules)
    version = known.version if known is not None else 0
    found = assess(watch_in_force(known), account.recent, use)
    if found.action == NOTHING:
        return found, version, None
    return found, version, states.get(alert_id(account.id, use.at_us), Alert)


def _pin(presented: tuple[bytes, ...] | None, card: Card | None) -> tuple[bool | None, bytes]:
    """Whether the PIN is the card's, and its newest reference where the card has an older one."""
    if presented is None or card is None:
        return None, b""
    known = card.pin_reference
    # All are compared: how long it takes tells nothing.
    matches = [hmac.compare_digest(each, known) for each in presented]
    right = bool(known) and True in matches
    return right, presented[0] if right and presented[0] != known else b""


def _consent(ask: Ask, card_id: UUID | None) -> bool | None:
    """The cardholder's signature counts only for the card that was presented."""
    if ask.consent_valid is None:
        return None
    return ask.consent_valid and ask.consent_card_id == card_id


def _again(before: Transaction, ask: Ask) -> Decision:
    """The first answer again; 94 for another contract under the same name, 05 once reversed."""
    if before.contract_hash != ask.signed.contract_hash:
        no = refusal("94", "duplicate")
    elif before.status in ("reversed", "voided"):
        no = refusal("05", "reversed-before")
    else:
        return Decision(
            transaction_id=before.id,
            approved=before.status == "approved",
            code=before.code,
            reason=before.reason,
            text=before.text,
            amount_cents=before.amount_cents,
            would_pass_cents=before.would_pass_cents,
            passes_at_us=before.passes_at_us,
            decided_us=before.decided_us,
            duplicate=True,
            card_id=before.card_id,
            approved_cents=before.authorized_cents if before.code == PARTIAL_CODE else None,
        )
    return Decision(
        transaction_id=before.id,
        approved=False,
        code=no.code,
        reason=no.reason,
        text=no.text,
        amount_cents=ask.amount_cents,
        would_pass_cents=None,
        decided_us=before.decided_us,
        duplicate=True,
        card_id=before.card_id,
    )
