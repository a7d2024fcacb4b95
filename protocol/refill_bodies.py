"""Bodies about refills: operators' commands, documents, and what processors told."""

from typing import Literal, NotRequired, TypedDict


class Document(TypedDict):
    """D DOCUMENT: the receipt of refill `of`, or the invoice for its fee: a PDF in b64, in parts as
    D EXPORT."""

    id: int
    what: Literal["receipt", "invoice"]
    of: str


class Webhook(TypedDict):
    """C WEBHOOK, website → backend: what a payment processor sent to the website, as it came.
    `body` is b64 of its bytes, `signature` the header that covers them."""

    id: int
    processor: str
    body: str
    signature: str


class RefillLine(TypedDict):
    account: str
    amount_cents: int


class Refill(TypedDict):
    """An order. Either `lines`, or `each_cents` for every account of the company or of a `group`.

    `method` is `bank` where it is missing; `token` is the processor's for a card; `confirmed`: the
    operator saw the money, `reference` says where. `source` `file`: the same content is ordered
    once, unless `again`. `partial`: lines at fault are left out instead of refusing the whole.
    The money can be spent through `last_day` (`YYYY-MM-DD`), as long as the company's programme
    says where that is missing.
    """

    company: str
    last_day: NotRequired[str]
    what: NotRequired[Literal["order"]]
    lines: NotRequired[list[RefillLine]]
    each_cents: NotRequired[int]
    group: NotRequired[str]
    method: NotRequired[Literal["bank", "check", "paypal", "card"]]
    token: NotRequired[str]
    confirmed: NotRequired[bool]
    reference: NotRequired[str]
    source: NotRequired[Literal["form", "file"]]
    again: NotRequired[bool]
    partial: NotRequired[bool]


class DecideRefill(TypedDict):
    """A decision over an order, or a question to the processor. `why`: the reason, or the reference
    of the payment for `confirm`, `refunded` and `fee-paid`; not needed for `approve`, `poll` and
    `resend`. `amount_cents` is of `fee-paid`."""

    what: Literal[
        "confirm", "approve", "reject", "cancel", "refunded", "fee-paid", "poll", "resend"
    ]
    refill: str
    why: NotRequired[str]
    amount_cents: NotRequired[int]


class ChargeBack(TypedDict):
    """The payment of a refill was taken back, or with `won` is ours again; needs two operators."""

    refill: str
    why: str
    won: NotRequired[bool]


class AddSchedule(TypedDict):
    """`day`: 1 (Monday) .. 7 of a week, 1 .. 31 of a month; `hour` in `timezone`. `holidays`: what
    becomes of a due date that is no bank day, `keep` where it is missing. `until`: the last day, as
    `2026-12-31`, on which it may be due; for ever where it is missing."""

    what: Literal["add"]
    company: str
    each_cents: int
    group: NotRequired[str]
    method: NotRequired[Literal["bank", "check", "paypal", "card"]]
    token: NotRequired[str]
    every: Literal["weekly", "monthly"]
    day: int
    hour: int
    timezone: str
    holidays: NotRequired[Literal["keep", "before", "after", "skip"]]
    until: NotRequired[str]


class ChangeSchedule(TypedDict):
    what: Literal["pause", "resume", "remove"]
    schedule: str
    why: str


class SetGroup(TypedDict):
    """Accounts that come into a named group of a company, and accounts that leave it."""

    what: Literal["group"]
    company: str
    group: str
    add: NotRequired[list[str]]
    remove: NotRequired[list[str]]
