"""What shops are owed: one row per approved payment, as all that happened to it left it.

The business day is the shop's own: the date in its time zone when the backend decided. Decided,
not when the terminal says it happened: the log's times only grow, so a past day gets no new rows.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Protocol
from uuid import UUID

import msgspec
from msgspec.structs import replace

from application.cache import Cache
from domain.aggregates.shop import ShopRegistered
from domain.aggregates.terminal import TerminalRegistered
from domain.aggregates.transaction import (
    Authorized,
    Corrected,
    DisputeDecided,
    Refunded,
    Reversed,
    Tipped,
    Voided,
)
from domain.event import stored_topics
from domain.local_time import local_date
from projections.ports import Entry

NAME = "settlements/1"
CHANGES = (Reversed, Corrected, Voided, Refunded, Tipped, DisputeDecided)
"""What may happen to an approved payment that its shop is paid more or less for."""
_Change = Reversed | Corrected | Voided | Refunded | Tipped | DisputeDecided


class SettledShop(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A shop as settlements and reports name it. `terminals`: label by terminal id in hex.

    `position` is of the last event that changed anything but the terminals.
    """

    id: UUID
    position: int
    name: str
    category: str
    timezone: str
    activation_sha256: bytes
    terminals: dict[str, str] = {}


class Payment(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One payment as it stands at `position`. Amounts in cents, times in microseconds UTC.

    `corrected_cents` is the sum of all corrections (may be negative), `reversed_cents` what was
    taken back whole (also by a void), `refunded_cents` what the shop gave back, `credited_cents`
    what a dispute did; `changed_us` is the time of the last of them or of a tip, 0 for none.
    `card_id` serves the cardholder's own history.
    """

    transaction_id: UUID
    position: int
    shop_id: UUID
    local_date: str
    terminal_id: UUID
    terminal_label: str
    card_id: UUID
    kind: str
    card_masked: str
    currency: str
    decided_us: int
    authorized_cents: int
    corrected_cents: int = 0
    reversed_cents: int = 0
    changed_us: int = 0
    reversed: bool = False
    voided: bool = False
    tipped_cents: int = 0
    refunded_cents: int = 0
    credited_cents: int = 0

    @property
    def net_cents(self) -> int:
        """What the payment is worth to the shop now."""
        more = self.authorized_cents + self.tipped_cents + self.corrected_cents
        return more - self.reversed_cents - self.refunded_cents - self.credited_cents

    @property
    def status(self) -> str:
        """`approved`, `tipped`, `corrected`, `refunded` (part or all, by the shop or a dispute),
        `voided` or `reversed`; the later in this list wins."""
        if self.reversed:
            return "voided" if self.voided else "reversed"
        if self.refunded_cents or self.credited_cents:
            return "refunded"
        if self.tipped_cents and not self.corrected_cents:
            return "tipped"
        return "corrected" if self.changed_us else "approved"


class SettlementTables(Protocol):
    """The two sealed tables, written within the runner's batch."""

    def shops(self, ids: Collection[UUID]) -> Mapping[UUID, SettledShop]:
        """Those of the shops that are known."""

    def put_shops(self, shops: Iterable[SettledShop]) -> None:
        """Stores shops, new or changed."""

    def payments(self, ids: Collection[UUID]) -> Mapping[UUID, Payment]:
        """Those of the payments that are known, by transaction."""

    def add_payments(self, payments: Sequence[Payment]) -> None:
        """Stores payments that are new."""

    def change_payments(self, payments: Sequence[Payment]) -> None:
        """Stores payments that are known."""


class Settlements:
    """The projection."""

    name = NAME
    tables = ("settlements", "settlement_shops")
    topics = stored_topics((ShopRegistered, TerminalRegistered, Authorized, *CHANGES))

    def __init__(self, tables: SettlementTables, keep_shops: int = 20_000) -> None:
        self._tables = tables
        self._shops: Cache[int, SettledShop | None] = Cache(keep_shops)

    def forget(self) -> None:
        """See `Projection.forget`."""
        self._shops.clear()

    def project(self, entries: Sequence[Entry]) -> None:
        """See `Projection.project`."""
        new: dict[UUID, Payment] = {}
        changed = self._before(entries)
        shops: dict[int, SettledShop] = {}
        for position, event in entries:
            if isinstance(event, Authorized):
                shop = self._shop(event.shop_id, shops, position)
                new[event.originator_id] = _authorized(shop, position, event)
            elif isinstance(event, CHANGES):
                among = new if event.originator_id in new else changed
                before = among.get(event.originator_id)
                if before is not None:
                    among[before.transaction_id] = _changed(before, position, event)
                elif not (isinstance(event, Reversed) and event.corrects_version == 0):
                    # The books would be wrong by it: stand still and say so.
                    raise LookupError(f"event {position} changes a payment that is not there")
            elif isinstance(event, ShopRegistered):
                shops[event.originator_id.int] = _registered(position, event)
            elif isinstance(event, TerminalRegistered):
                shop = self._shop(event.shop_id, shops, position)
                labels = {**shop.terminals, event.originator_id.hex: event.label}
                shops[shop.id.int] = replace(shop, terminals=labels)
        for number, shop in shops.items():
            self._shops[number] = shop
        if shops:
            self._tables.put_shops(shops.values())
        if new:
            self._tables.add_payments(list(new.values()))
        if changed:
            self._tables.change_payments(list(changed.values()))

    def _before(self, entries: Sequence[Entry]) -> dict[UUID, Payment]:
        """The stored payments that the entries change; those made by the entries are not stored."""
        ids = {event.originator_id for _, event in entries if isinstance(event, CHANGES)}
        return dict(self._tables.payments(ids)) if ids else {}

    def _shop(self, id: UUID, moved: Mapping[int, SettledShop], position: int) -> SettledShop:
        """A shop as the batch left it; else as it was, for the cache may not hold it any more."""
        shop = moved.get(id.int) or self._shops.get(id.int, None)
        if shop is None:
            shop = self._tables.shops([id]).get(id)
            if shop is None:
                raise LookupError(f"event {position} names a shop that is not there")
            self._shops[id.int] = shop
        return shop


def _registered(position: int, event: ShopRegistered) -> SettledShop:
    return SettledShop(
        id=event.originator_id,
        position=position,
        name=event.name,
        category=event.category,
        timezone=event.timezone,
        activation_sha256=event.activation_sha256,
    )


def _authorized(shop: SettledShop, position: int, event: Authorized) -> Payment:
    return Payment(
        transaction_id=event.originator_id,
        position=position,
        shop_id=shop.id,
        local_date=local_date(event.recorded_at_us, shop.timezone),
        terminal_id=event.terminal_id,
        terminal_label=shop.terminals.get(event.terminal_id.hex, ""),
        card_id=event.card_id,
        kind="virtual" if event.signed.consent else "stripe",
        card_masked=event.masked_pan,
        currency=event.currency,
        decided_us=event.recorded_at_us,
        authorized_cents=event.amount_cents,
    )


def _changed(payment: Payment, position: int, event: _Change) -> Payment:
    changed: dict[str, object] = {"position": position, "changed_us": event.recorded_at_us}
    match event:
        case Reversed() | Voided():
            changed["reversed_cents"] = event.amount_cents
            changed["reversed"], changed["voided"] = True, isinstance(event, Voided)
        case Corrected():
            difference = event.to_cents - event.from_cents
            changed["corrected_cents"] = payment.corrected_cents + difference
        case Refunded():
            changed["refunded_cents"] = payment.refunded_cents + event.amount_cents
        case Tipped():
            changed["tipped_cents"] = payment.tipped_cents + event.amount_cents
        case DisputeDecided(credited_cents=0):
            changed["changed_us"] = payment.changed_us
        case DisputeDecided():
            changed["credited_cents"] = payment.credited_cents + event.credited_cents
    return replace(payment, **changed)
