"""`ceremony`: the HSM's keys made before witnesses, its PIN split over custodians, all on paper.

Works on this machine alone, while nothing is served, and before `init`; only `new-root` is for an
installation that serves.
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from adapters import settings
from adapters.ceremony.transcript import FOLDER, SHARES_FOLDER
from adapters.cli.ceremony_new_root import key_files, new_root
from adapters.cli.failure import integrity_broken, misconfigured, refused
from adapters.cli.options import AsJson
from adapters.cli.output import print_json, say
from adapters.settings import Settings

if TYPE_CHECKING:
    from adapters.ceremony.checks import Verdict
    from adapters.ceremony.desk import Desk
    from adapters.ceremony.people import Plan


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    group = typer.Typer(invoke_without_command=True, rich_markup_mode="rich")
    group.callback()(ceremony)
    group.command()(verify)
    group.command()(recover)
    group.command("new-root")(new_root)
    app.add_typer(group, name="ceremony", rich_help_panel="Installation")


def ceremony(
    context: typer.Context,
    administrator: Annotated[
        str | None, typer.Option(help="Who runs the program.", metavar="NAME", show_default=False)
    ] = None,
    witness: Annotated[
        list[str] | None,
        typer.Option(help="Who watches, and reads aloud.", metavar="NAME", show_default=False),
    ] = None,
    custodian: Annotated[
        list[str] | None,
        typer.Option(help="Who gets a share; two or more.", metavar="NAME", show_default=False),
    ] = None,
    threshold: Annotated[
        int, typer.Option(help="So many shares give the PIN back.", metavar="M")
    ] = 2,
    key: Annotated[
        list[str] | None,
        typer.Option(
            help="A participant's own signing key: Ed25519 or P-256, PEM.",
            metavar="NAME=FILE",
            show_default=False,
        ),
    ] = None,
    shares_to: Annotated[
        Path | None,
        typer.Option(help="A folder for the shares, a file each; else they are on the screen."),
    ] = None,
    sandbox: Annotated[
        bool, typer.Option("--sandbox", help="At once, with people who do not exist.")
    ] = False,
) -> None:
    """Hold the key ceremony, or go on with one that was interrupted.

    The HSM is initialised and makes its keys, the authorities are certified, the PIN is split over
    the custodians (any M of them recover it), recovery is rehearsed, fingerprints are read aloud,
    and everything is signed: transcript.txt and transcript.pdf in the folder ceremony/. With
    --sandbox the shares stay in ceremony/shares/ and the PIN in secrets/: for demos only.

    Example: [bold]ticketrestaurant ceremony --administrator "A. Ng" --witness "B. Ruiz"
    --custodian "C. Ito" --custodian "D. Roy" --custodian "E. Kim" --threshold 2[/bold]
    """
    if context.invoked_subcommand is not None:
        return
    from adapters.ceremony.desk import SandboxDesk, TerminalDesk
    from adapters.ceremony.people import SANDBOX, PlanError, planned

    found = settings.load()
    named = administrator is not None or witness or custodian
    try:
        if sandbox and named:
            raise typer.BadParameter("--sandbox brings its own people")
        plan = SANDBOX if sandbox else None
        if named:
            plan = planned(administrator or "", witness or [], custodian or [], threshold)
    except PlanError as error:
        raise typer.BadParameter(str(error)) from None
    desk: Desk = TerminalDesk(shares_to)
    if sandbox:
        desk = SandboxDesk(found.home / FOLDER / SHARES_FOLDER)
    _hold(found, desk, plan, key_files(key or []))
    if sandbox:
        leave_pin_for_the_demo(found)
    say(
        f"\nThe ceremony is closed. Print and sign {found.home / FOLDER / 'transcript.pdf'}; keep"
        " copies of that folder elsewhere. Next: ticketrestaurant init, with the PIN"
        + ("." if sandbox else " from the custodians (ceremony recover).")
    )


def verify(
    folder: Annotated[
        Path | None,
        typer.Argument(help="The folder of the transcript; else that of this state folder."),
    ] = None,
    root: Annotated[
        Path | None,
        typer.Option(help="The root certificates that you know; else pki/root.pem, if it is here."),
    ] = None,
    json: AsJson = False,
) -> None:
    """Check a closed ceremony's transcript: chain, completeness, signatures, documents. Offline.

    That of a later root is in the folder root-N of the first one's, and is checked against it.

    Example: [bold]ticketrestaurant ceremony verify /media/usb/ceremony --root root.pem[/bold]
    """
    from cryptography import x509

    from adapters.ceremony.verification import verify as checked
    from adapters.hsm.installation import first_root_file

    home = settings.load().home
    where = folder or home / FOLDER
    known = root or first_root_file(home)  # the ceremony's is the first one
    try:
        certificates = []
        if root is not None or (folder is None and known.exists()):
            certificates = x509.load_pem_x509_certificates(known.read_bytes())
        verdict = checked(where, certificates)
    except OSError as error:
        raise misconfigured(f"{error.filename}: {error.strerror}") from None
    except ValueError:
        raise misconfigured(f"{known} holds no certificate") from None
    beside = sum(1 for _ in (where / SHARES_FOLDER).glob("*"))
    _tell(verdict, json, bool(certificates), beside)


def recover(
    to: Annotated[
        Path,
        typer.Option(
            help="The new file (mode 0600) for the PIN; - for standard output.",
            metavar="FILE",
            allow_dash=True,
        ),
    ],
    share_file: Annotated[
        list[Path] | None,
        typer.Option(help="A share's file; else the words are asked.", show_default=False),
    ] = None,
) -> None:
    """Give the HSM's PIN back from the shares of enough custodians.

    Example: [bold]ticketrestaurant ceremony recover --to - | ticketrestaurant serve
    --hsm-pin-stdin[/bold]
    """
    from adapters.ceremony.shares import ShareError, combine

    found = settings.load()
    if str(to) != "-" and to.exists():
        raise refused(f"{to} is there already: remove it, or give another name")
    identifier = _identifier(found.home / FOLDER)
    try:
        shares = [_read_share(path) for path in share_file] if share_file else _asked(identifier)
        pin = combine(shares, identifier)
    except ShareError as error:
        raise refused(str(error)) from None
    if str(to) == "-":
        print(pin, flush=True)
        return
    _write_pin(to, pin)
    say(f"{to} holds the HSM's PIN: remove it when the servers run")


def leave_pin_for_the_demo(found: Settings) -> None:
    """The sandbox custodians give the PIN back, to where the demo's backend looks for it."""
    from adapters.ceremony.shares import combine
    from adapters.cli.installing import private_folder

    target = found.secrets / "hsm-pin"
    if found.hsm_pin or found.hsm_pin_file or target.exists():
        return
    files = sorted((found.home / FOLDER / SHARES_FOLDER).glob("share-*.txt"))[:2]
    private_folder(found.secrets)
    _write_pin(target, combine([_read_share(path) for path in files]))


