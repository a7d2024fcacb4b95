"""`init`: a state folder with everything in it that the servers need. Running it again is safe."""

from typing import Annotated, Any

import typer

from adapters import settings
from adapters.cli.failure import misconfigured, refused
from adapters.cli.options import HsmPinStdin, take_pin_from_stdin
from adapters.cli.output import say, step, this_program
from adapters.settings import DEFAULT_PORT_BASE, Settings


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("init", rich_help_panel="Installation")(init)


def init(
    base_port: Annotated[
        int | None,
        typer.Option(
            help=f"Gateway on N (else {DEFAULT_PORT_BASE}), backend N+1, website N+80.",
            metavar="N",
            show_default=False,
        ),
    ] = None,
    sandbox: Annotated[
        bool,
        typer.Option("--sandbox", help="A sandbox, for ever: its clock can be put forward."),
    ] = False,
    hsm_pin_stdin: HsmPinStdin = False,
) -> None:
    """Make the state folder: databases, token with keys, certificates, first operators and auditor.

    What exists is left as it is, so that it can be run again, also after it was interrupted and
    after an update of the program.

    Example: [bold]ticketrestaurant --home /srv/meals init --base-port 9300[/bold]
    """
    if hsm_pin_stdin:
        take_pin_from_stdin()
    found = settings.load()
    if base_port is not None:
        found = _with_ports(found, base_port)
    if sandbox:
        found = _as_sandbox(found)
    run_init(found)
    say(f"{found.home} is ready; start the servers with: {this_program('serve')}")


def run_init(found: Settings) -> None:
    """Does all steps and says so. Raises Failure."""
    from adapters.cli.installing import private_folder, steps
    from adapters.cli.supervisor import AlreadyServing, sole_use
    from adapters.hsm_choice import check, pin_lies_beside_the_token
    from adapters.postgres.binaries import PostgresMissing
    from adapters.postgres.databases import DatabaseSettingMissing
    from adapters.postgres.embedded import ClusterError
    from adapters.postgres.migrations import MigrationError
    from application.ports import Unavailable

    check(found)
    say(f"Setting up {found.home}")
    try:
        private_folder(found.home)
        with sole_use(found):
            for each in steps(found):
                with step(each.text):
                    each.work()
    except AlreadyServing as error:
        raise refused(str(error)) from None
    except (ClusterError, DatabaseSettingMissing, MigrationError, PostgresMissing) as error:
        raise misconfigured(str(error)) from None
    except (Unavailable, OSError) as error:
        raise misconfigured(str(error) or type(error).__name__) from None
    if pin_lies_beside_the_token(found):
        say(
            "  ! The HSM's PIN lies in secrets/hsm-pin beside the token: fit for a demo only. "
            "Elsewhere set TICKETRESTAURANT_HSM_PIN_FILE."
        )


def _with_ports(found: Settings, base_port: int) -> Settings:
    return with_settings(found, {"port_base": base_port})


def _as_sandbox(found: Settings) -> Settings:
    """Before anything is made: the issuer's name is in every event."""
    if found.is_sandbox:
        return found
    if (found.home / "pki" / "root.pem").exists():
        raise refused(f"{found.home} is there already and is no sandbox. Make another with --home.")
    from adapters.processors.sandbox import NAME as SANDBOX

    name = f"{settings.SANDBOX} {found.issuer_name}"
    return with_settings(found, {"issuer_name": name, "processor": SANDBOX})


def with_settings(found: Settings, changes: dict[str, Any]) -> Settings:
    """The settings with changes that are written to their file."""
    from adapters.cli.installing import private_folder
    from adapters.cli.supervisor import write_private

    text = settings.file_with(found.home, changes)
    private_folder(found.home)
    write_private(settings.file_of(found.home), text)
    return settings.load()
