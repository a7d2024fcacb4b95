"""Tables that an operator hands in as CSV: read whole and checked before anything is sent."""

import csv
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from adapters.cli import exit_codes
from adapters.cli.failure import Failure
from application.fields import Invalid, some_of

MOST_BYTES = 10_000_000
CURRENCY = "USD"
_T = TypeVar("_T")


def read_table(
    path: Path,
    columns: Sequence[str],
    read_row: Callable[[dict[str, str]], _T],
    most: int,
    optional: Sequence[str] = (),
) -> list[tuple[int, _T]]:
    """The rows of a CSV file with these columns (others are ignored, but a currency must be
    dollars), with their line numbers.

    `optional` columns are empty where the file has none. `read_row` raises Invalid for a row at
    fault. Raises Failure that names all of them, without a value from the file: it may hold names.
    """
    found: list[tuple[int, _T]] = []
    faults: list[str] = []
    try:
        if path.stat().st_size > MOST_BYTES:
            raise _unusable(path, "is larger than 10 MB")
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, strict=True)
            missing = [name for name in columns if name not in (reader.fieldnames or ())]
            if missing:
                raise _unusable(path, f"needs a first line with the columns {', '.join(columns)}")
            for row in reader:
                line = reader.line_num
                try:
                    if None in row:  # 1,250.00 without quotes would be an amount of 1
                        raise Invalid("values", "are more than columns. Quote what has a comma.")
                    if (row.get("currency") or CURRENCY).strip().upper() != CURRENCY:
                        raise Invalid("currency", f"must be {CURRENCY}: there is no other here.")
                    named = {name: row.get(name) or "" for name in (*columns, *optional)}
                    found.append((line, read_row(named)))
                except Invalid as error:
                    faults.append(f"Line {line}, {error.text}")
                if len(found) > most:
                    raise _unusable(path, f"has more than {most:,} rows")
    except OSError as error:
        raise _unusable(path, f"cannot be read: {error.strerror}") from None
    except (csv.Error, UnicodeDecodeError):
        raise _unusable(path, "is not a CSV file in UTF-8") from None
    if faults:
        raise _unusable(path, "is at fault, nothing was sent:" + some_of(faults))
    if not found:
        raise _unusable(path, "has no rows")
    return found


def _unusable(path: Path, why: str) -> Failure:
    return Failure(f"{path} {why}", exit_codes.USAGE)