def _hold(found: Settings, desk: "Desk", plan: "Plan | None", key_files: dict[str, str]) -> None:
    from adapters.ceremony.desk import Abandoned
    from adapters.ceremony.holding import NotAgain, hold
    from adapters.ceremony.hsm import CeremonyHsm
    from adapters.ceremony.people import PlanError
    from adapters.ceremony.signatures import KeyFileError
    from adapters.ceremony.transcript import TranscriptBroken
    from adapters.cli.installing import private_folder
    from adapters.cli.supervisor import AlreadyServing, sole_use
    from application.ports import Unavailable

    hsm = CeremonyHsm(found.home, found.pkcs11_module, found.hsm_token, found.validation_url)
    try:
        private_folder(found.home)
        with sole_use(found):
            hold(
                found.home / FOLDER, hsm, desk, plan,
                given_pin=_given_pin(found), key_files=key_files,
            )  # fmt: skip
    except (AlreadyServing, NotAgain) as error:
        raise refused(str(error)) from None
    except Abandoned as error:
        raise refused(f"{error}. The ceremony is not closed: start it again to go on.") from None
    except TranscriptBroken as error:
        raise integrity_broken(f"the transcript cannot be gone on with: {error}") from None
    except (PlanError, KeyFileError) as error:
        raise misconfigured(str(error)) from None
    except (Unavailable, OSError) as error:
        raise misconfigured(str(error) or type(error).__name__) from None


