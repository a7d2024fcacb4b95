"""`tls`: certificates of TLS classes, listed, handed over as PKCS#12, replaced while serving."""

import contextlib
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from adapters import settings
from adapters.cli.failure import misconfigured, refused
from adapters.cli.options import AsJson, AsOperator
from adapters.cli.output import print_json, say, step
from adapters.cli.times import day, moment, zone

HOLDERS: Final = ("gateway", "backend", "website", "pos", "card")
_AUTHORITY: Final = "authority"
_ALL: Final = "all"
_PASSWORD_LEAST: Final = 12
_SETTLE_S: Final = 2.5
"""Servers look at their files every second: after that long all of them know a new authority."""
_UNITS_S: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}

PasswordFile = Annotated[
    Path | None,
    typer.Option(
        help="The file whose first line is the password; - for standard input. Else it is asked.",
        metavar="FILE",
        allow_dash=True,
        show_default=False,
    ),
]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    group = typer.Typer(
        no_args_is_help=True,
        rich_markup_mode="rich",
        help="TLS certificates of gateway, backend, website, all POS and all cards.\n\n"
        "Example: [bold]ticketrestaurant tls list[/bold]",
    )
    group.command("list")(list_)
    for command in (export, install, rotate, retire):
        group.command()(command)
    app.add_typer(group, name="tls", rich_help_panel="Installation")


def list_(json: AsJson = False) -> None:
    """List every certificate of this state folder with its end, and what was replaced lately.

    Example: [bold]ticketrestaurant tls list --json[/bold]
    """
    from adapters.certificate_inventory import Listed, Unreadable, inventory, warnings
    from adapters.tls_rotation import SupersededList

    home, now = settings.load().home, datetime.now(UTC)
    found = inventory(home)
    try:
        replaced = SupersededList.read(home).entries
    except (OSError, ValueError) as error:
        raise misconfigured(f"tls/superseded.json: {error}") from None
    if json:
        print_json(
            {
                "certificates": [each.as_json(now) for each in found if isinstance(each, Listed)],
                "unreadable": [each.file for each in found if isinstance(each, Unreadable)],
                "superseded": [
                    {"holder": each.holder, "sha256": sha256, "until_ms": each.until_ms}
                    for sha256, each in replaced.items()
                ],
                "warnings": warnings(found, now),
            }
        )
        return
    _print_list(found, now)
    for each in replaced.values():
        until = datetime.fromtimestamp(each.until_ms / 1000, UTC)
        word = "was" if until <= now else "is"
        at = moment(each.until_ms)
        print(f"the certificate of {each.holder} before this one {word} accepted until {at}")
    for text in warnings(found, now):
        say(f"! {text}")


def export(
    holder: Annotated[str, typer.Argument(help="gateway, backend, website, pos or card.")],
    file: Annotated[Path, typer.Argument(help="Where the PKCS#12 file goes.")],
    password_file: PasswordFile = None,
) -> None:
    """Write a holder's key, certificate and authorities into one PKCS#12 file.

    Encrypted with AES-256 under your password. Give file and password by different ways.

    Example: [bold]ticketrestaurant tls export pos pos.p12[/bold]
    """
    from cryptography.hazmat.primitives.hashes import SHA256

    from adapters.tls_material import tls_bundle
    from devices.durable import write_durably
    from devices.pkcs12 import pack

    _one_of(holder, HOLDERS)
    if file.exists():
        raise refused(f"{file} is there already: remove it, or give another name")
    try:
        bundle = tls_bundle(settings.load().home, holder)
    except (OSError, ValueError) as error:
        raise misconfigured(f"the TLS certificate of {holder} cannot be read: {error}") from None
    password = _new_password(password_file)
    try:
        write_durably(file, pack(bundle, password.encode(), f"TicketRestaurant US TLS {holder}"))
    except OSError as error:
        raise misconfigured(f"{file}: {error.strerror}") from None
    say(f"{file}: key and certificate of {holder}, {len(bundle.authorities)} authorities:")
    for each in bundle.authorities:
        say(f"  SHA-256 {each.fingerprint(SHA256()).hex()}")


