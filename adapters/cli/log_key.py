"""The log's public key from a file: what all evidence is checked with."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from adapters.cli.failure import misconfigured

if TYPE_CHECKING:
    from adapters.audit.note import LogKeys

_MOST_BYTES = 16_384

LogKey: TypeAlias = Annotated[
    Path,
    typer.Option(
        "--key", metavar="FILE", help="The log's public key (PEM), from a place that you trust."
    ),
]


def log_key(path: Path) -> "LogKeys":
    """The key in a PEM file, or all of them. Raises Failure."""
    from adapters.audit.folder import keys_in
    from adapters.audit.proof_file import UnusableFile, read_file

    try:
        return keys_in(read_file(path, _MOST_BYTES))
    except UnusableFile as error:
        raise misconfigured(f"the log's public key: {error}") from None
    except ValueError as error:
        raise misconfigured(f"{path} {error} in PEM") from None
