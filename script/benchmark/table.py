"""The figures as a table with ratios, and as JSON."""

import json
from pathlib import Path

from rich.console import Console
from rich.table import Table

Figures = dict[str, float]
_UNITS = {"_p50_ms": "ms", "_p95_ms": "ms", "_p99_ms": "ms", "_mb": "MB", "_100k_s": "s"}


def show(figures: Figures) -> None:
    """Prints the table: each figure, and beside it how it stands to TPC-B and to the limit."""
    table = Table(title="TicketRestaurant US: measured in one run")
    for name, justify in (("figure", "left"), ("value", "right"), ("", "left")):
        table.add_column(name, justify=justify)  # type: ignore[arg-type]
    table.add_column("× TPC-B(8)", justify="right")
    table.add_column("of bare insert", justify="right")
    for key, value in figures.items():
        table.add_row(key, f"{value:,.1f}", _unit(key), *_ratios(key, value, figures))
    Console().print(table)


def write_json(figures: Figures, path: Path) -> None:
    """The figures under their keys."""
    rounded = {key: round(value, 2) for key, value in figures.items()}
    path.write_text(json.dumps(rounded, indent=1) + "\n")


def _unit(key: str) -> str:
    if "_cpu_us_" in key:
        return "µs processor time each"
    if "_cost_us_" in key:
        return "µs each"
    return next((unit for end, unit in _UNITS.items() if key.endswith(end)), "per second")


def _ratios(key: str, value: float, figures: Figures) -> tuple[str, str]:
    if _unit(key) != "per second" or key == "rebuild":
        return "", ""
    tpcb, bare = figures.get("tpcb_8"), figures.get("bare_insert_256")
    of_bare = f"{value / bare:.0%}" if bare and key.startswith("engine") else ""
    return (f"{value / tpcb:.2f}" if tpcb else ""), of_bare
