"""What exactly a proposal would do, in lines for the person who approves it.

Read and hashed here from the bytes that its proposer signed, not from anybody's summary.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from adapters.cli.failure import integrity_broken, refused
from adapters.cli.output import counted, printable, this_program
from adapters.cli.people import people, who
from adapters.cli.queue_words import called, in_words
from adapters.cli.watch_words import differences
from domain.answers import dollars
from protocol import bodies, messages
from protocol.encoding import unb64
from protocol.errors import BodyError

if TYPE_CHECKING:
    from adapters.cli.operator_link import Operator

Row = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A proposal with what it is about. `command_hash` is of the bytes that are shown."""

    row: Row
    command: Row
    command_hash: str
    about: list[Row]

    def as_json(self) -> Row:
        """For programs."""
        return {**self.row, "command": self.command, "about": self.about}

    def lines(self) -> Iterator[str]:
        """For people."""
        row = self.row
        yield f"proposal {row['proposal']} is {row['status']}: {printable(row['summary'])}"
        yield f"  proposed by  {who(row['proposer'], people())}"
        yield f"  SHA-256      {self.command_hash}"
        yield from (f"  {line}" for line in self.exactly())

    def exactly(self) -> Iterator[str]:
        """What it would do."""
        body = self.command["body"]
        for line in _EXACTLY.get(self.command["verb"], _fields)(body, self.about):
            yield printable(line)


async def read_proposal(operator: "Operator", proposal: str) -> Shown:
    """Asks for it. Raises Failure where it is none, or its bytes are not those of its hash."""
    rows = await operator.rows("QUERY", {"what": "proposals"})
    found = [row for row in rows if row["proposal"] == proposal]
    if not found:
        raise refused("there is no proposal with that id; see: " + this_program("proposal", "list"))
    told = await operator.rows("QUERY", {"what": "proposal", "of": proposal})
    raw = b"".join(unb64(str(row["piece"])) for row in told if "piece" in row)
    digest = sha256(raw).hexdigest()
    try:
        command: Row = {**bodies.read(raw, messages.Command)}
    except BodyError:
        command = {}
    if digest != found[0]["command_hash"] or command.get("verb") != found[0]["verb"]:
        raise integrity_broken("the command that was shown is not the one that was proposed")
    about = [row for row in told if "about" in row]
    if command["verb"] == "ROTATE":
        keys = await operator.rows("QUERY", {"what": "hsm-keys"})
        wanted = command["body"].get("key")
        about += [
            {"about": "key", "key": wanted, "generation": each["generation"]}
            for each in keys
            if each["key"] == wanted and each["in_use"]
        ]
    return Shown(row=found[0], command=command, command_hash=digest, about=about)


def _revoke(body: Row, about: list[Row]) -> Iterator[str]:
    known = {row["certificate"]: row for row in about}
    for id in body["certificates"]:
        row = known.get(id)
        if row is None:
            yield f"certificate  {id}, which is not on record"
        else:
            before = ", revoked already" if row["revoked"] else ""
            holder = in_words("holder", row["holder"], people())
            yield f"certificate  {row['serial']} ({row['role']}) of {holder}{before}"
    yield f"reason       {body.get('reason', 'unspecified')}: {body['why']}"


def _policy(body: Row, about: list[Row]) -> Iterator[str]:
    now = {row["role"]: row for row in about}
    for profile in body["profiles"]:
        before = now.get(profile["role"], {})
        for name, value in profile.items():
            if name == "role":
                continue
            old = before.get(name)
            change = f"stays {value}" if old == value else f"{old} → {value}"
            yield f"{profile['role']:12} {name.replace('_', ' ')}: {change}"
    yield f"why          {body['why']}"


def _erase(body: Row, about: list[Row]) -> Iterator[str]:
    yield f"cardholder   {body['cardholder']}"
    for row in about:
        yield f"             {row['name'] or 'erased already'}, company {row['company']}"
    yield "             name and e-mail address go for good; this cannot be undone"
    yield f"why          {body['why']}"


def _rotate(body: Row, about: list[Row]) -> Iterator[str]:
    now = ", ".join(str(row["generation"]) for row in about) or "unknown"
    yield f"key          {body['key']}: generation {now} → {body['generation']}"
    if "ceremony" in body:
        yield f"ceremony     {body['ceremony']}"
    yield f"why          {body['why']}"


def _watch(body: Row, about: list[Row]) -> Iterator[str]:
    yield from differences(about[0] if about else {}, body["rules"])
    yield f"why          {body['why']}"


def _tls(body: Row, about: list[Row]) -> Iterator[str]:
    for request in body.get("requests", ()):
        names = ", ".join(request.get("names", ())) or "none"
        yield f"certificate  of {request['holder']}, further names: {names}"
        yield f"             key of SHA-256 {key_sha256(request['csr'])}"
    if "replaces" in body:
        yield f"authority    a new one after that of SHA-256 {body['replaces']}"
    if "keeps" in body:
        yield f"trust        no authority before that of SHA-256 {body['keeps']}"


def key_sha256(csr: str) -> str:
    """Of the key (SPKI) of a request as a command brings it, in hex; in words where it is none."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    try:
        key = x509.load_der_x509_csr(unb64(csr)).public_key()
    except Exception:  # whatever a hostile request makes the parser say
        return "that cannot be read"
    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return sha256(spki).hexdigest()


def _of_refill(body: Row, about: list[Row]) -> Iterator[str]:
    yield from _fields(body, about)
    for row in about:
        company, accounts = row["company"] or "a company", counted(row["accounts"], "account")
        yield f"which is     {dollars(row['total_cents'])} of {company} for {accounts},"
        yield f"             {dollars(row['credited_cents'])} of it credited; it is {row['status']}"


def _fields(body: Row, about: list[Row]) -> Iterator[str]:
    for name, value in body.items():
        for each in value if isinstance(value, list) else [value]:
            yield f"{called(name):12} {in_words(name, each)}"


_EXACTLY: dict[str, Callable[[Row, list[Row]], Iterator[str]]] = {
    "REVOKE": _revoke,
    "POLICY": _policy,
    "ERASE": _erase,
    "ROTATE": _rotate,
    "WATCH": _watch,
    "TLS": _tls,
    "REFILL": _of_refill,
    "CHARGEBACK": _of_refill,
}
