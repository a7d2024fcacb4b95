"""The built-in processor: no money moves. Test payment methods behave as real cards may.

Its charges lie in a file of the state folder, so that they outlive the backend as those of a real
processor do. Its webhooks go out by HTTP, signed, to the website as a real one's would.
"""

import json
import logging
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import httpx

from adapters.processors import signature
from adapters.processors.messages import read_notice
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
from devices.durable import write_durably

log = logging.getLogger(__name__)
NAME: Final = "sandbox"
LATE_S: Final = 2.0
_SEND_S: Final = 5.0

_Send = tuple[str, float]  # the kind of webhook, and after how many seconds
METHODS: Final[dict[str, tuple[str, tuple[_Send, ...]]]] = {
    "pm_card_visa": (PAID, (("payment_intent.succeeded", 0),)),
    "pm_card_chargeDeclined": (REFUSED, (("payment_intent.payment_failed", 0),)),
    "pm_card_late": (PENDING, (("payment_intent.succeeded", LATE_S),)),
    "pm_card_duplicate": (
        PENDING,
        (("payment_intent.succeeded", 0), ("payment_intent.succeeded", 0.2)),
    ),
    "pm_card_lost": (PENDING, ()),
    "pm_card_createDispute": (
        PAID,
        (("payment_intent.succeeded", 0), ("charge.dispute.created", LATE_S)),
    ),
    "pm_card_createDisputeInquiry": (
        PAID,
        (("payment_intent.succeeded", 0), ("charge.dispute.updated", LATE_S)),
    ),
    "pm_card_disputeWon": (
        PAID,
        (
            ("payment_intent.succeeded", 0),
            ("charge.dispute.created", LATE_S),
            ("charge.dispute.closed", 2 * LATE_S),
        ),
    ),
}
"""What each test payment method answers, and which webhooks follow. `pm_card_lost` is paid, and
its webhook never comes: only who asks hears of it."""
_DISPUTES: Final = {
    "charge.dispute.created": (DISPUTED, "needs_response"),
    "charge.dispute.updated": (PAID, "warning_under_review"),
    "charge.dispute.closed": (WON, "won"),
}
"""What becomes of a charge by a message about a dispute, and the dispute's status in it."""


