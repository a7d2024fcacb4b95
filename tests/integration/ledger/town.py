"""A small town of companies, shops and cards whose events are made by the domain itself."""

import hashlib
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from application.states import EVOLVE
from domain import adjustment, authorization, contesting
from domain.aggregates import account as accounts
from domain.aggregates import card as cards
from domain.aggregates import cardholder as cardholders
from domain.aggregates import certificate as certificates
from domain.aggregates import company as companies
from domain.aggregates import refill as refills
from domain.aggregates import shop as shops
from domain.aggregates import terminal as terminals
from domain.aggregates import transaction as transactions
from domain.aggregates.transaction import Signed
from domain.answers import Refusal
from domain.event import Context, Event
from domain.ids import make_id, transaction_id
from domain.refill_lines import RefillLine
from domain.signed_request import SignedRequest
from domain.terms import STANDARD

NOW_US = 1_795_000_000_000_000  # 2026-11-18 11:06:40 UTC
ISSUER = UUID("00000000-0000-8000-8000-0000000000aa")
OPERATOR = "operator:00000000-0000-8000-8000-00000000000a:1f"


class Town:
    """Makes events and remembers the states that they lead to. Time moves by a second a step."""

    def __init__(self, now_us: int = NOW_US) -> None:
        self.now_us = now_us
        self.states: dict[UUID, Any] = {}
        self._made = 0
        self._payments = 0

    def new_id(self, partition: int = 7) -> UUID:
        self._made += 1
        return make_id(self.now_us // 1000, partition, self._made)

    def context(self, actor: str = OPERATOR) -> Context:
        self.now_us += 1_000_000
        command = self.new_id()
        return Context(
            occurred_at_us=self.now_us - 250_000,
            recorded_at_us=self.now_us,
            actor=actor,
            command_id=command,
            correlation_id=command,
            issuer_id=ISSUER,
        )

    def happened(self, *events: Event) -> list[Event]:
        for event in events:
            before = self.states.get(event.originator_id)
            self.states[event.originator_id] = EVOLVE[type(event)](before, event)
        return list(events)

    def company(self, name: str = "Acme Corp") -> tuple[UUID, list[Event]]:
        id = self.new_id()
        event = companies.register(
            self.context(), id, name=name, timezone="America/New_York", daily_limit_cents=200_000
        )
        return id, self.happened(event)

    def shop(
        self, name: str = "Joe's Diner", timezone: str = "America/Chicago"
    ) -> tuple[UUID, list[Event]]:
        id = self.new_id()
        event = shops.register(
            self.context(),
            id,
            name=name,
            category="5812",
            timezone=timezone,
            email="joe@diner.example",
            activation_sha256=hashlib.sha256(name.encode()).digest(),
        )
        return id, self.happened(event)

    def terminal(self, shop: UUID, label: str = "Till 1") -> tuple[UUID, list[Event]]:
        id = self.new_id()
        registered = terminals.register(self.context(), id, shop_id=shop, label=label)
        return id, self.happened(registered, self.certificate(id, "pos"))

    def certificate(self, subject: UUID, role: str) -> Event:
        return certificates.issue(
            self.context(),
            self.new_id(),
            subject_id=subject,
            role=role,
            serial=f"{self._made:x}",
            fingerprint=bytes(32),
            not_before_us=self.now_us,
            not_after_us=self.now_us + 10**13,
        )

    def person(
        self, company: UUID, first_name: str = "Wilhelmina", kinds: Sequence[str] = ("stripe",)
    ) -> tuple[list[UUID], list[Event]]:
        """The cards of a new employee, and the events."""
        cardholder, account = self.new_id(), self.new_id()
        events: list[Event] = [
            cardholders.register(
                self.context(),
                cardholder,
                company_id=company,
                first_name=first_name,
                last_name="Featherstone",
                email="w.featherstone@acme.example",
            ),
            accounts.open(
                self.context(),
                account,
                company_id=company,
                cardholder_id=cardholder,
                timezone="America/New_York",
                daily_limit_cents=200_000,
                currency="USD",
            ),
        ]
        ids = []
        for kind in kinds:
            card = self.new_id()
            ids.append(card)
            events.append(
                cards.issue(
                    self.context(),
                    card,
                    account_id=account,
                    cardholder_id=cardholder,
                    kind=kind,
                    masked_pan=f"636012******{1000 + self._made % 9000}",
                    expiry="2911",
                )
            )
            if kind == "virtual":
                events.append(self.certificate(card, "card"))
        return ids, self.happened(*events)

    def pin_set(self, card: UUID, reference: bytes = b"right") -> list[Event]:
        return self.happened(cards.set_pin(self.context(), self.states[card], reference=reference))

    def blocked(self, card: UUID, why: str = "reported lost") -> list[Event]:
        event = cards.block(self.context(), self.states[card], status="lost", why=why)
        assert event is not None
        return self.happened(event)

    def refill(self, company: UUID, card: UUID, amount_cents: int = 100_000) -> list[Event]:
        account = self.states[self.states[card].account_id]
        refill = refills.credit(
            self.context(),
            self.new_id(),
            company_id=company,
            lines=(RefillLine(account_id=account.id, amount_cents=amount_cents),),
            approved_by=OPERATOR,
        )
        credited = accounts.credit(
            self.context(), account, amount_cents=amount_cents, refill_id=refill.originator_id
        )
        return self.happened(refill, credited)

    def next_payment(self, terminal: UUID) -> UUID:
        """The id that the next payment of a terminal will have."""
        return transaction_id(terminal, self._payments + 1, self.now_us // 1000, 7)

    def payment(
        self,
        terminal: UUID,
        card: UUID | None,
        amount_cents: int = 1_250,
        *,
        pin_right: bool | None = True,
        id: UUID | None = None,
        masked_pan: str = "",
    ) -> tuple[UUID, list[Event]]:
        """Authorized or declined, as the rules say."""
        id = id or self.next_payment(terminal)
        self._payments += 1
        context = self.context(f"pos:{terminal}:2f")
        known = self.states[card] if card else None
        account = self.states[known.account_id] if known else None
        company = self.states[account.company_id] if account else None
        shop = self.states[self.states[terminal].shop_id]
        at_us = context.recorded_at_us
        date, year_month = authorization.dates(at_us, account) if account else ("", "")
        before = self.states.get(id)
        virtual = known is not None and known.kind == "virtual"
        contract = b'{"amount_cents":%d,"padding":"%s"}' % (amount_cents, b"x" * 300)
        request = authorization.Request(
            transaction_id=id,
            amount_cents=amount_cents,
            terminal=self.states[terminal],
            terminal_id=terminal,
            shop=shop,
            shop_id=shop.id,
            card_id=card,
            card=known,
            account=account,
            company=company,
            stripe_genuine=None if virtual else True,
            pin_right=None if virtual else pin_right,
            consent_valid=True if virtual else None,
            signed=Signed(
                contract=contract,
                contract_hash=hashlib.sha256(contract).digest(),
                signature="s" * 120,
                consent="c" * 120 if virtual else "",
            ),
            of_this_session=True,
            clock_off_us=0,
            expired=False,
            reversed_before=before is not None,
            masked_pan=known.masked_pan if known else masked_pan,
            now_us=at_us,
            local_date=date,
            year_month=year_month,
        )
        events = authorization.decide(
            context, request, next_version=before.version + 1 if before else 1
        )
        return id, self.happened(*events)

    def reversal(self, id: UUID, terminal: UUID, why: str = "no answer") -> list[Event]:
        before = self.states.get(id)
        context = self.context(f"pos:{terminal}:2f")
        taken = transactions.reverse(context, before, id, terminal_id=terminal, why=why)
        if taken is None:
            return []
        events: list[Event] = [taken]
        if before is not None and taken.amount_cents:
            events.append(
                accounts.reverse_debit(
                    context,
                    self.states[before.account_id],
                    amount_cents=taken.amount_cents,
                    transaction_id=id,
                    date=before.local_date,
                    corrects_version=before.debit_version,
                )
            )
        return self.happened(*events)

    def adjusted(self, id: UUID, terminal: UUID, action: str, cents: int = 0) -> list[Event]:
        """A void, refund or tip of an approved payment, on its day."""
        before = self.states[id]
        context = self.context(f"pos:{terminal}:2f")
        change = adjustment.Change(
            id=context.command_id,
            action=action,
            amount_cents=cents,
            why="as agreed",
            terminal_id=terminal,
            terminal_active=True,
            terminal_shop_id=self.states[terminal].shop_id,
            closed=False,
            today=before.local_date,
            agreed=STANDARD,
            terms=STANDARD,
            signed=SignedRequest(request=b"{}", request_hash=bytes(32), signature="s" * 120),
        )
        decided = adjustment.decide(context, before, self.states[before.account_id], change)
        assert not isinstance(decided, Refusal), decided
        return self.happened(*decided)

    def disputed(self, id: UUID, credited_cents: int) -> list[Event]:
        """A dispute over all of a payment, decided at once; 0 cents: for the shop."""
        opened = contesting.contest(
            self.context(),
            self.states[id],
            self.new_id(),
            amount_cents=0,
            closed=False,
            text="I was not there",
            document_sha256=bytes(32),
            opened_by=None,
        )
        assert not isinstance(opened, Refusal), opened
        events = self.happened(*opened)
        payment = self.states[id]
        decided = contesting.settle(
            self.context(),
            self.states[payment.dispute_id],
            payment,
            self.states[payment.account_id],
            credited_cents=credited_cents,
            why="looked at both",
            decided_by=self.new_id(),
        )
        assert not isinstance(decided, Refusal), decided
        return events + self.happened(*decided)

    def correction(self, id: UUID, to_cents: int, why: str = "typed wrong") -> list[Event]:
        before = self.states[id]
        account = self.states[before.account_id]
        context = self.context()
        corrected = transactions.correct(
            context, before, to_cents=to_cents, why=why, account_version=account.version
        )
        assert not isinstance(corrected, Refusal)
        moved = accounts.correct_debit(
            context,
            account,
            change_cents=before.net_cents - to_cents,
            transaction_id=id,
            date=before.local_date,
            corrects_version=before.debit_version,
            why=why,
        )
        assert not isinstance(moved, Refusal)
        return self.happened(corrected, moved)


def eventful_day(town: Town) -> tuple[UUID, list[Event]]:
    """A card, and its payments: tipped, voided, refunded, disputed with and without success."""
    company, events = town.company()
    shop, more = town.shop()
    till, terminal = town.terminal(shop)
    (card,), person = town.person(company)
    events += more + terminal + person + town.refill(company, card)
    ids = []
    for n in range(6):
        id, more = town.payment(till, card, 1_000 + n)
        ids.append(id)
        events += more
    events += town.adjusted(ids[0], till, "TIP", 200)
    events += town.adjusted(ids[1], till, "TIP", 100)
    events += town.adjusted(ids[1], till, "VOID")
    events += town.adjusted(ids[2], till, "REFUND", 300)
    events += town.adjusted(ids[2], till, "REFUND", 50)
    events += town.disputed(ids[3], 500)
    events += town.disputed(ids[4], 0)
    return card, events


def busy_day(town: Town | None = None, people: int = 2, payments: int = 12) -> list[Event]:
    """A bit of everything, in order; the same every time."""
    town = town or Town()
    company, events = town.company()
    shop, more = town.shop()
    events += more
    tills = []
    for label in ("Till 1", "Till 2"):
        till, more = town.terminal(shop, label)
        tills.append(till)
        events += more
    all_cards: list[UUID] = []
    for n in range(people):
        ids, more = town.person(company, f"Wilhelmina{n}", ("stripe", "virtual"))
        all_cards += ids
        events += more
        events += town.pin_set(ids[0])
        events += town.refill(company, ids[0])
    for n in range(payments):
        card, till = all_cards[n % len(all_cards)], tills[n % 2]
        wrong = n % 5 == 3
        id, more = town.payment(till, card, 1_000 + 37 * n, pin_right=not wrong)
        events += more
        if n % 6 == 4:
            events += town.reversal(id, till)
        if n % 6 == 5 and town.states[id].status == "approved":
            events += town.correction(id, 500 + n)
    late = town.next_payment(tills[0])
    events += town.reversal(late, tills[0])
    events += town.payment(tills[0], all_cards[0], id=late)[1]
    events += town.payment(tills[0], None, masked_pan="411111******1111")[1]
    events += town.payment(tills[0], all_cards[0], 90_000_000)[1]
    events += town.blocked(all_cards[0])
    events += town.payment(tills[0], all_cards[0])[1]
    return events
