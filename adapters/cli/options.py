"""Options that several commands share, and how their values are read."""

import re
from typing import Annotated, TypeAlias

import typer

from domain.answers import dollars

_AMOUNT = re.compile(r"\$?([0-9]{1,3}(?:,[0-9]{3})+|[0-9]{1,10})(?:\.([0-9]{2}))?", re.ASCII)

AsOperator: TypeAlias = Annotated[
    str,
    typer.Option("--as", metavar="NAME", help="The operator who signs: a folder of operators/."),
]
AsAuditor: TypeAlias = Annotated[
    str, typer.Option("--as", metavar="NAME", help="The auditor or operator who asks.")
]
AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


def cents(text: str, least: int = 1, what: str = "the amount") -> int:
    """The cents of "12.50", "$1,250.00" or "12". Raises typer.BadParameter; never rounds."""
    match = _AMOUNT.fullmatch(text.strip())
    if match is None:
        raise typer.BadParameter(f"{what} must look like 12.50 or $12.50")
    amount = int(match[1].replace(",", "")) * 100 + int(match[2] or "0")
    if amount < least:
        raise typer.BadParameter(f"{what} must be {dollars(least)} or more")
    return amount
