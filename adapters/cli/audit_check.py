"""`audit check` and `audit consistency`: proofs checked with the log's public key alone.

No backend, database or HSM is asked, unless `consistency` is told to.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from adapters.cli.audit_prove import Out, ask, tell_proof, write_new
from adapters.cli.failure import integrity_broken, unusable
from adapters.cli.log_key import LogKey, log_key
from adapters.cli.options import AsAuditor, AsJson
from adapters.cli.output import print_json, printable

if TYPE_CHECKING:
    from adapters.audit.note import Checkpoint, LogKeys

_NOTE_BYTES = 65_536


def check(
    proof: Annotated[Path, typer.Argument(metavar="PROOF", help="A file of `audit prove`.")],
    key: LogKey,
    origin: Annotated[
        str | None, typer.Option(help="The name that the log must have.", show_default=False)
    ] = None,
    root: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The root certificates (PEM) of the system's PKI: the receipt is checked, too.",
            show_default=False,
        ),
    ] = None,
    json: AsJson = False,
) -> None:
    """Check a proof offline: are its events in the log that the key signed?

    Exit status 4: the proof does not hold. 2: the file is no proof.

    Example: [bold]ticketrestaurant audit check proof.json --key log.pub[/bold]
    """
    from adapters.audit.proof_file import check_proof, read_proof
    from adapters.audit.receipts import check_receipt

    with _judged(proof):
        file = read_proof(_content(proof))
        checkpoint = check_proof(file, log_key(key), origin)
        receipt = check_receipt(file, *_roots(root)) if root is not None else None
    if json:
        print_json(
            {
                "holds": True,
                "origin": checkpoint.origin,
                "tree_size": checkpoint.size,
                "positions": [event.position for event in file.events],
                "receipt": receipt,
            }
        )
        return
    tell_proof(file)
    print("✓ The proof holds.")
    if receipt is not None:
        _tell_receipt(receipt)
    elif file.receipt is not None:
        print("  Its receipt was not checked: give the root certificate with --root.")


def consistency(
    old: Annotated[
        Path, typer.Argument(metavar="OLD-CHECKPOINT", help="A signed note that you kept.")
    ],
    key: LogKey,
    new: Annotated[
        Path | None,
        typer.Argument(metavar="[NEW-CHECKPOINT]", help="A later one.", show_default=False),
    ] = None,
    proof: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A consistency file; offline.", show_default=False),
    ] = None,
    leaves: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The file `leaves` of the checkpoints' folder, or a copy; offline.",
            show_default=False,
        ),
    ] = None,
    as_: AsAuditor = "auditor-1",
    out: Out = None,
    json: AsJson = False,
) -> None:
    """Check that the log only grew between two checkpoints: nothing before the first was changed.

    Without --proof and --leaves the running system is asked for a consistency file from the old
    checkpoint to its newest; --out keeps it.

    Example: [bold]ticketrestaurant audit consistency last-week.txt --key log.pub[/bold]
    """
    if new is None and leaves is not None:
        raise unusable("--leaves compares two checkpoints: give the new one, too")
    if new is not None and (proof is None) == (leaves is None):
        raise unusable(
            "two checkpoints are compared offline, by --proof or by --leaves; give the old one "
            "alone to ask the running system"
        )
    trusted = log_key(key)
    first = _note(old, trusted)
    second = _note(new, trusted) if new is not None else None
    if leaves is not None:
        assert second is not None, "asked for above"
        _compare_by_leaves(first, second, leaves)
    elif proof is not None:
        second = _by_file(_content(proof), proof, first, trusted, second)
    else:
        text = ask(as_, {"what": "extension", "old_size": first.size})
        second = _by_file(text.encode(), "the backend's answer", first, trusted, None)
        if out is not None:
            write_new(out, text)
    if json:
        print_json({"extends": True, "old_size": first.size, "new_size": second.size})
        return
    print(
        f"✓ The log of {second.size:,} events begins with the {first.size:,} that were signed"
        " before: nothing of them was changed."
    )


def _by_file(
    raw: bytes,
    what: Path | str,
    old: "Checkpoint",
    key: "LogKeys",
    new: "Checkpoint | None",
) -> "Checkpoint":
    """The checkpoint that a consistency file leads to."""
    from adapters.audit.proof_file import check_extension, read_consistency

    with _judged(what):
        return check_extension(read_consistency(raw), old, key, new)


def _compare_by_leaves(old: "Checkpoint", new: "Checkpoint", leaves: Path) -> None:
    from adapters.audit.leaves import leaves_of_file
    from adapters.audit.subtrees import LeavesMissing, Subtrees

    if old.origin != new.origin:
        raise integrity_broken("the two checkpoints are of different logs")
    if old.size > new.size:
        raise unusable("the new checkpoint is older than the old one")
    try:
        with leaves_of_file(leaves) as read:
            subtrees = Subtrees(read)
            for each in (new, old):
                if subtrees.root(0, each.size) != each.root:
                    raise integrity_broken(
                        f"the leaves are not those of the checkpoint of {each.size:,} events"
                    )
    except LeavesMissing as error:
        raise integrity_broken(str(error)) from None
    except OSError as error:
        raise unusable(f"{leaves} cannot be read: {error.strerror}") from None


def _note(path: Path, key: "LogKeys") -> "Checkpoint":
    """A checkpoint in a file. Raises Failure."""
    from adapters.audit.note import verify
    from adapters.audit.proof_file import UnusableFile, read_file

    with _judged(path):
        raw = read_file(path, _NOTE_BYTES)
        try:
            text = raw.decode()
        except UnicodeDecodeError:
            raise UnusableFile(f"{path} is no checkpoint: it is not text") from None
        return verify(text, key)


def _content(path: Path) -> bytes:
    from adapters.audit.proof_file import read_file

    with _judged(path):
        return read_file(path)


def _roots(path: Path) -> list[bytes]:
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    try:
        found = x509.load_pem_x509_certificates(_content(path))
    except ValueError:
        raise unusable(f"{path} is no certificate in PEM") from None
    return [each.public_bytes(Encoding.DER) for each in found]


@contextlib.contextmanager
def _judged(what: Path | str) -> Iterator[None]:
    """A proof that does not hold, or a file that is none, as the end of the command."""
    from adapters.audit.note import BadNote
    from adapters.audit.proof_file import UnusableFile
    from application.merkle_proofs import BadProof

    try:
        yield
    except (BadProof, BadNote) as error:
        raise integrity_broken(f"{what} does not hold: {printable(str(error))}") from None
    except UnusableFile as error:
        raise unusable(printable(str(error))) from None


def _tell_receipt(receipt: dict[str, Any]) -> None:
    from domain.answers import dollars

    def said(name: str) -> str:
        return printable(str(receipt.get(name, "")))

    amount = receipt.get("net_cents")
    worth = dollars(amount) if isinstance(amount, int) else said("net_cents")
    print(
        f"✓ The backend's receipt: payment {said('transaction')}, {said('status')} (code"
        f" {said('code')}), worth {worth}, card {said('card')}, shop {said('shop')}."
    )
