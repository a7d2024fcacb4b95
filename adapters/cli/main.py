"""The command-line program `ticketrestaurant`.

Each command is in a file of its own, with a function `register(app)`, and is imported only when it
is called: `--help` must not wait for a database driver.
"""

import importlib
import os
import sys
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple

import typer

from adapters.cli import exit_codes, help_texts, output
from adapters.cli.failure import Failure
from adapters.settings import PREFIX, SettingsError


class Entry(NamedTuple):
    """A command in the overview: its module in adapters.cli, what it does, under which heading."""

    module: str
    summary: str
    heading: str


_HOUSE: Final = "Installation"
_OPERATORS: Final = "Operators (signed commands through the gateway)"
_AUDIT: Final = "Auditors and finance"
_DEVICES: Final = "Devices"
_PARTS: Final = "One server alone (for a service manager)"

COMMANDS: Final = {
    "init": Entry("init", "Make the state folder: keys, certificates, databases.", _HOUSE),
    "serve": Entry("serve", "Run all servers, and keep them running.", _HOUSE),
    "stop": Entry("serve", "Stop what `serve` runs.", _HOUSE),
    "status": Entry("status", "Show every part, its address and whether it is up.", _HOUSE),
    "config": Entry("config", "Show and check the settings.", _HOUSE),
    "ceremony": Entry("ceremony", "Make keys and PIN before witnesses; recover.", _HOUSE),
    "tls": Entry("tls", "TLS certificates: list, export, rotate.", _HOUSE),
    "backup": Entry("backup", "Copy the whole installation into one file.", _HOUSE),
    "restore": Entry("backup", "Make an installation from such a file.", _HOUSE),
    "hsm": Entry("hsm", "The HSM: its keys, rotating them, its backup.", _HOUSE),
    "sandbox": Entry("sandbox", "A sandbox's own clock.", _HOUSE),
    "upgrade": Entry(
        "upgrade", "Bring an installation to this version, after a rehearsal.", _HOUSE
    ),
    "register": Entry("register", "Register a company, a shop or a terminal.", _OPERATORS),
    "menu": Entry("menu", "Set the menu of a shop.", _OPERATORS),
    "issue": Entry("issue", "Issue cards to an employee.", _OPERATORS),
    "pin": Entry("pin", "Set the PIN of a card.", _OPERATORS),
    "refill": Entry("refill", "Refill accounts of a company; approve, undo.", _OPERATORS),
    "schedule": Entry("schedule", "Refills that order themselves.", _OPERATORS),
    "programme": Entry("programme", "A company's spending rules: show, set, rehearse.", _OPERATORS),
    "funds": Entry("funds", "Money that expires: list, reactivate, return, donate.", _OPERATORS),
    "correct": Entry("correct", "Correct a wrong amount by a compensating event.", _OPERATORS),
    "alert": Entry("alert", "Suspicious payments: list them, close them.", _OPERATORS),
    "watch": Entry("watch", "The rules that watch for cloned cards; rehearse others.", _OPERATORS),
    "dispute": Entry("dispute", "Payments that cardholders contest.", _OPERATORS),
    "block": Entry("block", "Block a card.", _OPERATORS),
    "pki": Entry("pki", "Certificates: list, revoke, enrol, renew; their policy.", _OPERATORS),
    "privacy": Entry("privacy", "Erase a person's data for good.", _OPERATORS),
    "queue": Entry("queue", "See and decide what waits for an operator.", _OPERATORS),
    "proposal": Entry("proposal", "Approve what another operator proposed.", _OPERATORS),
    "audit": Entry("audit", "Replay a card's history; verify the log; prove events.", _AUDIT),
    "list": Entry("listing", "List companies, shops, terminals, cards, accounts.", _AUDIT),
    "books": Entry("books", "Trial balance, profit, daily close, bank statements.", _AUDIT),
    "balance": Entry("balance", "An account's balance, now or at a past moment.", _AUDIT),
    "projections": Entry("projections", "Read models: rebuild beside, compare, switch.", _AUDIT),
    "export": Entry("export", "Export settlements as CSV or XML.", _AUDIT),
    "pos": Entry("pos", "The POS: ring up, swipe, read the answer.", _DEVICES),
    "card": Entry("card", "The virtual card: order, pay, see the balance.", _DEVICES),
    "backend": Entry("servers", "Run the backend.", _PARTS),
    "gateway": Entry("servers", "Run the gateway.", _PARTS),
    "website": Entry("servers", "Run the website.", _PARTS),
}


def build(arguments: list[str]) -> typer.Typer:
    """The program with the commands named in `arguments` loaded, and the others by name only."""
    app = typer.Typer(
        name="ticketrestaurant",
        cls=help_texts.Group,
        help="Meal cards: POS, gateway, backend, ledger and reports of TicketRestaurant US.\n\n"
        "Example: [bold]ticketrestaurant init && ticketrestaurant serve[/bold]",
        epilog=exit_codes.TABLE,
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,  # they print local variables, and some are secret
        rich_markup_mode="rich",
    )
    app.callback()(_common)
    named = {COMMANDS[word].module for word in arguments if word in COMMANDS}
    loaded = {module: _loaded(module) for module in sorted(named)}
    for name, entry in COMMANDS.items():
        if loaded.get(entry.module) is not None:
            continue
        if _is_there(entry.module):
            app.command(name, help=entry.summary, rich_help_panel=entry.heading)(_not_loaded)
    for module in loaded.values():
        if module is not None:
            module.register(app)
    help_texts.give_to_all(app)
    return app


def main() -> None:
    """The entry point; ends with an exit status of `exit_codes`."""
    arguments = sys.argv[1:]
    try:
        build(arguments)(arguments, prog_name="ticketrestaurant")
    except Failure as failure:
        _end(str(failure), failure.status)
    except SettingsError as error:
        _end(str(error), exit_codes.CONFIGURATION)
    except BrokenPipeError:
        # Whoever read our output has seen enough; Python must not complain about it at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(exit_codes.OK)


def _common(
    home: Annotated[
        Path | None,
        typer.Option(help=f"The state folder (else {PREFIX}HOME, else ./var).", show_default=False),
    ] = None,
) -> None:
    if home is not None:
        # For every part of this process and for the processes that it starts.
        os.environ[PREFIX + "HOME"] = str(home.expanduser().absolute())
        output.remember_home(str(home))


def _not_loaded() -> None:
    raise AssertionError("only shown, never run")


def _is_there(module: str) -> bool:
    return (Path(__file__).parent / f"{module}.py").is_file()


def _loaded(module: str) -> Any:
    return importlib.import_module(f"adapters.cli.{module}") if _is_there(module) else None


def _end(text: str, status: int) -> None:
    print(f"ticketrestaurant: {text}", file=sys.stderr)
    sys.exit(status)


if __name__ == "__main__":
    main()
