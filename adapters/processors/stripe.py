"""Stripe by plain HTTPS: seven calls, so no library of theirs. https://docs.stripe.com/api

A card is a PaymentMethod made in Stripe's own form; its number never comes here. Every call that
moves money carries an idempotency key made of the refill's id.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

import httpx
from msgspec.structs import replace

from adapters.processors import messages, signature
from application.payment_processor import (
    DISPUTED,
    PAID,
    PENDING,
    REFUSED,
    WON,
    Charge,
    Notice,
    ProcessorFailed,
    Refund,
)

NAME: Final = "stripe"
API: Final = "https://api.stripe.com"
VERSION: Final = "2025-06-30.basil"
_ANSWER_S: Final = 20.0
_CARD_REFUSED: Final = 402
_STATES: Final = {
    "succeeded": PAID,
    "processing": PENDING,
    "requires_capture": PENDING,
    "requires_confirmation": PENDING,
    # Nobody is there to prove himself to the bank when a schedule charges.
    "requires_action": REFUSED,
    "requires_payment_method": REFUSED,
    "canceled": REFUSED,
}
_NOT_REFUNDED: Final = ("failed", "canceled")
_INQUIRY: Final = "warning_"
"""So begin the states of what is no dispute yet: the money is with us."""


class Stripe:
    """`application.payment_processor.Processor`."""

    name = NAME

    def __init__(
        self, key: str, secret: bytes, api: str = API, transport: httpx.BaseTransport | None = None
    ) -> None:
        """`key`: a secret (better: restricted) API key; `secret`: of the webhook endpoint."""
        self._secret = secret
        self._client = httpx.Client(
            base_url=api,
            timeout=_ANSWER_S,
            headers={"Authorization": f"Bearer {key}", "Stripe-Version": VERSION},
            transport=transport,
        )

    def charge(self, refill_id: UUID, amount_cents: int, token: str) -> Charge:
        """See the port."""
        fields = {
            "amount": str(amount_cents),
            "currency": "usd",
            "payment_method": token,
            "confirm": "true",
            "off_session": "true",
            "payment_method_types[]": "card",
            "description": f"Refill {refill_id}",
            "metadata[refill]": str(refill_id),
        }
        answer = self._ask("POST", "/v1/payment_intents", fields, f"refill-{refill_id}")
        if answer.status_code == _CARD_REFUSED:
            error = _object(answer).get("error", {})
            intent = error.get("payment_intent") or {}
            return Charge(
                reference=str(intent.get("id", "")),
                state=REFUSED,
                amount_cents=amount_cents,
                reason=str(error.get("decline_code") or error.get("code") or "card_declined"),
            )
        return _as_charge(_good(answer))

    def find(self, refill_id: UUID) -> Charge | None:
        """See the port. Stripe's search may be a minute behind."""
        query = {
            "query": f"metadata['refill']:'{refill_id}'",
            "expand[]": "data.latest_charge",
            "limit": "10",
        }
        found = _good(self._ask("GET", "/v1/payment_intents/search", query)).get("data", [])
        charges = [_as_charge(intent) for intent in found if messages.refill_of(intent)]
        told = [charge for charge in charges if charge.state in (PAID, DISPUTED)] or charges
        if not told:
            return None
        return self._as_disputed(told[0]) if told[0].state == DISPUTED else told[0]

    def _as_disputed(self, charge: Charge) -> Charge:
        """With the sum of its disputes: a bank may take back a part. Where none holds any, with the
        sum of those that were won, or paid. No sum where Stripe lists no dispute yet."""
        query = {"payment_intent": charge.reference, "limit": "100"}
        disputes = _good(self._ask("GET", "/v1/disputes", query)).get("data", [])
        real = [each for each in disputes if not str(each.get("status")).startswith(_INQUIRY)]
        won = [each for each in real if each.get("status") == "won"]
        about = [each for each in real if each not in won] or won
        if disputes and not about:
            return replace(charge, state=PAID)
        return replace(
            charge,
            state=WON if won and about == won else DISPUTED,
            amount_cents=sum(messages.cents_of(each.get("amount")) for each in about),
            reason=messages.reason_of(about[0]) if about else charge.reason,
            dispute=messages.dispute_of(about[0]) if len(about) == 1 else "",
        )

    def refill_of(self, reference: str) -> UUID | None:
        """See the port."""
        if not reference.startswith("pi_") or not reference.replace("_", "").isalnum():
            return None
        return messages.refill_of(_good(self._ask("GET", f"/v1/payment_intents/{reference}")))

    def refund(self, refill_id: UUID, reference: str, amount_cents: int) -> str:
        """See the port."""
        fields = {"payment_intent": reference, "amount": str(amount_cents)}
        key = f"refund-{refill_id}-{amount_cents}"
        return str(_good(self._ask("POST", "/v1/refunds", fields, key)).get("id", ""))

    def refunds(self, refill_id: UUID, reference: str) -> Sequence[Refund]:
        """See the port."""
        query = {"payment_intent": reference, "limit": "100"}
        found = _good(self._ask("GET", "/v1/refunds", query)).get("data", [])
        return [
            Refund(
                reference=str(each.get("id")), amount_cents=messages.cents_of(each.get("amount"))
            )
            for each in found
            if each.get("status") not in _NOT_REFUNDED
        ]

    def verify(self, body: bytes, header: str, now_ms: int) -> Notice:
        """See the port."""
        signature.check(self._secret, body, header, now_ms)
        return messages.read_notice(body)

    def resend(self, refill_id: UUID) -> None:
        """See the port: Stripe's API has no such call."""
        raise ProcessorFailed(
            "Stripe sends a webhook again from its dashboard only. `refill webhook poll` asks it."
        )

    def _ask(
        self, method: str, path: str, fields: Mapping[str, str] | None = None, key: str = ""
    ) -> httpx.Response:
        headers = {"Idempotency-Key": key} if key else {}
        try:
            if method == "GET":
                return self._client.get(path, params=fields, headers=headers)
            return self._client.post(path, data=fields, headers=headers)
        except httpx.HTTPError as error:
            raise ProcessorFailed(f"Stripe does not answer: {type(error).__name__}.") from None


def _good(answer: httpx.Response) -> dict[str, Any]:
    """What a call that went well returned. Raises ProcessorFailed without a word of theirs."""
    if answer.status_code != 200:
        raise ProcessorFailed(f"Stripe answers {answer.status_code}.")
    return _object(answer)


def _object(answer: httpx.Response) -> dict[str, Any]:
    try:
        found = answer.json()
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise ProcessorFailed("Stripe's answer cannot be read.")
    return found


def _as_charge(intent: Mapping[str, Any]) -> Charge:
    state = _STATES.get(str(intent.get("status")), PENDING)
    charge, error = intent.get("latest_charge"), intent.get("last_payment_error") or {}
    if state == PAID and isinstance(charge, dict) and charge.get("disputed"):
        state = DISPUTED
    return Charge(
        reference=str(intent.get("id", "")),
        state=state,
        amount_cents=int(intent.get("amount_received") or intent.get("amount") or 0),
        reason=str(error.get("decline_code") or error.get("code") or intent.get("status") or ""),
    )
