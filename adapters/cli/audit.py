"""`audit …`: what an auditor asks of the backend, and checks without it."""

import importlib

import typer

# Each command is the function of that name in its module.
_COMMANDS = {
    "history": "audit_history",
    "verify": "audit_verify",
    "prove": "audit_prove",
    "check": "audit_check",
    "consistency": "audit_check",
    "accept_new_log": "accept_log",
}


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    group = typer.Typer(
        no_args_is_help=True,
        rich_markup_mode="rich",
        help="Replay a card's history; verify the whole log; prove single events, check proofs.\n\n"
        "Example: [bold]ticketrestaurant audit verify[/bold]",
    )
    for name, module in _COMMANDS.items():
        group.command(name.replace("_", "-"))(
            getattr(importlib.import_module(f"adapters.cli.{module}"), name)
        )
    app.add_typer(group, name="audit", rich_help_panel="Auditors and finance")
