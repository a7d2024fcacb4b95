"""`docs/tables.md`: every table as the migrations make it, read from a migrated database.

Run as a program it writes the document: `python -m tests.integration.postgres.table_definitions`.
"""

import re
import tempfile
from pathlib import Path
from typing import Any

import psycopg

from adapters.postgres.embedded import Cluster
from adapters.postgres.migrations import migrate

ROOT = Path(__file__).parents[3]
DOCUMENT = ROOT / "docs" / "tables.md"
HEAD = """\
# Tables

Every table of both databases as the migrations make it (`migrations/`), with its columns, keys and
indexes. Generated from a migrated database by
`python -m tests.integration.postgres.table_definitions`, and compared with one by a test. What the
columns mean is in TR-DBFS.
"""
_COLUMNS = (
    "SELECT a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,"
    " pg_get_expr(d.adbin, d.adrelid) FROM pg_attribute a"
    " LEFT JOIN pg_attrdef d ON (d.adrelid, d.adnum) = (a.attrelid, a.attnum)"
    " WHERE a.attrelid = %s::regclass AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum"
)
_INDEXES = "SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = %s::regclass"
_CHECKS = (
    "SELECT pg_get_constraintdef(oid) FROM pg_constraint"
    " WHERE conrelid = %s::regclass AND contype IN ('c', 'f') ORDER BY conname"
)
_TABLES = (
    "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
    " WHERE c.relkind = 'r' AND n.nspname = 'public' ORDER BY c.relname"
)


def definitions(connection: "psycopg.Connection[Any]", database: str) -> str:
    """A section for each table of the usual schema."""
    told = _told(database)
    parts = [f"## Database `{database}`\n"]
    for (table,) in connection.execute(_TABLES).fetchall():
        parts.append(f"### `{table}`\n")
        if table in told:
            parts.append(told[table] + "\n")
        rows = connection.execute(_COLUMNS, (table,)).fetchall()
        parts.append("| column | type | null | default |\n|---|---|---|---|")
        for name, kind, required, default in rows:
            shown = f"`{default}`" if default else ""
            parts.append(f"| `{name}` | {kind} | {'no' if required else 'yes'} | {shown} |")
        parts.append("")
        found = [each for (each,) in connection.execute(_INDEXES, (table,)).fetchall()]
        found = sorted(_short(each) for each in found)
        found += [each for (each,) in connection.execute(_CHECKS, (table,)).fetchall()]
        parts += [f"- `{each}`" for each in found]
        parts.append("")
    return "\n".join(parts)


def _short(definition: str) -> str:
    """An index without its schema and the method that all have."""
    return re.sub(r" ON public\.", " ON ", definition).replace(" USING btree", "")


def _told(database: str) -> dict[str, str]:
    """What the migrations say above each CREATE TABLE."""
    told = {}
    for file in sorted((ROOT / "migrations" / database).glob("*.sql")):
        pattern = r"((?:^--[^\n]*\n)+)CREATE TABLE (\w+) "
        for comment, table in re.findall(pattern, file.read_text("utf-8"), re.MULTILINE):
            lines = [line.removeprefix("--").strip() for line in comment.splitlines()]
            told[table] = " ".join(lines)
    return told


def document(ledger_dsn: str, website_dsn: str) -> str:
    """The whole text, from two migrated databases."""
    parts = [HEAD]
    for database, dsn in (("ledger", ledger_dsn), ("website", website_dsn)):
        with psycopg.connect(dsn) as connection:
            parts.append(definitions(connection, database))
    return "\n".join(parts).rstrip() + "\n"


def made() -> str:
    """The document of today's migrations, by servers of its own."""
    with tempfile.TemporaryDirectory() as folder:
        clusters = {name: Cluster(Path(folder), name) for name in ("ledger", "website")}
        dsns = {name: cluster.dsn(cluster.plan.owner) for name, cluster in clusters.items()}
        for cluster in clusters.values():
            cluster.create()
        with (
            clusters["ledger"].start_temporarily(),
            clusters["website"].start_temporarily(),
        ):
            for name, dsn in dsns.items():
                migrate(dsn, name)
            return document(dsns["ledger"], dsns["website"])


if __name__ == "__main__":
    DOCUMENT.write_text(made(), "utf-8")
