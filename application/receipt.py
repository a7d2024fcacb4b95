"""What a receipt says of a payment: the answer that it got, and what it is worth now.

Amounts are integer cents, times milliseconds since 1970 UTC. It names no person, and no card but
by its masked number.
"""

from typing import Any

from domain.aggregates.transaction import Authorized, Declined, Transaction


def receipt_facts(answer: Authorized | Declined, now: Transaction) -> dict[str, Any]:
    """The facts, from the event that answered the payment and what later events made of it."""
    return {
        "transaction": str(now.id),
        "status": now.status,
        "code": now.code,
        "amount_cents": now.amount_cents,
        "net_cents": now.net_cents,
        "currency": answer.currency,
        "decided_ms": now.decided_us // 1000,
        "shop": str(answer.shop_id),
        "terminal": str(answer.terminal_id),
        "card": answer.masked_pan,
        "contract_sha256": answer.signed.contract_hash.hex(),
    }
