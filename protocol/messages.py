"""The JSON bodies inside records: their members, and who may send which (TR-TPR section 10).

Every request has `id`, every answer has `re` with that value. Amounts are integer cents, times
integer milliseconds since 1970 UTC; `b64` values are base64url without padding.
"""

from typing import Any, Final, Literal, NotRequired, TypedDict

from protocol.adjustment import ACTIONS, SignedRequest
from protocol.book_reads import Books
from protocol.certificate_messages import Enrol, Renew, WebsiteStatus
from protocol.refill_bodies import Document, Webhook
from protocol.sealed_track import SealedTrack


class Roots(TypedDict):
    """The roots in force, oldest first, and the links between them: b64 of certificates in DER."""

    in_force: list[str]
    links: list[str]


class Ready(TypedDict):
    """I READY, the backend's first record. `pin_key`: b64 SPKI DER of the HSM's PIN key."""

    time_ms: int
    limits: dict[str, Any]
    pin_key: str
    pin_certificate: NotRequired[list[str]]
    roots: NotRequired[Roots]


class PosReady(TypedDict):
    """I READY of a POS to a card that called it."""

    time_ms: int
    shop: str
    shop_name: str


class ErrorBody(TypedDict):
    """I ERROR. `re` is missing where it is about no request, or one that could not be read.

    `session`, only outside records: the relayed session or offer that it is about.
    """

    re: NotRequired[int]
    session: NotRequired[str]
    code: str
    text: str


class LinkStatus(TypedDict):
    """I STATUS outside records: the gateway's answer to a keep-alive."""

    link: Literal["up", "down"]


# --- Paying: POS and card ---


class Authorize(TypedDict):
    """C AUTHORIZE, POS → backend: a contract, who signed it, and the card beside it.

    Stripe: `track2` as read, and `salt`. Virtual card: `track`, `consent`, `card_id`. `pin`:
    whether a PRESENT-PIN of the same counter went before.
    """

    id: int
    contract: str
    signature: str
    pin: bool
    salt: NotRequired[str]
    track2: NotRequired[str]
    track: NotRequired[SealedTrack]
    consent: NotRequired[str]
    card_id: NotRequired[str]


class PresentPin(TypedDict):
    """C PRESENT-PIN, POS → backend. Answered only if it is refused."""

    id: int
    counter: int
    ms: int
    ephemeral: str
    block: str


class Decision(TypedDict):
    """I DECISION, backend → POS (with `re`) and card (with `shop_name`, `balance_cents`).

    `approved_cents` where less was approved than asked for (code 10).
    """

    re: NotRequired[int]
    counter: int
    ms: int
    transaction: str
    approved: bool
    code: str
    reason: str
    amount_cents: int
    would_pass_cents: int | None
    passes_at_ms: NotRequired[int | None]
    text: str
    decided_ms: int
    duplicate: bool
    approved_cents: NotRequired[int]
    shop_name: NotRequired[str]
    balance_cents: NotRequired[int | None]


class Reverse(TypedDict):
    """C REVERSE, POS → backend. Stripe: `pan` and `salt`. Virtual card: `card_id`."""

    id: int
    counter: int
    ms: int
    contract_hash: str
    why: str
    pan: NotRequired[str]
    salt: NotRequired[str]
    card_id: NotRequired[str]


class Reversed(TypedDict):
    """I STATUS, the answer to C REVERSE."""

    re: int
    state: Literal["reversed", "nothing-to-reverse"]
    transaction: str
    amount_cents: int


class Ask(TypedDict):
    """A request without arguments: C MENU (POS, card), C BALANCE, C HISTORY, C ALERTS (card)."""

    id: int


class AlertAnswer(TypedDict):
    """C ANSWER, card → backend: whether the payments of an alert are the cardholder's own."""

    id: int
    alert: str
    mine: bool


class MenuItem(TypedDict):
    """What a shop sells."""

    item: str
    name: str
    price_cents: int


class Menu(TypedDict):
    """D MENU."""

    re: int
    shop: str
    shop_name: str
    version: int
    items: list[MenuItem]


class OrderItem(TypedDict):
    """A line of an order."""

    item: str
    name: str
    price_cents: int
    quantity: int


class Order(TypedDict):
    """D ORDER, card → POS. `card`: b64 of the card reference; `tip_cents`: the highest tip that
    the cardholder agrees to, wanted in the contract."""

    id: int
    items: list[OrderItem]
    card: str
    tip_cents: NotRequired[int]


class ContractOffer(TypedDict):
    """D CONTRACT, POS → card, after the cashier confirmed. `signature` is the POS's."""

    re: int
    contract: str
    signature: str
    amount_cents: int


class Consent(TypedDict):
    """D CONSENT, card → POS. `re` is the order's id, `consent` the card's signature."""

    re: int
    consent: str
    track: SealedTrack
    card_id: str


class OrderStatus(TypedDict):
    """I STATUS, POS → card: how the order ended at the POS. The backend's DECISION counts."""

    re: int
    state: Literal["approved", "refused", "unanswered"]
    text: str


class Balance(TypedDict):
    """D BALANCE, backend → card. Of `balance_cents`, all of which can be spent, `expires_cents`
    only through `expires_day` (`YYYY-MM-DD`), and no other part has an earlier last day."""

    re: int
    balance_cents: int
    currency: str
    spent_today_cents: int
    daily_limit_cents: int | None
    expires_cents: NotRequired[int]
    expires_day: NotRequired[str]


