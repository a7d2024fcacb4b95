"""`hsm status` and `hsm keys`: the HSM as the running backend sees it, or as it is while nothing
runs. The group of `hsm`."""

from typing import Any

import typer

from adapters.cli.failure import integrity_broken, not_running
from adapters.cli.hsm_backup import backup, restore
from adapters.cli.hsm_retire import retire
from adapters.cli.hsm_rotate import rotate
from adapters.cli.options import AsAuditor, AsJson
from adapters.cli.output import print_json, printable
from adapters.cli.times import day

_FIELDS = {
    "provider": "",
    "module": "",
    "token": "",
    "serial": "",
    "slot": "",
    "threads": "(calls at a time)",
    "waiting": "(calls that wait for one of them)",
    "data_keys": "",
    "data_keys_left": "(to be sealed anew under the newest K_DB)",
}
"""As JSON names them, with what a number is of."""


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    group = typer.Typer(
        no_args_is_help=True,
        rich_markup_mode="rich",
        help="Look at the HSM and its keys; rotate a key, retire a root; back up its token.\n\n"
        "Example: [bold]ticketrestaurant hsm keys[/bold]",
    )
    for command in (status, keys, rotate, retire, backup, restore):
        group.command()(command)
    app.add_typer(group, name="hsm", rich_help_panel="Installation")


def status(as_: AsAuditor = "auditor-1", json: AsJson = False) -> None:
    """Show which HSM the backend uses, and whether it answers.

    Exit status 3 when it does not; `logs/backend.log` says why. While no backend runs, the token
    itself is asked, with the PIN that the settings name.

    Example: [bold]ticketrestaurant hsm status[/bold]
    """
    from adapters.cli.hsm_looking import hsm_rows

    (row,) = hsm_rows(as_, "hsm")
    if json:
        print_json(row)
    else:
        for name, what in _FIELDS.items():
            if name in row:
                said = f"{_shown(row[name])} {what}".rstrip()
                print(f"{name.replace('_', ' '):16} {said}")
        print(f"{'answers':16} {'yes' if row['answers'] else 'no: ' + _shown(row['trouble'])}")
        if not row.get("overlaps", True):
            print("its module takes one call at a time, whatever is set")
    if not row["answers"]:
        raise not_running("the HSM does not answer: no payment is possible")


def keys(as_: AsAuditor = "auditor-1", json: AsJson = False) -> None:
    """List every generation of every key, with what is wrong with it, read from the token now.

    A key is sound if it exists once, was made inside, never was readable, and may do what it is
    for and nothing else. Exit status 4 when one is not. While no backend runs, as after a restore,
    the token itself is asked.

    Example: [bold]ticketrestaurant hsm keys --json[/bold]
    """
    from adapters.cli.hsm_looking import hsm_rows

    rows = hsm_rows(as_, "hsm-keys")
    if json:
        print_json(rows)
    else:
        _print_keys(rows)
    unsound = [f"{row['key']}/{row['generation']}" for row in rows if not row["sound"]]
    if unsound:
        raise integrity_broken(f"not sound: {', '.join(unsound)}; restore the token")


def _print_keys(rows: list[dict[str, Any]]) -> None:
    columns = ("key", "generation", "kind", "may", "state")
    heads = [*columns, "since", "use"]
    table = [heads, *([*_cells(row, columns), _since(row), _use(row)] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for cells in table:
        padded = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
        print("  ".join(padded).rstrip())


def _cells(row: dict[str, Any], columns: tuple[str, ...]) -> list[str]:
    return [_shown(row.get(name, "")) for name in columns]


def _since(row: dict[str, Any]) -> str:
    if not row.get("since_ms"):
        return "–"
    return day(row["since_ms"])


def _use(row: dict[str, Any]) -> str:
    return "makes what is new" if row.get("in_use", True) else "for what it made"


def _shown(value: Any) -> str:
    return printable(str(value))
