"""`status`: every part with its address and whether it is up, asked of the part itself."""

from typing import Annotated, Any, Final

import typer

from adapters import settings
from adapters.cli import exit_codes
from adapters.cli.failure import misconfigured
from adapters.cli.output import print_json, this_program
from adapters.settings import Settings

UP: Final = "up"
DOWN: Final = "down"
NOT_SERVING: Final = "not serving"
_COLOURS: Final = {UP: "green", DOWN: "red", NOT_SERVING: "red"}


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("status", rich_help_panel="Installation")(status)


def status(
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Show every part of this installation; exit status 3 unless all are up and can serve.

    A part that is up but cannot do its work (the HSM does not answer, say) is `not serving`, with
    the reason. With --json, `ledger.dump_command` dumps the ledger database as SQL. In the dump
    the content of every event and read model is ciphered; clear are ids, topics, versions, keyed
    hashes, and of payments the shop and the day.

    Example: [bold]ticketrestaurant status --json[/bold]
    """
    chosen = settings.load()
    if not chosen.home.is_dir():
        raise misconfigured(
            f"no installation here: {chosen.home} does not exist; make one with: "
            + this_program("init")
        )
    found = installation_status(chosen)
    if as_json:
        print_json(found)
    else:
        _print_table(found)
    if any(found[name]["state"] != UP for name in found["parts"]):
        raise typer.Exit(exit_codes.NOT_RUNNING)


def installation_status(found: Settings) -> dict[str, Any]:
    """What `status --json` prints. `parts` names the keys that describe a part."""
    from adapters.cli.parts import parts
    from adapters.cli.supervisor import as_served, read_status

    supervisor, found = read_status(found), as_served(found)
    supervised: dict[str, Any] = supervisor["parts"] if supervisor else {}
    shown: dict[str, Any] = {}
    for part in parts(found, None):
        known = supervised.get(part.name, {})
        shown[part.name] = {
            "address": part.address,
            "up": part.is_up(known.get("pid")),
            "pid": known.get("pid"),
            "restarts": known.get("restarts"),
            "log": str(found.logs / f"{part.name}.log"),
        }
    _add_databases(found, shown)
    shown["backend"]["checkpoints"] = _checkpoints(found)
    _add_health(found, shown)
    for part in shown.values():
        part["state"] = _state(part)
    return {
        "home": str(found.home),
        "serving": supervisor is not None,
        "supervisor_pid": supervisor["pid"] if supervisor else None,
        "website_url": found.website_url or f"http://{shown['website']['address']}/",
        "warnings": _warnings(found),
        "parts": list(shown),
        **shown,
    }


def _state(part: dict[str, Any]) -> str:
    """`up`, `down`, or `not serving` for a process that is there and says that it cannot work."""
    if not part["up"]:
        return DOWN
    health = part.get("health")
    return UP if health is None or health["ready"] else NOT_SERVING


def _checkpoints(found: Settings) -> dict[str, Any]:
    """The newest checkpoint, and how far each place is that it is published to."""
    import msgspec

    from adapters.audit.publishing import read_placed

    try:
        note = (found.checkpoints / "checkpoint").read_text("utf-8").split("\n")
        signed = int(note[1])
    except (OSError, ValueError, IndexError):
        signed = None
    return {
        "folder": str(found.checkpoints),
        "signed_events": signed,
        "published": msgspec.to_builtins(read_placed(found.published_file)),
    }


def _add_health(found: Settings, shown: dict[str, Any]) -> None:
    """What the servers that are up say of themselves; None where they do not answer that."""
    from adapters.cli.health import ask_health
    from adapters.cli.parts import SERVERS

    for name in SERVERS:
        part = shown[name]
        port = getattr(found, f"{name}_monitor_port")
        part["monitor"] = f"{found.monitor_host}:{port}"
        part["health"] = ask_health(part["monitor"], part["pid"]) if part["up"] else None


def _print_published(found: dict[str, Any]) -> None:
    """How far each place is that checkpoints are published to."""
    from rich.console import Console

    console = Console()
    for place in found["backend"]["checkpoints"]["published"]:
        name, trouble, events = place["name"], place["trouble"], place["events"]
        if trouble:
            last = f"; the last one there has {events:,} events" if events >= 0 else ""
            text = f"checkpoints are NOT published to {name}: {trouble}{last}"
        elif events >= 0:
            text = f"checkpoint of {events:,} events published to {name}"
        else:
            text = f"no checkpoint published to {name} yet"
        style = "red" if trouble else None
        console.print(text, style=style, markup=False, highlight=False, soft_wrap=True)


def _print_health(found: dict[str, Any]) -> None:
    """Reasons and warnings; nothing where all is well."""
    for name in found["parts"]:
        health = found[name].get("health") or {}
        for text in health.get("reasons", {}).values():
            print(f"✗ {name}: {text}")
        for text in health.get("warnings", {}).values():
            print(f"! {name}: {text}")


def _warnings(found: Settings) -> list[str]:
    """Certificates of this state folder that end within 30 days, or cannot be used."""
    from datetime import UTC, datetime

    from adapters.certificate_inventory import inventory, warnings

    return warnings(inventory(found.home), datetime.now(UTC))


def _add_databases(found: Settings, shown: dict[str, Any]) -> None:
    """External databases are parts, too; and how the ledger is dumped."""
    from adapters.cli.parts import DATABASE_PARTS
    from adapters.postgres import external
    from adapters.postgres.databases import database

    for name, part_name in DATABASE_PARTS.items():
        place = database(found, name)
        if place.cluster is not None:
            shown[part_name]["dump_command"] = place.cluster.dump_command()
        else:
            dsn = place.dsn("backend" if name == "ledger" else "website")
            shown[part_name] = {
                "address": external.address(dsn),
                "up": external.is_up(dsn),
                "dump_command": external.dump_command(place.dsns.get("owner") or dsn),
            }


def _print_table(found: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for title in ("part", "state", "address", "process", "restarts"):
        table.add_column(title, overflow="fold")
    for name in found["parts"]:
        part = found[name]
        table.add_row(
            name.replace("_", " "),
            Text(part["state"], style=_COLOURS[part["state"]]),
            part["address"].removeprefix(found["home"] + "/"),
            str(part.get("pid") or "–"),
            str(part.get("restarts") or 0),
        )
    console = Console()
    console.print(table)
    _print_published(found)
    _print_health(found)
    for text in found["warnings"]:
        console.print(f"[yellow]! {text}[/yellow]", highlight=False)
    if not found["serving"]:
        hint = this_program("serve")
        console.print(f"\nNothing is being served here; start it with: {hint}", markup=False)
