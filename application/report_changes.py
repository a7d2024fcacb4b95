"""What the website is told: shops and payments that changed, in the words of the wire contract.

A report is a page of them, small enough for one line of the protocol; the next one begins where it
ends. Amounts in cents, times in microseconds UTC; a card number only in its masked form.
"""

from typing import Any

import msgspec

from projections.settlements import Adjustment, Payment, SettledShop

MOST_ROWS = 100
MOST_BYTES = 40_000
"""Of the body as JSON: sealed and in base64 it still fits a line of 65,536 bytes."""

_ON_WEBSITE = {"voided": "reversed", "refunded": "corrected", "tipped": "corrected"}
"""The website knows three words: it stands as it was, it is worth another amount, it is gone."""


class Changes(msgspec.Struct, frozen=True, kw_only=True):
    """Shops and payments as they stand, among them all that changed in (`after`, `upto`], and
    the adjustments of settled days that were made in it.

    `known`: how far there is anything to tell.
    """

    after: int
    upto: int
    known: int
    shops: list[SettledShop]
    payments: list[Payment]
    adjustments: list[Adjustment] = []


def report_body(changes: Changes, *, id: int, number: int, as_of_us: int) -> dict[str, Any]:
    """The body of D REPORT, cut to MOST_BYTES; its `upto` says how far it goes.

    `as_of_us` holds where nothing is left to tell; a page before that is as of its last payment.
    """
    parts = [(shop.position, _shop(shop)) for shop in changes.shops]
    parts += [(payment.position, _payment(payment)) for payment in changes.payments]
    parts += [(each.position, _adjustment(each)) for each in changes.adjustments]
    parts.sort(key=lambda part: part[0])
    body: dict[str, Any] = {
        "id": id,
        "report": number,
        "after": changes.after,
        "upto": changes.upto,
        "as_of_us": as_of_us,
        "shops": [],
        "rows": [],
        "logins": [],
    }
    size, told = len(msgspec.json.encode(body)), changes.after
    for position, part in parts:
        size += len(msgspec.json.encode(part))
        # A late correction moves its payment, too: two parts of one position are not torn apart.
        if size > MOST_BYTES and changes.after < told < position:
            body["upto"] = told
            break
        for name, items in part.items():
            body[name] += items
        told = position
    if body["upto"] < changes.known:
        told_rows = (p for p in changes.payments if p.position <= body["upto"])
        times = (p.later_us or p.changed_us or p.decided_us for p in told_rows)
        body["as_of_us"] = max(times, default=as_of_us)
    return body


def _shop(shop: SettledShop) -> dict[str, list[dict[str, str]]]:
    """The shop, and the hash of the one-time code with which it makes its log-in."""
    id = str(shop.id)
    reported = {
        "shop": id,
        "name": shop.name,
        "timezone": shop.timezone,
        "category": shop.category,
    }
    login = {"shop": id, "activation_sha256": shop.activation_sha256.hex()}
    return {"shops": [reported], "logins": [login]}


def _payment(payment: Payment) -> dict[str, list[dict[str, Any]]]:
    row = {
        "position": payment.position,
        "shop": str(payment.shop_id),
        "transaction": str(payment.transaction_id),
        "terminal": str(payment.terminal_id),
        "terminal_label": payment.terminal_label,
        "local_date": payment.local_date,
        "occurred_us": payment.decided_us,
        "card_masked": payment.card_masked,
        "kind": payment.kind,
        "amount_cents": payment.net_cents,
        "original_cents": payment.authorized_cents,
        "status": _ON_WEBSITE.get(payment.status, payment.status),
    }
    return {"rows": [row]}


def _adjustment(adjustment: Adjustment) -> dict[str, list[dict[str, Any]]]:
    """A row of its own, of the day in which it counts; `adjusts` is the payment."""
    row = {
        "position": adjustment.position,
        "shop": str(adjustment.shop_id),
        "transaction": str(adjustment.id),
        "adjusts": str(adjustment.transaction_id),
        "adjusts_date": adjustment.payment_date,
        "terminal": str(adjustment.terminal_id),
        "terminal_label": adjustment.terminal_label,
        "local_date": adjustment.local_date,
        "occurred_us": adjustment.made_us,
        "card_masked": adjustment.card_masked,
        "kind": adjustment.card_kind,
        "amount_cents": adjustment.change_cents,
        "original_cents": 0,
        "status": "adjustment",
    }
    return {"rows": [row]}