def _given_pin(found: Settings) -> str:
    """The PIN of an HSM that its maker's tools initialised; empty: the program makes one."""
    if found.hsm_pin:
        return found.hsm_pin
    return found.hsm_pin_file.read_text().strip() if found.hsm_pin_file else ""


def _tell(verdict: "Verdict", json: bool, has_anchor: bool, shares_beside: int) -> None:
    """`shares_beside`: files of custodians' shares in the transcript's folder, as in a sandbox."""
    if json:
        print_json(
            {
                "ok": verdict.ok,
                "sandbox": verdict.sandbox,
                "held": verdict.held,
                "head": verdict.head,
                "root_sha256": verdict.root_sha256,
                "shares_beside": shares_beside,
                "checks": [
                    {"what": each.what, "ok": each.ok, "why": "" if each.ok else each.why}
                    for each in verdict.checks
                ],
            }
        )
    else:
        for each in verdict.checks:
            print(f"{'ok   ' if each.ok else 'WRONG'}  {each.what}{_why(each.ok, each.why)}")
        if verdict.head:
            print(f"\ntranscript  {verdict.head}\nroot        {verdict.root_sha256}")
            print("Compare the first with the foot of the paper that was signed by hand.")
        if verdict.sandbox:
            print("This was a sandbox ceremony: its people do not exist.")
        if shares_beside:
            say(
                f"! {shares_beside} shares of the HSM's PIN lie beside the transcript, in "
                f"{SHARES_FOLDER}/: fit for a demo only."
            )
        if not has_anchor:
            say(
                "! No root certificate was given (--root): compare the root's fingerprint yourself."
            )
    if not verdict.ok:
        raise integrity_broken("the transcript is not what was signed")


def _why(ok: bool, why: str) -> str:
    return "" if ok else f": {why}"


def _identifier(folder: Path) -> int | None:
    """Of this state folder's ceremony, where its transcript is here."""
    from adapters.ceremony.transcript import TRANSCRIPT_FILE, TranscriptBroken, read_entries

    path = folder / TRANSCRIPT_FILE
    try:
        entries = read_entries(path.read_bytes()) if path.exists() else []
    except (OSError, TranscriptBroken):
        say("! The transcript here cannot be read: whose shares these are is not checked.")
        return None
    found = [entry.facts.get("identifier") for entry in entries if entry.step == "split"]
    return found[0] if found and isinstance(found[0], int) else None


def _asked(identifier: int | None) -> list[str]:
    """Shares until there are enough; a wrong one is asked for again. Raises ShareError."""
    from adapters.ceremony.desk import Abandoned, TerminalDesk
    from adapters.ceremony.people import CUSTODIAN, Person
    from adapters.ceremony.shares import Known, ShareError, read

    desk, shares, known = TerminalDesk(), list[str](), list[Known]()
    while not known or len(shares) < known[0].threshold:
        try:
            words = desk.ask_share(Person("Custodian", CUSTODIAN), len(shares) + 1)
        except Abandoned:
            needed = f"{known[0].threshold} are needed" if known else "none"
            raise ShareError(f"the input ended after {len(shares)} shares, {needed}") from None
        try:
            share = read(words)
        except ShareError as error:
            if not sys.stdin.isatty():
                raise
            say(f"{error}. Once more.")
            continue
        if identifier is not None and share.identifier != identifier:
            raise ShareError("a share is of another ceremony")
        shares.append(words)
        known.append(share)
    return shares


def _read_share(path: Path) -> str:
    try:
        with path.open(encoding="utf-8") as file:
            return file.read(4096)
    except (OSError, UnicodeDecodeError):
        raise misconfigured(f"{path} cannot be read") from None


def _write_pin(path: Path, pin: str) -> None:
    from devices.durable import write_durably

    try:
        write_durably(path, f"{pin}\n".encode())
    except OSError as error:
        raise misconfigured(f"{path}: {error.strerror}") from None
