"""Companies, shops, terminals, accounts and cards for the benchmark, put in through the event log.

Card numbers, stripes and certificates are made by the HSM, exactly as `issue` makes them.
"""

import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

from adapters.backend.operator_ports import DrawnCard
from adapters.backend.personalisation import HsmPersonalisation, recorded
from adapters.hsm.authority import Authority
from adapters.hsm.pin_verification import PinVerification
from adapters.ledger_core import issuer_id
from adapters.settings import Settings
from adapters.tls_material import class_tls_files
from application.authorize import CARD_NUMBER
from application.ports import Claim
from devices.keystore import FileKeyStore
from devices.personalisation import CardData, new_request, store_card, write_identity
from domain.aggregates import account as accounts
from domain.aggregates import card as cards
from domain.aggregates import company as companies
from domain.aggregates import shop as shops
from domain.aggregates import terminal as terminals
from domain.aggregates import watch as watches
from domain.event import Context, Event
from domain.ids import PARTITIONS, make_id
from domain.suspicion import Watch
from protocol.encoding import unb64
from protocol.pin import seal_pin
from script.benchmark.ledger import Ledger

CENTS_EACH = 100_000_000
PHONES = 64
PIN = "2846"
WITH_PIN = 500
"""So many cards, the first ones, have the PIN."""
_BATCH = 2_000


class Population(NamedTuple):
    """What was made. `tracks` are track 2 texts; `terminals` and `phones` identity folders."""

    company: UUID
    shop: UUID
    terminal_ids: list[UUID]
    terminals: list[Path]
    phones: list[Path]
    tracks: list[str]
    digests: list[bytes]
    accounts: list[UUID]


class Populate:
    """Puts aggregates into the log; everything of one run of the benchmark."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._settings: Settings = ledger.settings
        self._authority = Authority(ledger.hsm.token)
        self._maker = HsmPersonalisation(ledger.hsm, self._authority)
        self._pin_key = PinVerification(ledger.hsm.token).pin_public_key()
        self._drawn: set[bytes] = set()
        now_us = time.time_ns() // 1000
        self._context = Context(
            occurred_at_us=now_us,
            recorded_at_us=now_us,
            actor="operator:benchmark",
            command_id=new_id(),
            correlation_id=new_id(),
            issuer_id=issuer_id(self._settings),
        )

    def all(
        self, *, cards_made: int, terminals_made: int, tell: Callable[[str], None]
    ) -> Population:
        """A company, a shop, terminals, and accounts with a stripe card and much money each."""
        company, shop = new_id(), new_id()
        context = self._context
        events: list[Event] = [
            companies.register(
                context, company, name="Load", timezone="America/Chicago",
                daily_limit_cents=CENTS_EACH,
            ),
            shops.register(
                context, shop, name="Load", category="5812", timezone="America/Chicago",
                email="load@shop.example", activation_sha256=b"",
            ),
            # A card pays a hundred times a minute here: every signal is looked for, none stops it.
            watches.set_rules(
                context, None, rules=Watch(step_up_from=1_000, refuse_from=1_000), why="benchmark"
            ),
        ]  # fmt: skip
        folders, ids = [], []
        for number in range(terminals_made):
            terminal = new_id()
            ids.append(terminal)
            events.append(
                terminals.register(context, terminal, shop_id=shop, label=f"Till {number}")
            )
            folders.append(self._identity(f"pos-{number}", terminal, "pos", shop))
        self._ledger.log.append(events, [])
        phones = [self._phone(company, number) for number in range(PHONES)]
        tracks: list[str] = []
        digests: list[bytes] = []
        accounts_made: list[UUID] = []
        while len(tracks) < cards_made:
            most = min(_BATCH, cards_made - len(tracks))
            self._cards(company, most, tracks, digests, accounts_made)
            tell(f"{len(tracks):,} of {cards_made:,} accounts")
        return Population(company, shop, ids, folders, phones, tracks, digests, accounts_made)

    def _cards(
        self,
        company: UUID,
        most: int,
        tracks: list[str],
        digests: list[bytes],
        accounts_made: list[UUID],
    ) -> None:
        events: list[Event] = []
        claims: list[Claim] = []
        for _ in range(most):
            drawn, card, made = self._card(company, "stripe")
            events += made
            if len(tracks) < WITH_PIN:
                events.append(self._pin(drawn.pan, made[-1]))
            claims.append(Claim(CARD_NUMBER, drawn.digest, card))
            tracks.append(drawn.track2)
            digests.append(drawn.digest)
            accounts_made.append(made[0].originator_id)
        self._ledger.log.append(events, claims)

    def _card(self, company: UUID, kind: str) -> tuple[DrawnCard, UUID, list[Event]]:
        """A card with an account and money; the last event is the card's."""
        drawn = self._draw()
        partition = secrets.randbelow(PARTITIONS)
        account, card, holder = (new_id(partition) for _ in range(3))
        opened = accounts.open(
            self._context, account, company_id=company, cardholder_id=holder,
            timezone="America/Chicago", daily_limit_cents=CENTS_EACH, currency="USD",
        )  # fmt: skip
        refill = new_id(partition)
        state = accounts.evolve(None, opened)
        issued = cards.issue(
            self._context, card, account_id=account, cardholder_id=holder, kind=kind,
            masked_pan=drawn.masked_pan, expiry=drawn.expiry,
        )  # fmt: skip
        credited = accounts.credit(self._context, state, amount_cents=CENTS_EACH, refill_id=refill)
        return drawn, card, [opened, credited, issued]

    def _draw(self) -> DrawnCard:
        """A card with a number that no other has: of 100,000 random ones a few are the same."""
        while True:
            drawn = self._maker.draw_card("Pat", "Load", self._context.recorded_at_us)
            if drawn.digest not in self._drawn:
                self._drawn.add(drawn.digest)
                return drawn

    def _pin(self, pan: str, issued: Event) -> Event:
        """The card's PIN, sealed as by a PIN pad and taken in by the HSM."""
        t4, ms = secrets.token_bytes(32), 1
        sealed = seal_pin(PIN, pan, self._pin_key, t4, 0, ms)
        reference = self._maker.pin_reference(
            unb64(sealed["ephemeral"]), unb64(sealed["block"]), t4, ms
        )
        return cards.set_pin(self._context, cards.evolve(None, issued), reference=reference)

    def _phone(self, company: UUID, number: int) -> Path:
        """A virtual card in a phone's identity folder."""
        drawn, card, events = self._card(company, "virtual")
        self._ledger.log.append(events, [Claim(CARD_NUMBER, drawn.digest, card)])
        folder = self._identity(f"phone-{number}", card, "card", None)
        store_card(folder, FileKeyStore(folder), CardData(drawn.pan, drawn.track2))
        return folder

    def _identity(self, name: str, subject: UUID, role: str, shop: UUID | None) -> Path:
        folder = self._settings.home / "devices" / name
        leaf = self._authority.issue_leaf(new_request(folder), subject, role)
        self._ledger.log.append([recorded(leaf, role).event(self._context, subject)], [])
        write_identity(
            folder,
            subject_id=str(subject),
            role=role,
            gateway=f"127.0.0.1:{self._settings.gateway_port}",
            chain_der=self._authority.chain_der(leaf),
            root_pem=(self._settings.home / "pki" / "root.pem").read_bytes(),
            tls=class_tls_files(self._settings.home, role),
            shop=str(shop) if shop else None,
        )
        return folder


def new_id(partition: int = 0) -> UUID:
    """A fresh id."""
    return make_id(time.time_ns() // 1_000_000, partition, secrets.randbits(62))
