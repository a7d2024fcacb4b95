"""The bodies of messages about certificates, and of those between backend and website."""

from typing import Any, Literal, NotRequired, TypedDict

# --- Website ---


class Report(TypedDict):
    """D REPORT, backend → website: what happened after position `after`, up to `upto`."""

    id: int
    report: int
    after: int
    upto: int
    as_of_us: int
    shops: list[dict[str, Any]]
    rows: list[dict[str, Any]]
    logins: list[dict[str, Any]]


class WebsiteStatus(TypedDict):
    """I STATUS, website → backend: `have` on connecting (with `id`) or instead of a report that
    does not follow on (with `re`); `stored` to acknowledge a report (with `re`)."""

    id: NotRequired[int]
    re: NotRequired[int]
    state: Literal["have", "stored"]
    upto: int


# --- Certificates ---


class Enrol(TypedDict):
    """C ENROL, enrollee → backend: a one-time code, and the request (b64 PKCS#10 DER) for the very
    key that opened this session."""

    id: int
    code: str
    csr: str


class Renew(TypedDict):
    """C RENEW: the request (b64 PKCS#10 DER) for the holder's next key."""

    id: int
    csr: str


class Queued(TypedDict):
    """I STATUS to an enrollee: a person has to look; ask again later with code and key."""

    re: int
    state: Literal["queued"]
    text: str
