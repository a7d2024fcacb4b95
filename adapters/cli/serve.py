"""`serve` and `stop`: all servers of an installation, supervised, in front or in the background."""

import signal
from typing import Annotated

import typer

from adapters import contained_exec, settings
from adapters.cli.background import NotReady, start_in_background
from adapters.cli.background import stop as stop_background
from adapters.cli.failure import Failure, misconfigured, not_running, refused
from adapters.cli.options import HsmPinStdin, take_pin_from_stdin
from adapters.cli.output import say, this_program
from adapters.hsm_choice import check as check_hsm
from adapters.settings import Settings


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command("serve", rich_help_panel="Installation")(serve)
    app.command("stop", rich_help_panel="Installation")(stop)


def serve(
    background: Annotated[
        bool, typer.Option("--background", help="Return when all parts are up.")
    ] = False,
    hsm_pin_stdin: HsmPinStdin = False,
    with_parent: Annotated[
        int | None, typer.Option(hidden=True, help="Stop when this parent process ends.")
    ] = None,
) -> None:
    """Run databases, backend, gateway and website, and start again whichever dies.

    Ctrl-C or SIGTERM stops them in order; `ticketrestaurant stop` does the same from elsewhere.

    Example: [bold]ticketrestaurant serve --background[/bold]
    """
    if hsm_pin_stdin:
        take_pin_from_stdin()
    found = settings.load()
    _check_initialised(found)
    check_hsm(found)
    try:
        if background:
            pid = start_in_background(found, progress=lambda name: say(f"  ✓ {name}"))
            say(f"serving as process {pid}; stop it with: {this_program('stop')}")
        else:
            _serve_here(found, with_parent)
    except NotReady as error:
        raise not_running(str(error)) from None


def stop() -> None:
    """Stop what `serve` runs and wait until nothing of it is left.

    Example: [bold]ticketrestaurant stop[/bold]
    """
    try:
        if not stop_background(settings.load()):
            raise not_running("nothing is being served from this state folder")
    except NotReady as error:
        raise not_running(str(error)) from None
    say("stopped")


def _serve_here(found: Settings, with_parent: int | None) -> None:
    import os

    from adapters.cli.parts import parts
    from adapters.cli.supervisor import AlreadyServing, Supervisor, sole_use

    if with_parent is not None:
        contained_exec.die_with_parent(signal.SIGTERM, with_parent)
    try:
        with sole_use(found):
            Supervisor(found, parts(found, os.getpid()), announce=say).run()
    except AlreadyServing as error:
        raise refused(str(error)) from None


def _check_initialised(found: Settings) -> None:
    from adapters.cli.parts import embedded_clusters

    for name, cluster in embedded_clusters(found).items():
        if not cluster.exists:
            raise _not_initialised(found, f"the {name} database is missing")
    if not (found.home / "tls" / "ca.pem").is_file():
        raise _not_initialised(found, "the certificates are missing")


def _not_initialised(found: Settings, why: str) -> Failure:
    return misconfigured(f"{found.home} is not set up ({why}); run: {this_program('init')}")
