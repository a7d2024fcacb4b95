"""The transcript as a text that people read: the same bytes for the same entries and signatures."""

import textwrap
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from adapters.ceremony.new_root import KIND
from adapters.ceremony.people import Plan
from adapters.ceremony.signatures import Signatures
from adapters.ceremony.transcript import NOTE, Entry

HOW_TO_CHECK: Final = (
    "This text is made from transcript.jsonl, in which each line holds the hash of the line before."
    " The signatures are over the hash of the last line. To check all of it, on any machine with"
    " this program: ticketrestaurant ceremony verify FOLDER --root root.pem"
)
_WIDTH: Final = 92
_RULE: Final = "=" * _WIDTH


class Part(NamedTuple):
    """A fact of the heading: its name and its value."""

    name: str
    value: str


def title(entries: Sequence[Entry]) -> str:
    """What was held."""
    new_root = entries[0].facts.get("kind") == KIND
    return f"ceremony for root {entries[0].facts['generation']}" if new_root else "key ceremony"


def heading(entries: Sequence[Entry]) -> list[Part]:
    """When, where, with what."""
    facts: dict[str, Any] = entries[0].facts
    machine, program = facts["machine"], facts["software"]
    plan = Plan.from_json(facts)
    shares = facts.get("of", len(plan.custodians))
    return [
        Part("Held", f"{entries[0].at} to {entries[-1].at}"),
        Part("Kind", "SANDBOX: its people do not exist" if plan.sandbox else "for real use"),
        Part("Shares", f"{plan.threshold} of {shares} give the HSM's PIN"),
        Part("Machine", f"{machine['machine']}, {machine['system']}, Python {machine['python']}"),
        Part("Program", f"version {program['version']}, shares by shamir-mnemonic"
                        f" {program['shamir-mnemonic']}"),
        Part("Its source files", f"SHA-256 {program['sha256']}"),
        Part("PKCS#11 module", f"{program['pkcs11_module']}, SHA-256 {program['pkcs11_sha256']}"),
    ]  # fmt: skip


def as_text(entries: Sequence[Entry], signatures: Signatures) -> bytes:
    """The whole document, UTF-8."""
    return ("\n".join(_lines(entries, signatures)) + "\n").encode()


def _lines(entries: Sequence[Entry], signatures: Signatures) -> Iterator[str]:
    yield from (_RULE, f"TicketRestaurant US: {title(entries)}".center(_WIDTH).rstrip(), _RULE, "")
    for name, value in heading(entries):
        yield from _wrapped(value, f"{name + ':':<18}")
    yield from ("", "PARTICIPANTS", "")
    keys = {each["name"]: each for each in entries[0].facts["keys"]}
    for person in Plan.from_json(entries[0].facts).people:
        kind = "own key" if keys[person.name]["own_key"] else "key of this ceremony only"
        yield f"  {person.name:<44}{person.role:<16}{kind}"
    yield from ("", "WHAT HAPPENED", "")
    for entry in entries:
        mark = "  note: " if entry.step == NOTE else ""
        yield f"{entry.n:>3}  {entry.at}  {entry.who}"
        yield from _wrapped(mark + entry.text, " " * 5)
    yield from ("", "SIGNATURES", "", f"  over the last line, SHA-256 {signatures.head}", "")
    for name, signature in signatures.by_name():
        yield f"  {name}"
        yield from (f"      {each}" for each in textwrap.wrap(signature, _WIDTH - 6))
    yield from ("", *_wrapped(HOW_TO_CHECK, ""))


def _wrapped(text: str, begin: str) -> list[str]:
    return textwrap.wrap(
        text, _WIDTH, initial_indent=begin, subsequent_indent=" " * len(begin),
        break_on_hyphens=False,
    )  # fmt: skip
