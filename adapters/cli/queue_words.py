"""What is known of a matter of the queue, in words; and what a yes or a no to it does."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from adapters.cli.output import printable
from adapters.cli.people import who
from adapters.cli.times import moment
from domain.answers import dollars

_NOBODY: Final[Mapping[str, str]] = {}
_SUFFIXES: Final = ("_cents", "_ms", "_sha256")
_NAMES: Final = {
    "credited_cents": "credited so far",
    "evidence_until_ms": "evidence until",
    "decide_until_ms": "decide by",
    "document_sha256": "document with SHA-256",
    "raised_ms": "noticed",
    "kind": "kind of card",
    "times": "times it was tried",
    "words": "what was unusual",
    "transaction": "payment",
    "from_cents": "from",
    "to_cents": "to",
}
_DOES: Final = {
    "dispute": (
        "what is left of the amount in dispute goes back to the cardholder; the shop bears it",
        "for the shop: no money moves; the cardholder gets nothing back",
    ),
    "correction": ("the amounts are corrected at once, as shown", "nothing changes"),
    "proposal": ("it is carried out at once", "nothing changes"),
    "refill": ("the accounts are credited", "nothing is credited; a card's payment is sent back"),
    "refill-payment": ("the payment came: --why is its reference", "nothing is credited"),
    "enrolment": ("the device or person gets its certificate", "it gets none"),
    "alert": (
        "the payment was in order: no money moves, the card stays as it is",
        "it was fraud: no money moves, and the card is blocked by `block` only",
    ),
}
"""By kind, after a yes and after a no."""


def what_it_does(kind: str, possible: bool = True) -> Iterator[str]:
    """Two lines: what happens on approve, where that is `possible` now, and on reject."""
    if kind in _DOES:
        yes, no = _DOES[kind]
        yield f"approve: {yes}" if possible else "approve: it is refused, as said above"
        yield f"reject:  {no}"


def field_line(name: str, value: Any, names: Mapping[str, str] = _NOBODY) -> str:
    """As people write it: `amount: $20.00` of `amount_cents` 2000. `names` of people by ids."""
    if name == "evidence" and isinstance(value, Mapping):
        value = dict(value)
        side = value.pop("side", "somebody")
        said = in_words(name, {"says": value.pop("text", ""), **value})
        return printable(f"the {side} {said}")
    return printable(f"{called(name)}: {in_words(name, value, names)}")


def called(name: str) -> str:
    """A field's name as people say it."""
    if name in _NAMES:
        return _NAMES[name]
    for suffix in _SUFFIXES:
        name = name.removesuffix(suffix)
    return name.replace("_", " ")


def in_words(name: str, value: Any, names: Mapping[str, str] = _NOBODY) -> str:
    """Its value: money in dollars, times in this machine's time, people by name, without what is
    empty."""
    if isinstance(value, Mapping):
        inner = ((key, each) for key, each in value.items() if each not in ("", None))
        return ", ".join(f"{called(key)} {in_words(key, each, names)}" for key, each in inner)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if type(value) is int and name.endswith("_cents"):
        return dollars(value)
    if type(value) is int and name.endswith("_ms"):
        return moment(value)
    if name.endswith("_by"):
        return who(str(value), names)
    return f"{names[value]} ({value})" if value in names else str(value)
