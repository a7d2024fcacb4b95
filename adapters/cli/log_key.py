"""The log's public key from a file: what all evidence is checked with."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from adapters.cli.failure import misconfigured

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

_MOST_BYTES = 16_384

LogKey: TypeAlias = Annotated[
    Path,
    typer.Option(
        "--key", metavar="FILE", help="The log's public key (PEM), from a place that you trust."
    ),
]


def log_key(path: Path) -> "Ed25519PublicKey":
    """The key in a PEM file. Raises Failure."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    from adapters.audit.proof_file import UnusableFile, read_file

    try:
        key = load_pem_public_key(read_file(path, _MOST_BYTES))
    except (UnusableFile, ValueError, UnsupportedAlgorithm):
        raise misconfigured(f"{path} is not a public key in PEM") from None
    if not isinstance(key, Ed25519PublicKey):
        raise misconfigured(f"{path} is not an Ed25519 key")
    return key
