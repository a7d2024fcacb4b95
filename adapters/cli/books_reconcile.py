"""`books reconcile`: a bank statement against refills and payouts, and what does not match."""

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from adapters.cli.failure import misconfigured, unusable
from adapters.cli.options import AsJson, AsOperator
from adapters.cli.output import print_json
from adapters.statements.booked import Statement
from domain.answers import dollars

_LISTS: Final = ("matched", "matched_before", "amounts_off", "unmatched_bank", "unmatched_books")
_WHY: Final = {
    "unknown": "nobody expects it",
    "ambiguous": "several could be it: match by the reference",
    "expected-once": "its refill or payout was matched with another entry",
}


def reconcile(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="camt.053, BAI2 or CSV.")],
    preview: Annotated[
        bool, typer.Option("--preview", help="Only show what matches; record nothing.")
    ] = False,
    as_: AsOperator = "operator-1",
    json: AsJson = False,
) -> None:
    """Match a bank statement with refills and payouts; list what does not match on either side.

    By the payment reference (TR and 13 characters, as listed here), else where amount and day
    leave one choice. What matched is posted to the bank account of the books, once: the same
    file, or one that overlaps, changes nothing more. CSV needs the columns date, amount, reference.

    Example: [bold]ticketrestaurant books reconcile statement-2026-11-23.xml[/bold]
    """
    from adapters.cli.operator_link import Operator, as_operator

    digest, statements = _read(file)

    async def work(operator: Operator) -> list[dict[str, Any]]:
        bodies = [_body(each, digest, preview) for each in statements]
        return [await operator.command("RECONCILE", body) for body in bodies]

    result = _joined(as_operator(as_, work))
    if preview:
        result = {"preview": True, **result}
    if json:
        print_json(result)
        return
    _print(result)


def _read(file: Path) -> tuple[str, list[Statement]]:
    from adapters.statements.booked import BadStatement
    from adapters.statements.reading import read_statements

    try:
        raw, statements = read_statements(file)
    except BadStatement as error:
        raise unusable(f"{file}: {error}. Nothing was matched.") from None
    except OSError as error:
        raise misconfigured(f"{file} cannot be read: {error.strerror}") from None
    return sha256(raw).hexdigest(), statements


def _body(statement: Statement, digest: str, preview: bool) -> dict[str, Any]:
    entries = [
        {
            "day": each.day,
            "amount_cents": each.amount_cents,
            "text": each.text,
            "bank_reference": each.bank_reference,
        }
        for each in statement.entries
    ]
    return {
        "account": statement.account,
        "statement": statement.name,
        "file_sha256": digest,
        "entries": entries,
        "preview": preview,
    }


def _joined(answers: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The statements of one file as one answer. What a later one matched is not missing, though an
    earlier one said so."""
    result: dict[str, Any] = {
        name: [row for answer in answers for row in answer.get(name, ())] for name in _LISTS
    }
    found = {row["position"] for name in _LISTS[:3] for row in result[name]}
    missing = {row["position"]: row for row in result["unmatched_books"]}
    result["unmatched_books"] = [row for at, row in missing.items() if at not in found]
    return result


def _print(result: dict[str, Any]) -> None:
    note = " (preview: nothing was recorded)" if result.get("preview") else ""
    before = len(result["matched_before"])
    also = f", {before:,} matched before" if before else ""
    print(f"{len(result['matched']):,} matched{also}{note}")
    for each in result["matched"]:
        print(f"  {_entry(each)}  {_expected(each)}, by {each['how']}")
    for title, rows, line in (
        ("amounts off", result["amounts_off"], _off),
        ("on the statement only", result["unmatched_bank"], _unknown),
        ("in the books only", result["unmatched_books"], _missing),
    ):
        if rows:
            print(f"{title}: {len(rows):,}")
            for each in rows:
                print(f"  {line(each)}")
    if not any(result[name] for name in _LISTS[2:]):
        print("nothing is left over on either side")


def _entry(row: dict[str, Any]) -> str:
    return f"{row['day']} {dollars(row['amount_cents']):>14}"


def _expected(row: dict[str, Any]) -> str:
    return f"{row['of']} {row['id']} {row['reference']}"


def _off(row: dict[str, Any]) -> str:
    expected = dollars(row["expected_cents"])
    return f"{_entry(row)}  {_expected(row)}: {expected} expected, {dollars(row['off_cents'])} off"


def _unknown(row: dict[str, Any]) -> str:
    named = f"  {row['bank_reference']}" if row["bank_reference"] else ""
    return f"{_entry(row)}{named}: {_WHY[row['why']]}"


def _missing(row: dict[str, Any]) -> str:
    return f"{row['expected_day']} {dollars(row['expected_cents']):>14}  {_expected(row)}"
