"""`audit history CARD`: every event of a card, of its account and payments, as a table."""

import contextlib
import os
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from typing import TYPE_CHECKING, Annotated, Any

import typer

from adapters.cli.options import AsAuditor, AsJson, an_id
from adapters.cli.output import print_json
from adapters.cli.people import people
from domain.answers import dollars

if TYPE_CHECKING:
    from rich.table import Table

_WIDTH_ELSEWHERE = 180
"""Columns where no terminal is near."""
_TABLE_FITS = 130
"""Columns; in a narrower terminal the cells would be torn into pieces."""


def history(
    card: Annotated[str, typer.Argument(help="The card's id.", callback=an_id)],
    as_: AsAuditor = "auditor-1",
    why: Annotated[
        bool, typer.Option("--why", help="Also what every rule said of each payment.")
    ] = False,
    utc: Annotated[bool, typer.Option("--utc", help="Show UTC; else this machine's time.")] = False,
    json: AsJson = False,
) -> None:
    """Replay a card's full history: when, who, what, before → after, why; from the log itself.

    Example: [bold]ticketrestaurant audit history 0192f0c1-7c1e-8001-8000-0123456789ab[/bold]
    """
    from adapters.cli.operator_link import as_reader

    rows = as_reader(as_, lambda operator: operator.rows("AUDIT", {"card": card}))
    names = people()
    if json:
        print_json([with_names(row, names) for row in rows])
        return
    from rich.console import Console

    zone = UTC if utc else datetime.now().astimezone().tzinfo
    assert zone is not None
    width = _width()
    if width < _TABLE_FITS:
        for line in lines_of(rows, zone, names, width):
            print(line)
    else:
        Console(width=width, highlight=False).print(table_of(rows, zone, names))
    if why:
        for line in rules_of(rows):
            print(line)
    print(f"{len(rows):,} events. Each line is an event of the log, never changed since.")


def table_of(rows: Sequence[Mapping[str, Any]], zone: tzinfo, names: Mapping[str, str]) -> "Table":
    """The history as people read it. `names` of operators and devices by their ids."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    table.add_column("event", justify="right", no_wrap=True)
    table.add_column(f"when ({datetime.now(zone).tzname()})", no_wrap=True)
    for title in ("who", "what", "before → after", "why"):
        table.add_column(title, overflow="fold")
    for row in rows:
        cells = (
            str(row["position"]),
            _when(row["at_us"], zone),
            _who(row["who"], row.get("label", ""), names),
            _what(row),
            "\n".join(_change(change) for change in row["changes"]),
            row["why"],
        )
        # As texts: a name with a bracket in it is not markup, and controls nothing.
        table.add_row(*(Text(_printable(cell)) for cell in cells))
    return table


def lines_of(
    rows: Sequence[Mapping[str, Any]], zone: tzinfo, names: Mapping[str, str], width: int
) -> Iterator[str]:
    """The same for a narrow terminal: a head for each event, and what happened under it."""
    for row in rows:
        at_us = row["at_us"]
        when = f"{_when(at_us, zone)} {datetime.now(zone).tzname()}" if at_us else ""
        head = f"{row['position']:>5}  {when}"
        who = _printable(_who(row["who"], row.get("label", ""), names))
        together = f"{head}  {who}"
        yield from [together] if len(together) <= width else [head, f"       {who}"]
        said = [_what(row), *map(_change, row["changes"])]
        if row["why"]:
            said.append(f"why: {row['why']}")
        for line in _printable("\n".join(said)).split("\n"):
            yield from textwrap.wrap(line, width - 9, initial_indent=" " * 7,
                                     subsequent_indent=" " * 9, break_on_hyphens=False)  # fmt: skip


def rules_of(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """What every rule said of each payment: passed, refused, or why it could not be asked."""
    signs = {True: "✓", False: "✗", None: "-"}
    for row in rows:
        if not row.get("rules"):
            continue
        yield f"event {row['position']}: {_printable(row['what'])}"
        for rule in row["rules"]:
            said = f"{rule['code']} {rule['reason']}" if rule["passed"] is False else ""
            words = _printable(rule["why"])
            yield f"  {signs[rule['passed']]} {rule['rule']:<24} {said:<22} {words}"


def _width() -> int:
    """Of the terminal that is written to, or that the command was typed in."""
    for descriptor in (1, 2, 0):
        with contextlib.suppress(OSError):
            return os.get_terminal_size(descriptor).columns
    return _WIDTH_ELSEWHERE


def _when(at_us: int, zone: tzinfo) -> str:
    if not at_us:
        return ""
    at = datetime.fromtimestamp(at_us // 1_000_000, UTC).astimezone(zone)
    return f"{at:%Y-%m-%d %H:%M:%S}.{at_us // 1000 % 1000:03}"


def _who(who: str, label: str, names: Mapping[str, str]) -> str:
    """`operator-1`, `pos Till 1 …82be` by its label and the end of its id, or role and id."""
    role, _, rest = who.partition(":")
    subject = rest.partition(":")[0]
    if label:
        return f"{role} {label} …{subject[-4:]}"
    return names.get(subject) or f"{role} {subject}".strip()


def with_names(row: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """For programs: `name` is who acted as people read it, `label` that without role and id."""
    role, _, rest = row["who"].partition(":")
    known = rest if role == "system" else names.get(rest.partition(":")[0], "")
    label = row.get("label", "")
    return {**row, "label": label or known, "name": _who(row["who"], label, names)}


def _what(row: Mapping[str, Any]) -> str:
    corrects = f" (corrects event {row['corrects']})" if row.get("corrects") else ""
    about = [
        f"\n{name} {row[key]}"
        for name, key in (("payment", "transaction"), ("refill", "refill"))
        if row.get(key)
    ]
    return f"{row['what']}{corrects}{''.join(about)}"


def _change(change: Mapping[str, Any]) -> str:
    before, after = (_value(change[key], change["unit"]) for key in ("before", "after"))
    return f"{change['what']}: {before} → {after}"


def _value(value: Any, unit: str) -> str:
    if value is None:
        return "—"
    return dollars(value) if unit == "cents" and isinstance(value, int) else str(value)


def _printable(text: str) -> str:
    """Without what would command a terminal; line breaks of our own stay."""
    return "".join(
        character if character.isprintable() or character == "\n" else "\ufffd"
        for character in text
    )
