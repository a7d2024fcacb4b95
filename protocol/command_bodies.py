"""What the operators' signed commands hold in their `body`, by verb (TR-TPR section 10.7);
those about refills are in `refill_bodies`."""

from typing import Literal, NotRequired, TypedDict

from protocol.messages import MenuItem
from protocol.pin import SealedPin


class RegisterCompany(TypedDict):
    what: Literal["company"]
    name: str
    timezone: str
    daily_limit_cents: int | None


class Place(TypedDict):
    """A point in millionths of a degree, north and east above zero."""

    latitude_e6: int
    longitude_e6: int


class RegisterShop(TypedDict):
    what: Literal["shop"]
    name: str
    category: str
    timezone: str
    email: str
    place: NotRequired[Place]


class RegisterPlace(TypedDict):
    """Where a shop is, also for one that was registered before."""

    what: Literal["place"]
    shop: str
    place: Place


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


class Correction(TypedDict):
    """What `amount_cents` should have been: of a payment (`transaction`), or of a refill's credit
    to an account (`refill`, `account`).

    `version` and `from_cents` are what the record was when it was looked at; a preview needs none.
    `why` and evidence of its own go before those of the whole. `line`: how answers name it, by its
    place in the list where it is missing.
    """

    line: NotRequired[int]
    transaction: NotRequired[str]
    refill: NotRequired[str]
    account: NotRequired[str]
    amount_cents: int
    version: NotRequired[int]
    from_cents: NotRequired[int]
    why: NotRequired[str]
    evidence: NotRequired[str]
    document_sha256: NotRequired[str]


class Correct(TypedDict):
    """1 to 1,000 corrections by two operators, all or none; with `preview` nothing is stored.

    Each needs a reason and evidence: words that refer to it, or a document's SHA-256 (hex).
    """

    lines: list[Correction]
    why: NotRequired[str]
    evidence: NotRequired[str]
    document_sha256: NotRequired[str]
    preview: NotRequired[bool]


class OpenDispute(TypedDict):
    """For a cardholder who called. `amount_cents` is missing for all that is left."""

    do: Literal["open"]
    transaction: str
    amount_cents: NotRequired[int]
    text: str
    document_sha256: NotRequired[str]


class DisputeEvidence(TypedDict):
    """What one side says; an operator enters it."""

    do: Literal["evidence"]
    dispute: str
    side: Literal["cardholder", "shop"]
    text: str
    document_sha256: NotRequired[str]


class DecideDispute(TypedDict):
    """`amount_cents` only for the cardholder; missing for all that is in dispute and left."""

    do: Literal["decide"]
    dispute: str
    winner: Literal["cardholder", "shop"]
    amount_cents: NotRequired[int]
    why: str


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


class EnrolPerson(TypedDict):
    """A new operator or auditor; needs two operators. The result of the approval has `code`."""

    role: Literal["operator", "auditor"]
    why: str


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

    `reason`: a name of RFC 5280 section 5.3.1, `unspecified` where it is missing. `cut_off`: a root
    ends also for those who have no certificate under a newer one.
    """

    certificates: list[str]
    cut_off: NotRequired[bool]
    reason: NotRequired[str]
    why: str


class Approve(TypedDict):
    """The decision over a proposal. For a yes `command_hash` (SHA-256 of the proposed command's
    bytes, hex) says what was seen; for a no `why` says why."""

    proposal: str
    approve: bool
    command_hash: NotRequired[str]
    why: NotRequired[str]


class TlsRequest(TypedDict):
    """`csr` (b64 DER) is for a key that stays where it was made; `names` for a server's SAN."""

    holder: Literal["backend", "card", "gateway", "pos", "website"]
    csr: str
    names: NotRequired[list[str]]


class CertifyTls(TypedDict):
    """The next certificates of one to five TLS classes; needs two operators. Given again with the
    same keys it is answered with them. `proposal`: which one it was asked for by before."""

    what: Literal["certificate"]
    requests: list[TlsRequest]
    proposal: NotRequired[str]


class NextTlsAuthority(TypedDict):
    """`replaces`: SHA-256 (hex) of the newest TLS authority's certificate that the caller knows."""

    what: Literal["authority"]
    replaces: str
    proposal: NotRequired[str]


class EndTlsTrust(TypedDict):
    """No TLS authority is trusted but the newest, whose certificate has the SHA-256 (hex)
    `keeps`; needs two operators. Given again it is answered whether they agreed."""

    what: Literal["retire"]
    keeps: str
    proposal: NotRequired[str]


class Rotate(TypedDict):
    """The next `generation` of a key of the HSM: one more than the one in use."""

    key: str
    generation: int
    why: str


class Erase(TypedDict):
    """Forgets a person, by two operators. `why` must name nobody: it is kept."""

    cardholder: str
    why: str


class ProgrammeTerms(TypedDict):
    """What changes of a company's programme. Amounts in cents, null: no limit; times are local.

    `weekdays`: `mon` .. `sun`; `hours`: `11:00-15:00`, empty: the whole day; `holidays`: dates;
    categories: four digits each, `allowed_categories` empty: all that are not refused.
    """

    per_payment_cents: NotRequired[int | None]
    per_day_cents: NotRequired[int | None]
    per_week_cents: NotRequired[int | None]
    per_month_cents: NotRequired[int | None]
    payments_per_day: NotRequired[int | None]
    payments_per_week: NotRequired[int | None]
    payments_per_month: NotRequired[int | None]
    weekdays: NotRequired[list[str]]
    hours: NotRequired[list[str]]
    holidays: NotRequired[list[str]]
    allowed_categories: NotRequired[list[str]]
    refused_categories: NotRequired[list[str]]
    tip_percent: NotRequired[int]
    pin_free_cents: NotRequired[int]
    partial_approval: NotRequired[bool]
    expiry_days: NotRequired[int | None]


class SetProgramme(TypedDict):
    """Terms from `effective` on, a local time of the company, now where it is missing.

    What `terms` does not name stays as it will be then, or with `from_standard` as the standard
    terms have it. With `preview` nothing is stored.
    """

    company: str
    terms: ProgrammeTerms
    from_standard: NotRequired[bool]
    effective: NotRequired[str]
    why: str
    preview: NotRequired[bool]


class Funds(TypedDict):
    """A decision over all expired money of 1 to 1,000 accounts, or over that whose last day was
    `expired_day`. `amount_cents` is what the operator was shown: of another amount nothing is
    done, and more than $1,000.00 needs two operators. `last_day` to reactivate, `cause` to donate.
    """

    what: Literal["reactivate", "return", "donate"]
    accounts: list[str]
    expired_day: NotRequired[str]
    amount_cents: int
    last_day: NotRequired[str]
    cause: NotRequired[str]
    why: str


class CloseDay(TypedDict):
    """Closes a day of the books, `YYYY-MM-DD`; days close in order."""

    day: str


class StatementEntry(TypedDict):
    """A booked entry: cents in above zero, out below; `text` as the bank passes it on."""

    day: str
    amount_cents: int
    text: NotRequired[str]
    bank_reference: NotRequired[str]


class Reconcile(TypedDict):
    """A bank statement of up to 3,000 entries. `account` and `statement` as the bank names them;
    `file_sha256` in hex; with `preview` nothing is stored."""

    account: str
    statement: str
    file_sha256: str
    entries: list[StatementEntry]
    preview: NotRequired[bool]
