"""A bank statement of whatever format: which one it is shows at its beginning."""

from pathlib import Path
from typing import Final

from adapters.statements.bai2 import read_bai2
from adapters.statements.booked import MOST_BYTES, BadStatement, Statement
from adapters.statements.statement_csv import read_csv

FORMATS: Final = ("camt053", "bai2", "csv")


def format_of(raw: bytes) -> str:
    """`camt053`, `bai2` or `csv`."""
    begin = raw.lstrip(b"\xef\xbb\xbf \t\r\n")[:3]
    if begin[:1] == b"<" or raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "camt053"
    return "bai2" if begin == b"01," else "csv"


def read_statements(path: Path) -> tuple[bytes, list[Statement]]:
    """The file's bytes and its statements with entries. Raises BadStatement, OSError."""
    if path.stat().st_size > MOST_BYTES:
        raise BadStatement("it is larger than 10 MB")
    raw = path.read_bytes()
    match format_of(raw):
        case "camt053":
            from adapters.statements.camt053 import read_camt053  # lxml only where it is needed

            found = read_camt053(raw)
        case "bai2":
            found = read_bai2(raw)
        case _:
            found = read_csv(raw)
    statements = [each for each in found if each.entries]
    if not statements:
        raise BadStatement("it has no booked entries")
    return raw, statements