class Sandbox:
    """`application.payment_processor.Processor`. `url`: where its webhooks go; None for nowhere."""

    name = NAME

    def __init__(
        self,
        path: Path,
        secret: bytes,
        url: str | None,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._path, self._secret, self._url, self._now_ms = path, secret, url, now_ms
        self._lock = threading.Lock()
        self._charges: dict[str, dict[str, Any]] = _read(path)

    def charge(self, refill_id: UUID, amount_cents: int, token: str) -> Charge:
        """See the port."""
        with self._lock:
            known = self._charges.get(str(refill_id))
            if known is None:
                state, sends = METHODS.get(token, (REFUSED, ()))
                reason = "" if token in METHODS else "no_such_payment_method"
                if token in METHODS and state == REFUSED:
                    reason = "card_declined"
                # Pending says only that nobody was told yet: the card was charged.
                known = self._charges[str(refill_id)] = {
                    "reference": f"pi_{secrets.token_hex(12)}",
                    "state": PAID if state == PENDING else state,
                    "told": state,
                    "amount_cents": amount_cents,
                    "reason": reason,
                    "created_s": self._now_ms() // 1000,
                    "events": {kind: f"evt_{secrets.token_hex(12)}" for kind, _ in sends},
                }
                self._write()
                for kind, after_s in sends:
                    self._later(refill_id, kind, after_s)
        return _as_charge(known, known["told"])

    def find(self, refill_id: UUID) -> Charge | None:
        """See the port."""
        with self._lock:
            known = self._charges.get(str(refill_id))
        return None if known is None else _as_charge(known, known["state"])

    def refill_of(self, reference: str) -> UUID | None:
        """See the port."""
        with self._lock:
            for refill_id, known in self._charges.items():
                if known["reference"] == reference:
                    return UUID(refill_id)
        return None

    def refund(self, refill_id: UUID, reference: str, amount_cents: int) -> str:
        """See the port."""
        with self._lock:
            known = self._charges.get(str(refill_id))
            if known is None:
                raise ProcessorFailed("The sandbox knows no such charge.")
            made = f"re_{reference.removeprefix('pi_')}_{amount_cents}"
            sent = known.setdefault("refunds", {})
            if known["amount_cents"] < sum(({**sent, made: amount_cents}).values()):
                raise ProcessorFailed("The sandbox has not so much of that charge.")
            sent[made] = amount_cents
            self._write()
        return made

    def refunds(self, refill_id: UUID, reference: str) -> Sequence[Refund]:
        """See the port."""
        with self._lock:
            sent = self._charges.get(str(refill_id), {}).get("refunds", {})
            return [Refund(reference=made, amount_cents=cents) for made, cents in sent.items()]

    def verify(self, body: bytes, header: str, now_ms: int) -> Notice:
        """See the port."""
        signature.check(self._secret, body, header, now_ms)
        return read_notice(body)

    def resend(self, refill_id: UUID) -> None:
        """See the port: every message that there was about it."""
        with self._lock:
            known = self._charges.get(str(refill_id))
            kinds = list(known["events"]) if known else []
        if known is not None and not kinds:
            kinds = ["payment_intent.succeeded"]
        if not kinds:
            raise ProcessorFailed("The sandbox knows no charge for that refill.")
        for kind in kinds:
            self._later(refill_id, kind, 0)

    def _later(self, refill_id: UUID, kind: str, after_s: float) -> None:
        if self._url is None:
            return
        timer = threading.Timer(after_s, self._send, (refill_id, kind))
        timer.daemon = True
        timer.start()

    def _send(self, refill_id: UUID, kind: str) -> None:
        assert self._url is not None, "asked before"
        body, header = self.message(refill_id, kind)
        try:
            with httpx.Client(timeout=_SEND_S, trust_env=False) as client:
                answer = client.post(self._url, content=body, headers={"Stripe-Signature": header})
            if answer.status_code != 200:
                log.warning("a sandbox webhook got %d", answer.status_code)
        except httpx.HTTPError as error:
            log.warning("a sandbox webhook was not taken: %s", type(error).__name__)

    def message(self, refill_id: UUID, kind: str) -> tuple[bytes, str]:
        """A webhook about a charge as it is sent now: body and signature."""
        with self._lock:
            known = self._charges[str(refill_id)]
            event = known["events"].setdefault(kind, f"evt_{secrets.token_hex(12)}")
            if kind in _DISPUTES:
                known["state"], known["reason"] = _DISPUTES[kind][0], "fraudulent"
            self._write()
        intent = {
            "id": known["reference"],
            "object": "payment_intent",
            "amount": known["amount_cents"],
            "amount_received": known["amount_cents"],
            "metadata": {"refill": str(refill_id)},
            "last_payment_error": {"decline_code": known["reason"]},
        }
        dispute = {
            "id": f"dp_{known['reference'].removeprefix('pi_')}",
            "object": "dispute",
            "status": _DISPUTES[kind][1] if kind in _DISPUTES else "",
            "payment_intent": known["reference"],
            "amount": known["amount_cents"],
            "reason": "fraudulent",
        }
        about = dispute if kind in _DISPUTES else intent
        body = json.dumps(
            {
                "id": event,
                "type": kind,
                "created": known["created_s"],
                "livemode": False,
                "data": {"object": about},
            },
            separators=(",", ":"),
        ).encode()
        return body, signature.signed(self._secret, body, self._now_ms() // 1000)

    def _write(self) -> None:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_durably(self._path, json.dumps(self._charges).encode())


def _read(path: Path) -> dict[str, dict[str, Any]]:
    try:
        found = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError):
        log.warning("%s cannot be read: the sandbox forgot its charges", path.name)
        return {}
    return found if isinstance(found, dict) else {}


def _as_charge(known: dict[str, Any], state: str) -> Charge:
    return Charge(
        reference=known["reference"],
        state=state,
        amount_cents=known["amount_cents"],
        reason=known["reason"],
        dispute=f"dp_{known['reference'].removeprefix('pi_')}" if state in (DISPUTED, WON) else "",
    )
