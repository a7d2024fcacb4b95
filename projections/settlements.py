"""What shops are owed: a row per approved payment, and one per later change of what it is worth.

The business day is the shop's own: the date in its time zone when the backend decided. Decided,
not when the terminal says it happened: the log's times only grow, so a past day gets no new rows.
Nor do its rows change (`domain.settled_days`): what changes a payment later is an adjustment, a row
of its own in the day on which it is made.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Protocol
from uuid import UUID

import msgspec
from msgspec.structs import replace

from application.cache import Cache
from domain.aggregates.after_payment import DisputeDecided, Refunded, Tipped, Voided
from domain.aggregates.shop import ShopRegistered
from domain.aggregates.terminal import TerminalRegistered
from domain.aggregates.transaction import Authorized, Corrected, Reversed
from domain.event import stored_topics
from domain.ids import derived_id, partition_of
from domain.local_time import local_date
from domain.settled_days import counts_on
from projections.ports import Entry

NAME = "settlements/2"
CHANGES = (Reversed, Corrected, Voided, Refunded, Tipped, DisputeDecided)
"""What changes a payment that is there; as the first event of its stream, none that ever was."""

_Change = Reversed | Corrected | Voided | Refunded | Tipped | DisputeDecided
_BACK = ("reversed", "voided")


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
    """One payment as of its event at `position`. Amounts in cents, times in microseconds UTC.

    As its own day left it: `corrected_cents` is the sum of the corrections (may be negative),
    `reversed_cents` what was taken back whole (also by a void), `refunded_cents` what the shop gave
    back, `credited_cents` what a dispute did; `changed_us` the time of the last change, 0 for none.
    `later_cents` is the sum of the adjustments since, `later_reversed` whether one took it back,
    `later_refunded` whether one gave part or all of it back.
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
    later_cents: int = 0
    later_us: int = 0
    later_reversed: bool = False
    voided: bool = False
    tipped_cents: int = 0
    refunded_cents: int = 0
    credited_cents: int = 0
    later_refunded: bool = False

    @property
    def net_cents(self) -> int:
        """What the payment counts in its own day."""
        more = self.authorized_cents + self.tipped_cents + self.corrected_cents
        return more - self.reversed_cents - self.refunded_cents - self.credited_cents

    @property
    def status(self) -> str:
        """In its own day `approved`, `tipped`, `corrected`, `refunded` (part or all, by the shop or
        a dispute), `voided` or `reversed`; the later in this list wins."""
        if self.reversed:
            return "voided" if self.voided else "reversed"
        if self.refunded_cents or self.credited_cents:
            return "refunded"
        if self.tipped_cents and not self.corrected_cents:
            return "tipped"
        return "corrected" if self.changed_us else "approved"

    @property
    def worth_cents(self) -> int:
        """What the payment is worth now, with all adjustments."""
        return self.net_cents + self.later_cents

    @property
    def status_now(self) -> str:
        """The same words, of all that happened until now."""
        if self.later_reversed:
            return "reversed"
        if self.reversed or not self.later_us:
            return self.status
        return "refunded" if self.later_refunded or self.status == "refunded" else "corrected"


class Adjustment(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A change of a payment, by the event at `position`, in the business day it counts in.

    `late`: the payment's own day (`payment_date`) was settled, so this is a line of its own; else
    the payment's row has it, as of a dispute that the shop won, which changes nothing. `kind` is
    `corrected`, `reversed`, `voided`, `refunded`, `tipped` or `disputed`; `change_cents` what the
    shop is owed more by it. The rest is the payment's, so that a statement needs nothing else.
    """

    id: UUID
    position: int
    shop_id: UUID
    local_date: str
    late: bool
    kind: str
    change_cents: int
    made_us: int
    transaction_id: UUID
    payment_date: str
    terminal_id: UUID
    terminal_label: str
    card_kind: str
    card_masked: str
    currency: str


class SettlementTables(Protocol):
    """The three sealed tables, written within the runner's batch."""

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

    def add_adjustments(self, adjustments: Sequence[Adjustment]) -> None:
        """Stores adjustments; each is new."""


class Settlements:
    """The projection."""

    name = NAME
    tables = ("settlements", "settlement_shops", "settlement_adjustments")
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
        adjustments: list[Adjustment] = []
        for position, event in entries:
            if isinstance(event, Authorized):
                shop = self._shop(event.shop_id, shops, position)
                new[event.originator_id] = _authorized(shop, position, event)
            elif isinstance(event, CHANGES):
                among = new if event.originator_id in new else changed
                before = among.get(event.originator_id)
                if before is not None:
                    shop = self._shop(before.shop_id, shops, position)
                    adjusted = _adjustment(before, shop, position, event)
                    adjustments.append(adjusted)
                    among[before.transaction_id] = _changed(before, adjusted)
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
        if adjustments:
            self._tables.add_adjustments(adjustments)

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


def _adjustment(payment: Payment, shop: SettledShop, position: int, event: _Change) -> Adjustment:
    """What the event changes, and in which day."""
    at_us, day = event.recorded_at_us, payment.local_date
    counted = counts_on(day, at_us, shop.timezone)
    kind, change_cents = _kind_and_change(event)
    label = f"adjustment {event.originator_version}"
    partition = partition_of(payment.transaction_id)
    return Adjustment(
        id=derived_id(label, payment.transaction_id, at_us // 1000, partition),
        position=position,
        shop_id=shop.id,
        local_date=counted,
        late=counted != day and change_cents != 0,
        kind=kind,
        change_cents=change_cents,
        made_us=at_us,
        transaction_id=payment.transaction_id,
        payment_date=day,
        terminal_id=payment.terminal_id,
        terminal_label=payment.terminal_label,
        card_kind=payment.kind,
        card_masked=payment.card_masked,
        currency=payment.currency,
    )


def _kind_and_change(event: _Change) -> tuple[str, int]:
    match event:
        case Reversed():
            return "reversed", -event.amount_cents
        case Voided():
            return "voided", -event.amount_cents
        case Refunded():
            return "refunded", -event.amount_cents
        case Tipped():
            return "tipped", event.amount_cents
        case DisputeDecided():
            return "disputed", -event.credited_cents
        case Corrected():
            return "corrected", event.to_cents - event.from_cents


def _changed(payment: Payment, by: Adjustment) -> Payment:
    """The payment after it: changed in its own day, or only adjusted since."""
    if by.late:
        return replace(
            payment,
            position=by.position,
            later_cents=payment.later_cents + by.change_cents,
            later_us=by.made_us,
            later_reversed=payment.later_reversed or by.kind in _BACK,
            later_refunded=payment.later_refunded or by.kind in ("refunded", "disputed"),
        )
    changed: dict[str, object] = {"position": by.position, "changed_us": by.made_us}
    match by.kind:
        case "reversed" | "voided":
            changed["reversed_cents"] = -by.change_cents
            changed["reversed"], changed["voided"] = True, by.kind == "voided"
        case "refunded":
            changed["refunded_cents"] = payment.refunded_cents - by.change_cents
        case "tipped":
            changed["tipped_cents"] = payment.tipped_cents + by.change_cents
        case "disputed" if by.change_cents == 0:
            changed["changed_us"] = payment.changed_us
        case "disputed":
            changed["credited_cents"] = payment.credited_cents - by.change_cents
        case _:
            changed["corrected_cents"] = payment.corrected_cents + by.change_cents
    return replace(payment, **changed)
