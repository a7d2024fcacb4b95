"""`ceremony new-root`: the custodians come together again for a new root, while all is served."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from adapters import settings
from adapters.ceremony.transcript import FOLDER, SHARES_FOLDER
from adapters.cli.failure import integrity_broken, misconfigured, refused
from adapters.cli.options import AsAuditor, AsJson
from adapters.cli.output import print_json, say, this_program
from adapters.settings import Settings

if TYPE_CHECKING:
    from adapters.ceremony.desk import Desk
    from adapters.ceremony.new_root import ServingPort
    from adapters.ceremony.new_root_holding import Held, Who


def new_root(
    administrator: Annotated[
        str | None, typer.Option(help="Who runs the program.", metavar="NAME", show_default=False)
    ] = None,
    witness: Annotated[
        list[str] | None,
        typer.Option(help="Who watches, and reads aloud.", metavar="NAME", show_default=False),
    ] = None,
    custodian: Annotated[
        list[str] | None,
        typer.Option(
            help="A custodian of the first ceremony; NAME=NUMBER: who keeps that share now.",
            metavar="NAME",
            show_default=False,
        ),
    ] = None,
    key: Annotated[
        list[str] | None,
        typer.Option(
            help="A participant's own signing key: Ed25519 or P-256, PEM.",
            metavar="NAME=FILE",
            show_default=False,
        ),
    ] = None,
    backup: Annotated[
        Path | None,
        typer.Option(
            help="Make the backup that is due after the new root into this new file.",
            metavar="FILE",
            show_default=False,
        ),
    ] = None,
    sandbox: Annotated[
        bool, typer.Option("--sandbox", help="At once, with people who do not exist.")
    ] = False,
    as_: AsAuditor = "auditor-1",
    json: AsJson = False,
) -> None:
    """Hold the ceremony for a new root while everything is served, or go on with it.

    On the backend's machine. Enough custodians of the first ceremony give their shares, the root in
    force is read aloud, two operators rotate CA-ROOT at their own machines under the hash that is
    shown, and what came of it is compared, read aloud, backed up and signed by both root keys and
    everybody: transcript.txt and transcript.pdf in ceremony/root-N/. An interruption loses nothing:
    give the command again without naming anybody.

    Example: [bold]ticketrestaurant ceremony new-root --administrator "A. Ng" --witness "B. Ruiz"
    --custodian "C. Ito" --custodian "E. Kim" --backup /mnt/safe/root-2.tar[/bold]
    """
    from adapters.ceremony.desk import SandboxDesk, TerminalDesk
    from adapters.ceremony.new_root import MADE
    from adapters.cli.ceremony_serving import SandboxServing, Serving

    found = settings.load()
    named = administrator is not None or witness or custodian
    if sandbox and named:
        raise typer.BadParameter("--sandbox brings its own people")
    people = (administrator or "", witness or [], custodian or []) if named else None
    desk: Desk = TerminalDesk()
    serving: ServingPort = Serving(found, as_, backup)
    if sandbox:
        desk = SandboxDesk(found.home / FOLDER / SHARES_FOLDER)
        serving = SandboxServing(found, as_, backup)
    held = _hold(found, desk, serving, people, key_files(key or []), sandbox)
    root = held.transcript.find(MADE[0])
    assert root is not None
    if json:
        print_json({
            "generation": held.generation, "folder": str(held.folder),
            "head": held.transcript.head, "root_sha256": root.facts["sha256"],
        })  # fmt: skip
    say(
        f"\nThe ceremony is closed. Print and sign {held.folder / 'transcript.pdf'}; keep copies of"
        f" {found.home / FOLDER} elsewhere. Check: "
        + this_program("ceremony", "verify", str(held.folder))
    )


def key_files(given: list[str]) -> dict[str, str]:
    """Of --key: the file by participant. Raises typer.BadParameter."""
    found = {}
    for each in given:
        name, equals, path = each.partition("=")
        if not equals or not name or not path:
            raise typer.BadParameter("--key looks like NAME=FILE")
        found[name] = str(Path(path).expanduser().absolute())
    return found


def _hold(
    found: Settings,
    desk: "Desk",
    serving: "ServingPort",
    people: tuple[str, list[str], list[str]] | None,
    keys: dict[str, str],
    sandbox: bool,
) -> "Held":
    from adapters.ceremony.desk import Abandoned
    from adapters.ceremony.holding import NotAgain
    from adapters.ceremony.hsm import CeremonyHsm
    from adapters.ceremony.new_root_holding import hold_new_root
    from adapters.ceremony.people import PlanError
    from adapters.ceremony.signatures import KeyFileError
    from adapters.ceremony.transcript import TranscriptBroken
    from application.ports import Unavailable
    from devices.durable import InUse

    hsm = CeremonyHsm(found.home, found.pkcs11_module, found.hsm_token)
    ceremonies = found.home / FOLDER
    try:
        who = _who(ceremonies, people, keys, sandbox)
        return hold_new_root(ceremonies, hsm, serving, desk, who)
    except PlanError as error:
        raise typer.BadParameter(str(error)) from None
    except (NotAgain, InUse) as error:
        raise refused(str(error)) from None
    except (Abandoned, KeyboardInterrupt) as error:
        why = str(error) or "interrupted"
        raise refused(f"{why}. No ceremony is closed: start it again to go on.") from None
    except TranscriptBroken as error:
        raise integrity_broken(f"a transcript cannot be gone on with: {error}") from None
    except KeyFileError as error:
        raise misconfigured(str(error)) from None
    except (Unavailable, OSError) as error:
        raise misconfigured(str(error) or type(error).__name__) from None


def _who(
    ceremonies: Path,
    people: tuple[str, list[str], list[str]] | None,
    keys: dict[str, str],
    sandbox: bool,
) -> "Who | None":
    """Raises NotAgain, PlanError."""
    from dataclasses import replace

    from adapters.ceremony.new_root_holding import first_of, sandbox_people, who_comes

    first = first_of(ceremonies)
    if sandbox and not first.plan.sandbox:
        raise refused("the first ceremony was one of real people: name those who come")
    if sandbox:
        return sandbox_people()
    if people is None:
        return None
    return replace(who_comes(first, *people), key_files=keys)
