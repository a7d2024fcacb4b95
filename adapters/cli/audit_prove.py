"""`audit prove EVENT`: a proof file that shows anybody that events are in the signed log."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final
from uuid import UUID

import typer

from adapters import settings
from adapters.cli.failure import integrity_broken, misconfigured, not_running, unusable
from adapters.cli.options import AsAuditor
from adapters.cli.output import printable, say, this_program

if TYPE_CHECKING:
    from adapters.audit.proof_file import ProofFile

NOT_AS_WRITTEN: Final = "not-as-written"
NOT_SIGNED_YET: Final = "not-signed-yet"

Out = Annotated[
    Path | None,
    typer.Option("--out", metavar="FILE", help="Write the file there; it must not exist."),
]


def prove(
    event: Annotated[
        str,
        typer.Argument(
            metavar="EVENT",
            help="The event's position in the log; or the id of a transaction, an account or a "
            "card: all its events.",
        ),
    ],
    as_: AsAuditor = "auditor-1",
    receipt: Annotated[
        bool, typer.Option("--receipt", help="For a payment: with a receipt signed by the backend.")
    ] = False,
    out: Out = None,
    json: Annotated[bool, typer.Option("--json", help="Print the proof file.")] = False,
) -> None:
    """Prove that events are in the log: with the log's public key alone, anybody can check it.

    An event that is not signed yet is waited for, a few seconds. `audit check` reads the file.

    Example: [bold]ticketrestaurant audit prove 1263 --out proof.json[/bold]
    """
    body = request(event, receipt)
    text = ask(as_, body)
    proof = _checked(text, settings.load().checkpoints / "log.pub")
    if out is not None:
        write_new(out, text)
    if json:
        print(text, end="")
        return
    tell_proof(proof)
    if out is not None:
        key = str(settings.load().checkpoints / "log.pub")
        check = this_program("audit", "check", str(out), "--key", key)
        say(f"written: {out}. Whoever has the log's public key checks it with: {check}")
    else:
        say("--out FILE writes the proof for others.")


def request(event: str, receipt: bool) -> dict[str, Any]:
    """The body of D PROOF for what was typed. Raises typer.BadParameter."""
    if event.isascii() and event.isdigit():
        position = int(event) if len(event) < 20 else 2**63
        if not 0 < position < 2**63:
            raise typer.BadParameter("positions begin at 1", param_hint="EVENT")
        if receipt:
            raise typer.BadParameter("a receipt is of a transaction: give its id")
        return {"what": "event", "position": position}
    try:
        return {"what": "stream", "stream": str(UUID(event)), "receipt": receipt}
    except ValueError:
        raise typer.BadParameter(
            "give a position (1263) or an id (0192f0c1-7c1e-8001-8000-0123456789ab)",
            param_hint="EVENT",
        ) from None


def ask(as_: str, body: Mapping[str, Any]) -> str:
    """The proof file that the running system makes. Raises Failure."""
    from adapters.cli.operator_link import Operator, as_reader
    from devices.exchange import Refused

    async def read(operator: Operator) -> str:
        try:
            return "".join([piece async for piece in operator.text(dict(body), "PROOF")])
        except Refused as error:
            if error.code == NOT_AS_WRITTEN:
                raise integrity_broken(str(error)) from None
            if error.code == NOT_SIGNED_YET:
                raise not_running(str(error)) from None
            raise

    return as_reader(as_, read)


def _checked(text: str, key: Path) -> "ProofFile":
    """What came is not believed either, as far as this machine can tell."""
    from adapters.audit.note import BadNote
    from adapters.audit.proof_file import UnusableFile, check_proof, read_proof
    from adapters.cli.log_key import log_key
    from application.merkle_proofs import BadProof

    try:
        proof = read_proof(text.encode())
        if key.is_file():
            check_proof(proof, log_key(key))
        else:
            say("The log's public key is not on this machine: the proof is not checked here.")
    except (BadProof, BadNote) as error:
        raise integrity_broken(f"the backend's proof does not hold: {error}") from None
    except UnusableFile as error:
        raise not_running(f"the backend's answer is no proof: {error}") from None
    return proof


def write_new(path: Path, text: str) -> None:
    """A file that was not there before. Raises Failure."""
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise unusable(f"{path} exists already") from None
    except OSError as error:
        raise misconfigured(f"{path} cannot be written: {error.strerror}") from None


def tell_proof(proof: "ProofFile") -> None:
    """The proof in words."""
    for event in proof.events:
        print(
            f"Event {event.position:,}: {printable(event.topic)}, version {event.version} of "
            f"{event.stream}; leaf {event.leaf_hash.hex()[:16]}…, {len(event.path)} hashes to the"
            " root."
        )
    print(
        f"In the log {printable(proof.origin)} of {proof.tree_size:,} events, signed by key"
        f" {printable(proof.key_sha256)[:16]}…."
    )
