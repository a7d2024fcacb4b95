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
    """Either `lines`, or `each_cents` for every account of the company."""

    company: str
    lines: NotRequired[list[RefillLine]]
    each_cents: NotRequired[int]


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
