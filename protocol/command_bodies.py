"""What the operators' signed commands hold in their `body`, by verb (TR-TPR section 10.7)."""

from typing import Literal, NotRequired, TypedDict

from protocol.messages import MenuItem
from protocol.pin import SealedPin


class RegisterCompany(TypedDict):
    what: Literal["company"]
    name: str
    timezone: str
    daily_limit_cents: int | None


class RegisterShop(TypedDict):
    what: Literal["shop"]
    name: str
    category: str
    timezone: str
    email: str


class RegisterTerminal(TypedDict):
    what: Literal["terminal"]
    shop: str
    label: str
    csr: NotRequired[str]


class Cardholder(TypedDict):
    first_name: str
    last_name: str
    email: str


class Issue(TypedDict):
    """At least one of `stripe` and `virtual`; `csr` (b64 DER) is needed for a virtual card.

    `another`: also where the company's employee of that e-mail address has cards already.
    """

    company: str
    cardholder: Cardholder
    another: NotRequired[bool]
    stripe: NotRequired[bool]
    virtual: NotRequired[bool]
    csr: NotRequired[str]


class SetPin(SealedPin):
    """The block is sealed with t4 of the operator's session, counter 0, ms = `issued_ms`."""

    card: str


class RefillLine(TypedDict):
    account: str
    amount_cents: int


class Refill(TypedDict):
    """An order. Either `lines`, or `each_cents` for every account of the company or of a `group`.

    `method` is `bank` where it is missing; `token` is the processor's for a card; `confirmed`: the
    operator saw the money, `reference` says where. `source` `file`: the same content is ordered
    once, unless `again`. `partial`: lines at fault are left out instead of refusing the whole.
    """

    company: str
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
    """A decision over an order, or a question to the processor. `why`: the reason, or for `confirm`
    and `refunded` the reference of the payment; not needed for `approve`, `poll` and `resend`."""

    what: Literal["confirm", "approve", "reject", "cancel", "refunded", "poll", "resend"]
    refill: str
    why: NotRequired[str]


class ChargeBack(TypedDict):
    """The payment of a refill was taken back; needs two operators."""

    refill: str
    why: str


class AddSchedule(TypedDict):
    """`day`: 1 (Monday) .. 7 of a week, 1 .. 31 of a month; `hour` in `timezone`. `holidays`: what
    becomes of a due date that is no bank day, `keep` where it is missing."""

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


class Correct(TypedDict):
    """`amount_cents` is what the amount should have been; with `preview` nothing is stored."""

    transaction: str
    amount_cents: int
    why: str
    preview: NotRequired[bool]


class BlockCard(TypedDict):
    """`status` is `blocked` where it is missing."""

    card: str
    status: NotRequired[Literal["blocked", "lost", "stolen"]]
    why: str


class BlockTerminal(TypedDict):
    terminal: str
    why: str


class SetMenu(TypedDict):
    shop: str
    items: list[MenuItem]


class OpenEnrolment(TypedDict):
    """A one-time code for a registered terminal or card; the result has it, `code`, once."""

    role: Literal["pos", "card"]
    subject: str


class DecideEnrolment(TypedDict):
    """A person's decision over an enrolment that waits in the queue."""

    enrolment: str
    approve: bool
    why: str


class Profile(TypedDict):
    """What holds for the certificates of one role."""

    role: Literal["pos", "card", "website", "operator", "auditor"]
    valid_days: int
    renew_days: int
    grace_days: int
    check: Literal["automatic", "human"]
    code_hours: int


class SetPolicy(TypedDict):
    """Profiles from now on; needs two operators. Roles that are not named keep theirs."""

    profiles: list[Profile]
    why: str


class Revoke(TypedDict):
    """1 to 1,000 certificates by their ids in the ledger; more than one needs two operators.

    `reason`: a name of RFC 5280 section 5.3.1, `unspecified` where it is missing.
    """

    certificates: list[str]
    reason: NotRequired[str]
    why: str


class Approve(TypedDict):
    """The decision over a proposal. For a yes `command_hash` (SHA-256 of the proposed command's
    bytes, hex) says what was seen; for a no `why` says why."""

    proposal: str
    approve: bool
    command_hash: NotRequired[str]
    why: NotRequired[str]


class CertifyTls(TypedDict):
    """`csr` (b64 DER) is for a key that stays where it was made; `names` for a server's SAN."""

    what: Literal["certificate"]
    holder: Literal["backend", "card", "gateway", "pos", "website"]
    csr: str
    names: NotRequired[list[str]]


class NextTlsAuthority(TypedDict):
    """`replaces`: SHA-256 (hex) of the newest TLS authority's certificate that the caller knows."""

    what: Literal["authority"]
    replaces: str


class Rotate(TypedDict):
    """The next `generation` of a key of the HSM: one more than the one in use."""

    key: str
    generation: int
    why: str


class Erase(TypedDict):
    """Forgets a person, by two operators. `why` must name nobody: it is kept."""

    cardholder: str
    why: str
