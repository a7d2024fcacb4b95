"""Options that several commands share, and how their values are read."""

import os
import re
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from adapters.cli.failure import misconfigured, unusable
from adapters.settings import PREFIX
from domain.answers import dollars

_AMOUNT = re.compile(r"\$?([0-9]{1,3}(?:,[0-9]{3})+|[0-9]{1,10})(?:\.([0-9]{2}))?", re.ASCII)
_DOCUMENT_MOST = 100_000_000
_ONE_PLACE = re.compile(r"\$?[0-9,]+\.[0-9]", re.ASCII)

AsDecider: TypeAlias = Annotated[
    str, typer.Option("--as", metavar="NAME", help="The operator who decides: say who you are.")
]
AsOperator: TypeAlias = Annotated[
    str,
    typer.Option("--as", metavar="NAME", help="The operator who signs: a folder of operators/."),
]
AsAuditor: TypeAlias = Annotated[
    str, typer.Option("--as", metavar="NAME", help="The auditor or operator who asks.")
]
HsmPinStdin: TypeAlias = Annotated[
    bool,
    typer.Option("--hsm-pin-stdin", help="Read the HSM's PIN from the first line of the input."),
]
AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


def take_pin_from_stdin() -> None:
    """The PIN for this process and for the backend that it starts. Raises Failure."""
    pin = sys.stdin.readline().rstrip("\r\n")
    if not pin:
        raise misconfigured("standard input holds no PIN of the HSM")
    os.environ[PREFIX + "HSM_PIN"] = pin


def an_id(value: str | None) -> str | None:
    """A typer callback: an id of ours, as it was given. Raises typer.BadParameter for others."""
    from application import fields

    if value is not None:
        try:
            fields.uuid({"id": value}, "id")
        except fields.Invalid as error:
            raise typer.BadParameter(error.what) from None
    return value


def ids(values: list[str]) -> list[str]:
    """A typer callback: ids of ours, each once. Raises typer.BadParameter for others."""
    for value in values:
        an_id(value)
    return list(dict.fromkeys(values))


def cents(text: str, least: int = 1, what: str = "the amount") -> int:
    """The cents of "12.50", "$1,250.00" or "12". Raises typer.BadParameter; never rounds."""
    match = _AMOUNT.fullmatch(text.strip())
    if match is None and _ONE_PLACE.fullmatch(text.strip()):
        raise typer.BadParameter(f"{what} needs two places: write {text.strip()}0")
    if match is None:
        raise typer.BadParameter(f"{what} must look like 12.50 or $12.50")
    amount = int(match[1].replace(",", "")) * 100 + int(match[2] or "0")
    if amount < least:
        raise typer.BadParameter(f"{what} must be {dollars(least)} or more")
    return amount


def digest_of(document: Path) -> str:
    """SHA-256 in hexadecimal of what somebody shows: it is kept, the document is not. Raises
    Failure for a file that cannot be read or has more than 100 MB."""
    from hashlib import sha256

    try:
        if document.stat().st_size > _DOCUMENT_MOST:
            raise unusable(f"{document} is larger than 100 MB")
        return sha256(document.read_bytes()).hexdigest()
    except OSError as error:
        raise unusable(f"{document} cannot be read: {error.strerror}") from None


def is_a_day(text: str) -> bool:
    """Whether a moment is written as a day alone."""
    return re.fullmatch(r"[0-9]{4}-?[0-9]{2}-?[0-9]{2}", text.strip(), re.ASCII) is not None


def a_moment(text: str) -> int:
    """The milliseconds since 1970 UTC of "2026-11-24 12:30", also with an offset; without one in
    this machine's time. A day alone means its last millisecond. Raises typer.BadParameter."""
    try:
        at = datetime.fromisoformat(text.strip())
        if is_a_day(text):
            at += timedelta(days=1, milliseconds=-1)
        ms = int(at.astimezone().timestamp() * 1000)
    except (ValueError, OverflowError, OSError):
        raise typer.BadParameter(
            f"{text!r} is no moment: write 2026-11-24, 2026-11-24 12:30 or 2026-11-24T12:30:00Z"
        ) from None
    if ms < 0:
        raise typer.BadParameter(f"{text!r} lies before 1970")
    return ms
