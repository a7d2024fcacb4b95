"""The settings reference, docs/settings.md, made from the code: fields, docstrings, comments.

`ticketrestaurant config reference` prints it; a test holds it against the file.
"""

import ast
import inspect
import re
from collections.abc import Iterator
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, NamedTuple

from adapters import settings
from adapters.gateway import config as gateway_config
from adapters.settings import _PORTS, DEFAULT_PORT_BASE, PREFIX, Settings

_KINDS = {
    int: "whole number",
    int | None: "whole number",
    str: "text",
    str | None: "text",
    tuple[str, ...]: "texts, by commas",
    Path | None: "absolute path",
}
_HEAD = f"""# Settings

Made from the code by `ticketrestaurant config reference`; do not edit.

A setting `gateway_port` is `"gateway_port": 7300` in `<home>/settings.json` and
`{PREFIX}GATEWAY_PORT=7300` in the environment, which wins. Lists are JSON lists in the file and
separated by commas in the environment. `ticketrestaurant config check` shows every setting with
its source, and what is wrong with it.

Two more: `{PREFIX}HOME` (or `--home`) is the state folder, `./var` without it. `port_base`
({DEFAULT_PORT_BASE}) moves all ports that are not set by name: {{ports}}.
"""
_LIMITS_HEAD = """
## Limits of the gateway

Fixed in this version, in `adapters/gateway/config.py`. {text}

| limit | value | |
|---|---|---|
"""


class _Field(NamedTuple):
    heading: str
    name: str
    text: str


def reference() -> str:
    """The whole document."""
    ports = ", ".join(f"`{name}` + {distance}" for name, distance in _PORTS.items())
    parts = [_HEAD.format(ports=ports)]
    defaults: dict[str, Any] = {each.name: each for each in fields(Settings)}
    heading = ""
    for found in _documented(settings, "Settings"):
        if found.name == "home":
            continue
        if found.heading != heading or not heading:
            heading = found.heading or "General"
            parts.append(f"\n## {heading}\n\n| setting | kind | default | |\n|---|---|---|---|\n")
        each = defaults[found.name]
        parts.append(
            f"| `{found.name}` | {_kind(found.name, each.type)} | {_default(each.default)} |"
            f" {found.text} |\n"
        )
    return "".join(parts) + _limits()


def _limits() -> str:
    text = " ".join((inspect.getdoc(gateway_config.GatewayConfig) or "").split())
    rows = []
    known = {each.name for each in fields(Settings)}
    for each in fields(gateway_config.GatewayConfig):
        set_by_setting = each.name in known or f"gateway_{each.name}" in known
        if each.default is not MISSING and not set_by_setting:
            rows.append(f"| `{each.name}` | {each.default:,} | {_unit(each.name)} |\n")
    return _LIMITS_HEAD.format(text=text) + "".join(rows)


def _documented(module: Any, name: str) -> Iterator[_Field]:
    """The fields of a class with the docstrings after them and the comments above them."""
    source = inspect.getsource(module)
    lines = source.splitlines()
    (found,) = (
        each
        for each in ast.parse(source).body
        if isinstance(each, ast.ClassDef) and each.name == name
    )
    heading = ""
    for each, after in zip(found.body, [*found.body[1:], None], strict=True):
        if not isinstance(each, ast.AnnAssign) or not isinstance(each.target, ast.Name):
            continue
        comment = _comment_above(lines, each.lineno)
        heading = comment or heading
        text = ""
        if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
            text = " ".join(str(after.value.value).split())
        yield _Field(heading, each.target.id, text)


def _comment_above(lines: list[str], line: int) -> str:
    found: list[str] = []
    at = line - 2
    while at >= 0 and lines[at].strip().startswith("#"):
        found.insert(0, lines[at].strip().removeprefix("#").strip())
        at -= 1
    return " ".join(found)


def _kind(name: str, kind: Any) -> str:
    return "port" if name.endswith("_port") else _KINDS[kind]


def _default(value: Any) -> str:
    if value is None or value in ("", ()):
        return "–"
    return f"{value:,}" if isinstance(value, int) and value > 65_535 else f"`{value}`"


def _unit(name: str) -> str:
    for pattern, unit in (
        (r"per_s", "per second"),
        (r"_s$|_s_(min|max)$|_(min|max)_s$", "seconds"),
        (r"_bytes$", "bytes"),
    ):
        if re.search(pattern, name):
            return unit
    return ""