def install(
    file: Annotated[Path, typer.Argument(help="A PKCS#12 file of `tls export`.")],
    device: Annotated[Path, typer.Option(help="The identity folder that gets it.")],
    password_file: PasswordFile = None,
    trust: Annotated[
        list[str] | None,
        typer.Option(metavar="SHA256", help="An authority that the device may trust from now on."),
    ] = None,
) -> None:
    """Put a PKCS#12 file into a device's identity folder, where only its key store opens it.

    A running device takes it over at its next connection. A file that brings an authority which
    the device does not trust yet is refused with its SHA-256: compare it with `tls export`'s on
    the servers' machine, and give it with [bold]--trust[/bold].

    Example: [bold]ticketrestaurant tls install pos.p12 --device var/devices/0192…[/bold]
    """
    from adapters.tls_installing import install_file
    from devices.keystore import KeyStoreError
    from devices.pkcs12 import Pkcs12Error

    password = _password(password_file, "Password of the file")
    try:
        install_file(file, device, password.encode(), trust or ())
    except Pkcs12Error as error:
        raise refused(f"{file}: {error}") from None
    except (KeyStoreError, ValueError) as error:
        raise misconfigured(f"{device}: {error}") from None
    except OSError as error:
        raise misconfigured(f"{error.filename or device}: {error.strerror}") from None
    say(f"{device} holds its TLS key as tls.p12 now")


def rotate(
    holder: Annotated[
        str, typer.Argument(help="gateway, backend, website, pos, card; authority; or all five.")
    ],
    window: Annotated[
        str, typer.Option(help="How long the old certificate is accepted: 90s, 12h, 30d.")
    ] = "30d",
    as_: AsOperator = "operator-1",
    json: AsJson = False,
) -> None:
    """Replace a certificate while everything serves; old and new are accepted in the window.

    Run it on the servers' machine: the new key is made there and stays there. A second operator
    approves it; the same command given once more then takes the certificate into use. A new
    authority: first [bold]rotate authority[/bold], then
    [bold]rotate all[/bold], bring new PKCS#12 files to
    devices elsewhere, and last [bold]retire[/bold].

    Example: [bold]ticketrestaurant tls rotate gateway --window 7d[/bold]
    """
    _one_of(holder, (*HOLDERS, _AUTHORITY, _ALL))
    window_s = seconds(window)
    made = _rotate_authority(as_) if holder == _AUTHORITY else _rotate(holder, window_s, as_)
    if isinstance(made, dict):
        what = "to trust the new authority here" if holder == _AUTHORITY else "to use it here"
        _tell_asked(made, what, as_, json)
    elif json:
        print_json(made)
    else:
        for each in made:
            print(f"{each['holder']}: certificate {each['serial']}, until {each['not_after'][:10]}")


def retire(as_: AsOperator = "operator-1", json: AsJson = False) -> None:
    """End the trust in all TLS authorities but the newest, on this machine.

    A second operator approves it; the same command given once more then does it. Refused while
    anything here still shows a certificate of an older one. Devices elsewhere
    with such a certificate get no connection afterwards: bring them their new one first.

    Example: [bold]ticketrestaurant tls retire[/bold]
    """
    from adapters.cli.operator_link import as_operator
    from adapters.cli.tls_rotating import agreed_to_retire, retirable, trust_only

    home = settings.load().home
    with _alone(home):
        older, newest = retirable(home)
        if older:
            told = as_operator(as_, lambda operator: agreed_to_retire(operator, home, newest))
            if not told.get("agreed"):
                _tell_asked(told, "to end the trust here", as_, json)
                return
            trust_only(home, newest)
    serials = [format(each.serial_number, "x") for each in older]
    if json:
        print_json({"retired": serials})
        return
    print(f"no longer trusted: {', '.join(serials)}" if serials else "there is one authority only")


def _tell_asked(proposal: dict[str, Any], then: str, as_: str, json: bool) -> None:
    from adapters.cli.proposal import tell_proposed

    if json:
        print_json(proposal)
        return
    tell_proposed(proposal, as_)
    print(f"Then give this command again, {then}.")


