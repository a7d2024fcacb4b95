"""`sandbox clock`: what time it is in a sandbox, and putting it forward."""

import datetime as dt
from typing import Annotated

import typer

from adapters import settings
from adapters.cli.failure import refused
from adapters.cli.options import AsJson
from adapters.cli.output import print_json


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    group = typer.Typer(
        no_args_is_help=True,
        rich_markup_mode="rich",
        help="A sandbox's own clock.\n\nExample: [bold]ticketrestaurant sandbox clock 1d[/bold]",
    )
    group.callback()(lambda: None)
    group.command("clock")(clock)
    app.add_typer(group, name="sandbox", rich_help_panel="Installation")


def clock(
    forward: Annotated[
        str | None,
        typer.Argument(metavar="[FORWARD]", help="90s, 15m, 12h or 30d; without it: only show."),
    ] = None,
    json: AsJson = False,
) -> None:
    """Show the backend's clock, or put it forward; it never goes back.

    Only in a sandbox, an installation made with `init --sandbox`. A running backend follows within
    a second and lets every device connect anew, so that terminals learn the time.

    Example: [bold]ticketrestaurant sandbox clock 12h[/bold]
    """
    from adapters.cli.supervisor import write_private
    from adapters.cli.tls import seconds

    found = settings.load()
    if not found.is_sandbox:
        raise refused(
            f"{found.home} is no sandbox: its clock is the machine's. `init --sandbox` makes one."
        )
    ahead_s = found.sandbox_clock_ahead_s
    if forward is not None:
        ahead_s += int(seconds(forward))
        text = settings.file_with(found.home, {"sandbox_clock_ahead_s": ahead_s})
        write_private(settings.file_of(found.home), text)
    now = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=ahead_s)
    if json:
        print_json({"ahead_s": ahead_s, "now": now.isoformat(timespec="seconds")})
        return
    print(f"{now:%Y-%m-%d %H:%M:%S} UTC, {dt.timedelta(seconds=ahead_s)} ahead of this machine")
