"""`config`: every setting with its source, what is wrong with it, and the reference."""

from pathlib import Path
from typing import Annotated, Any

import typer

from adapters import settings
from adapters.cli import exit_codes
from adapters.cli.output import print_json

_Json = Annotated[bool, typer.Option("--json", help="For programs.")]
_SECRET = ("_dsn", "_pin")


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    group = typer.Typer(
        no_args_is_help=True,
        rich_markup_mode="rich",
        help="Show and check the settings.\n\nExample: [bold]ticketrestaurant config check[/bold]",
    )
    group.callback()(lambda: None)
    for command in (check, show, reference):
        group.command(command.__name__)(command)
    app.add_typer(group, name="config", rich_help_panel="Installation")


def check(as_json: _Json = False) -> None:
    """Say where every setting comes from, what is wrong, and what to do; exit status 5 if it is.

    Warnings, such as what is fit for a demo only, leave the exit status 0.

    Example: [bold]ticketrestaurant config check[/bold]
    """
    from adapters.cli.config_check import Concern, concerns

    sources, faults = settings.explain()
    found = [
        Concern(level="error", setting="", text=text, do="correct or remove it") for text in faults
    ]
    if not faults:
        found += concerns(settings.load())
    if as_json:
        print_json({"settings": _rows(sources), "concerns": [_row(each) for each in found]})
    else:
        _tell(sources, found)
    if any(each.level == "error" for each in found):
        raise typer.Exit(exit_codes.CONFIGURATION)


def show(as_json: _Json = False) -> None:
    """Show the settings in force; passwords and PINs are not shown.

    Example: [bold]ticketrestaurant config show --json[/bold]
    """
    found = settings.load()
    sources, _ = settings.explain()
    if as_json:
        values = {row["setting"]: row["value"] for row in _rows(sources)}
        print_json({"home": str(found.home), **values})
    else:
        print(f"home = {found.home}")
        for row in _rows(sources):
            print(f"{row['setting']} = {row['value']}")


def reference() -> None:
    """Print the settings reference (docs/settings.md), made from the program itself.

    Example: [bold]ticketrestaurant config reference[/bold]
    """
    from adapters.cli import settings_reference

    print(settings_reference.reference(), end="")


def _rows(sources: list[settings.Source]) -> list[dict[str, Any]]:
    return [
        {"setting": each.name, "value": _shown(each.name, each.value), "source": each.source}
        for each in sources
    ]


def _shown(name: str, value: Any) -> Any:
    """A connection string may hold a password, whatever its form."""
    if name.endswith(_SECRET) and value:
        return "(set)"
    if isinstance(value, Path):
        return str(value)
    return list(value) if isinstance(value, tuple) else value


def _row(concern: Any) -> dict[str, str]:
    return {name: getattr(concern, name) for name in ("level", "setting", "text", "do")}


def _tell(sources: list[settings.Source], found: list[Any]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for title in ("setting", "value", "source"):
        table.add_column(title, overflow="fold")
    for row in _rows(sources):
        table.add_row(*(Text(str(row[key])) for key in ("setting", "value", "source")))
    Console(highlight=False).print(table)
    for each in found:
        mark = "✗" if each.level == "error" else "!"
        name = f"{each.setting}: " if each.setting else ""
        print(f"{mark} {name}{each.text}.\n  → {each.do}.")
    if not found:
        print("✓ nothing to complain about")
