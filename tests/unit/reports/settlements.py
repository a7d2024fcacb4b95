"""Settlement records in memory."""

from collections.abc import Iterator, Sequence
from datetime import date
from uuid import UUID

from projections.settlements import Payment, SettledShop

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


class Records:
    """`application.export_settlements.SettlementRecords`."""

    def __init__(self, *shops: tuple[SettledShop, Sequence[Payment]]) -> None:
        self._shops = shops

    def period(
        self, first: date, last: date, shop_id: UUID | None = None
    ) -> Iterator[tuple[SettledShop, Iterator[Payment]]]:
        for each, payments in self._shops:
            if shop_id in (None, each.id):
                found = (
                    one for one in payments if first.isoformat() <= one.local_date <= str(last)
                )
                yield each, found