class Rows(TypedDict):
    """D HISTORY, D QUERY, D AUDIT, D BOOKS: rows of an answer. `part` counts from 1; `more` if
    further ones follow."""

    re: int
    rows: list[dict[str, Any]]
    part: NotRequired[int]
    more: NotRequired[bool]


class Chunk(TypedDict):
    """D EXPORT, D PROOF, D BOOKS: the next piece of a text. `part` counts from 1; `more` until the
    last."""

    re: int
    chunk: str
    part: int
    more: bool


# --- Operators and auditors ---


class SignedCommand(TypedDict):
    """C REGISTER … C PIN, operator → backend: the exact command bytes and their signature.

    A command too long for a line comes as `pieces` requests of one `id` and `signature`, numbered
    by `piece` from 1; the signature is over all bytes joined, only the last one is answered.
    """

    id: int
    command: str
    signature: str
    piece: NotRequired[int]
    pieces: NotRequired[int]


class Command(TypedDict):
    """What the command bytes hold. `command_id` (UUID) makes a repetition harmless."""

    verb: str
    command_id: str
    issued_ms: int
    body: dict[str, Any]


class Query(TypedDict):
    """D QUERY: `what` names a list, `of` its owner. Among certificates choose
    `serial` (hex), `state`, and `until_ms`, by when they expire. `balance` is an account's as of
    `at_ms`, or of the event at `position`. `account` and `until_day` (`YYYY-MM-DD`) choose among
    lots. `watch-rehearsal` tries `rules` on the last `days`."""

    id: int
    what: str
    of: NotRequired[str]
    account: NotRequired[str]
    until_day: NotRequired[str]
    serial: NotRequired[str]
    state: NotRequired[Literal["valid", "expired", "revoked"]]
    until_ms: NotRequired[int]
    at_ms: NotRequired[int]
    position: NotRequired[int]
    rules: NotRequired[dict[str, Any]]
    days: NotRequired[int]


class Audit(TypedDict):
    """D AUDIT: the full history of a card."""

    id: int
    card: str


Export = TypedDict(
    "Export",
    {
        "id": int,
        "what": Literal["settlements"],
        "from": str,
        "to": str,
        "shop": NotRequired[str],
        "format": Literal["csv", "xml"],
    },
)
"""D EXPORT: calendar days `YYYY-MM-DD`, both included."""


class Proof(TypedDict):
    """D PROOF: a proof file as text. `event`: of the event at `position`. `stream`: of all events
    of `stream`, with `receipt` signed by the backend. `extension`: that the newest checkpoint
    extends that of `old_size` events."""

    id: int
    what: Literal["event", "stream", "extension"]
    position: NotRequired[int]
    stream: NotRequired[str]
    receipt: NotRequired[bool]
    old_size: NotRequired[int]


class Rehearse(TypedDict):
    """D REHEARSE: the last `days` of a company again, as if its programme had had these terms.

    `terms` as in C PROGRAMME: changes to the terms in force, or to the standard ones.
    """

    id: int
    company: str
    days: int
    terms: dict[str, Any]
    from_standard: NotRequired[bool]


class Done(TypedDict):
    """I STATUS: an operator's command, or the website's C WEBHOOK, was carried out."""

    re: int
    state: Literal["done"]
    result: dict[str, Any]


class Working(TypedDict):
    """I STATUS: how far a long request is."""

    re: int
    state: Literal["working"]
    done: int
    of: int


_COMMANDS: Final = (
    *("REGISTER", "ISSUE", "REFILL", "CORRECT", "BLOCK", "MENU", "PIN", "REVOKE", "APPROVE"),
    *("ENROLMENT", "POLICY", "TLS", "ROTATE", "ERASE", "PROJECTION", "PROGRAMME", "FUNDS"),
    *("CLOSE", "RECONCILE", "WATCH", "ALERT", "SCHEDULE", "CHARGEBACK", "DISPUTE"),
)

_RENEW: Final[dict[str, type[Any]]] = {"C RENEW": Renew}
_READS: Final[dict[str, type[Any]]] = {
    "D QUERY": Query,
    "D AUDIT": Audit,
    "D EXPORT": Export,
    "D PROOF": Proof,
    "D REHEARSE": Rehearse,
    "D BOOKS": Books,
    "D DOCUMENT": Document,
}

REQUESTS: Final[dict[str, dict[str, type[Any]]]] = {
    "enrollee": {"C ENROL": Enrol},
    "pos": {
        **_RENEW,
        "C AUTHORIZE": Authorize,
        "C PRESENT-PIN": PresentPin,
        "C REVERSE": Reverse,
        **{f"C {action}": SignedRequest for action in ACTIONS},
        "C MENU": Ask,
    },
    "card": {
        "C BALANCE": Ask,
        "C HISTORY": Ask,
        "C ALERTS": Ask,
        "C ANSWER": AlertAnswer,
        "C DISPUTE": SignedRequest,
        **_RENEW,
    },
    "operator": {**{f"C {verb}": SignedCommand for verb in _COMMANDS}, **_READS, **_RENEW},
    "auditor": {**_READS, **_RENEW},
    "website": {
        "I STATUS": WebsiteStatus,
        "I ERROR": ErrorBody,
        "C WEBHOOK": Webhook,
        **_RENEW,
    },
}
"""What each role may send to the backend in its session, by `<kind> <verb>`."""
