"""Settlement records in memory."""

from collections.abc import Iterator, Sequence
from datetime import date
from uuid import UUID

from projections.settlements import Adjustment, Payment, SettledShop

SHOP = UUID("0190a1b2-c3d4-8001-8000-000000000001")
OTHER = UUID("0190a1b2-c3d4-8001-8000-000000000002")
NOON_US = 1_793_642_400_000_000  # 2026-11-02 18:00 UTC, noon in Chicago


def shop(id: UUID = SHOP, name: str = "Joe's Diner", zone: str = "America/Chicago") -> SettledShop:
    return SettledShop(
        id=id,
        position=1,
        name=name,
        category="5812",
        timezone=zone,
        activation_sha256=bytes(32),
    )


def payment(number: int = 1, cents: int = 1_250, **facts: object) -> Payment:
    usual: dict[str, object] = {
        "transaction_id": UUID(int=(number << 80) | (8 << 76) | (2 << 62)),
        "position": number,
        "shop_id": SHOP,
        "local_date": "2026-11-02",
        "terminal_id": UUID(int=7),
        "terminal_label": "Till 1",
        "card_id": UUID(int=8),
        "kind": "stripe",
        "card_masked": "636012******1234",
        "currency": "USD",
        "decided_us": NOON_US + number,
        "authorized_cents": cents,
    }
    return Payment(**{**usual, **facts})  # type: ignore[arg-type]


def adjustment(change_cents: int = -500, kind: str = "corrected", **facts: object) -> Adjustment:
    """Made on the day after the payment's."""
    made = payment(77)
    usual: dict[str, object] = {
        "id": UUID(int=(78 << 80) | (8 << 76) | (2 << 62)),
        "position": 99,
        "shop_id": SHOP,
        "local_date": "2026-11-03",
        "late": True,
        "kind": kind,
        "change_cents": change_cents,
        "made_us": NOON_US + 86_400_000_000,
        "transaction_id": made.transaction_id,
        "payment_date": made.local_date,
        "terminal_id": made.terminal_id,
        "terminal_label": made.terminal_label,
        "card_kind": made.kind,
        "card_masked": made.card_masked,
        "currency": made.currency,
    }
    return Adjustment(**{**usual, **facts})  # type: ignore[arg-type]


class Records:
    """`application.export_settlements.SettlementRecords`."""

    def __init__(self, *shops: tuple[SettledShop, Sequence[Payment | Adjustment]]) -> None:
        self._shops = shops

    def period(
        self, first: date, last: date, shop_id: UUID | None = None
    ) -> Iterator[tuple[SettledShop, Iterator[Payment | Adjustment]]]:
        for each, payments in self._shops:
            if shop_id in (None, each.id):
                found = (
                    one for one in payments if first.isoformat() <= one.local_date <= str(last)
                )
                yield each, found