def seconds(text: str) -> float:
    """The seconds of "90s", "12h" or "30d". Raises typer.BadParameter."""
    match = re.fullmatch(r"([0-9]{1,6})([smhd])", text.strip(), re.ASCII)
    if match is None:
        raise typer.BadParameter("a window looks like 90s, 15m, 12h or 30d")
    return int(match[1]) * _UNITS_S[match[2]]


def _rotate(holder: str, window_s: float, as_: str) -> list[dict[str, Any]] | dict[str, Any]:
    from adapters.cli.installing import server_names
    from adapters.cli.operator_link import as_operator
    from adapters.cli.tls_rotating import certified, put_in_use

    found = settings.load()
    names = server_names(found)
    holders = HOLDERS if holder == _ALL else (holder,)
    made = []
    with _alone(found.home):
        told = as_operator(
            as_, lambda operator: certified(operator, found.home, holder, holders, names)
        )
        if isinstance(told, dict):
            return told
        asked, bundles = told
        for each, bundle in bundles.items():
            with step(f"a new certificate for {each}"):
                made.append(put_in_use(found.home, each, bundle, window_s).as_json())
        asked.forget()
    return made


def _rotate_authority(as_: str) -> list[dict[str, Any]] | dict[str, Any]:
    import time

    from adapters.cli.operator_link import as_operator
    from adapters.cli.tls_rotating import next_authority

    home = settings.load().home
    with _alone(home):
        made = as_operator(as_, lambda operator: next_authority(operator, home))
    if isinstance(made, dict):
        return made
    say("the new TLS authority of the HSM is trusted here, beside the old one")
    with step("servers and devices here know it"):
        time.sleep(_SETTLE_S)
    return [
        {
            "holder": _AUTHORITY,
            "serial": format(made.serial_number, "x"),
            "not_after": made.not_valid_after_utc.isoformat(),
        }
    ]


@contextlib.contextmanager
def _alone(home: Path) -> Iterator[None]:
    """One change of the TLS files at a time; what goes wrong with them is a Failure."""
    from devices.durable import FolderLock, InUse

    if not (home / "tls" / "ca.pem").exists():
        raise misconfigured(f"{home / 'tls'} holds no certificates; run init first")
    try:
        with FolderLock(home / "tls"):
            yield
    except InUse:
        raise refused("another `tls` command is at work here") from None
    except OSError as error:
        raise misconfigured(f"{error.filename}: {error.strerror}") from None
    except ValueError as error:
        raise misconfigured(f"a file of the TLS certificates is damaged: {error}") from None


def _one_of(holder: str, known: tuple[str, ...]) -> None:
    if holder not in known:
        raise typer.BadParameter(f"the holder is one of {', '.join(known)}")


def _new_password(password_file: Path | None) -> str:
    password = _password(password_file, "Password for the file", confirm=True)
    if len(password) < _PASSWORD_LEAST:
        raise refused(f"the password needs {_PASSWORD_LEAST} characters or more")
    return password


def _password(password_file: Path | None, prompt: str, *, confirm: bool = False) -> str:
    if password_file is None:
        return str(typer.prompt(prompt, hide_input=True, confirmation_prompt=confirm, err=True))
    try:
        if str(password_file) == "-":
            return sys.stdin.readline().rstrip("\r\n")
        return password_file.read_text(encoding="utf-8").partition("\n")[0].rstrip("\r")
    except (OSError, UnicodeDecodeError):
        raise misconfigured(f"the password cannot be read from {password_file}") from None


def _print_list(found: list[Any], now: datetime) -> None:
    from rich.console import Console
    from rich.table import Table

    from adapters.certificate_inventory import Listed

    colours = {"ok": "green", "soon": "yellow"}
    table = Table(box=None, pad_edge=False)
    for title in ("file", "certificate of", f"ends ({zone()})", "days", "state"):
        table.add_column(title, overflow="fold")
    for each in found:
        if not isinstance(each, Listed):
            table.add_row(each.file, f"[red]{each.why}[/red]", "", "", "")
            continue
        state = each.state(now)
        colour = colours.get(state, "red")
        end = day(int(each.not_after.timestamp() * 1000))
        days = str(each.days_left(now))
        table.add_row(each.file, each.subject, end, days, f"[{colour}]{state}[/{colour}]")
    Console().print(table)
