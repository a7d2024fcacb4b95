"""`audit history` and `audit verify`: what an auditor asks of the backend and of the log."""

import importlib
import importlib.util

import typer

from adapters.cli.audit_history import history

_VERIFY = "adapters.cli.audit_verify"


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    group = typer.Typer(
        no_args_is_help=True,
        rich_markup_mode="rich",
        help="Replay a card's history; verify the whole log.\n\n"
        "Example: [bold]ticketrestaurant audit verify[/bold]",
    )
    group.callback()(lambda: None)  # also with one command it stays `audit history`
    group.command("history")(history)
    if importlib.util.find_spec(_VERIFY) is not None:
        group.command("verify")(importlib.import_module(_VERIFY).verify)
    app.add_typer(group, name="audit", rich_help_panel="Auditors and finance")
