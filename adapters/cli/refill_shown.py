"""A refill as a page: what it is, how far, for whom and by whom, what happened, and its lines."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from adapters.cli.listing import table_lines
from adapters.cli.output import counted, printable, this_program
from adapters.cli.people import who
from adapters.cli.refill_words import IN_WORDS, why_two
from domain.answers import dollars

SHOWN: Final = 200
"""Lines of an order that are printed; --json has all."""
_GOES_ON: Final = ("awaiting-payment", "awaiting-approval", "approved")
_PAYS: Final = {"bank": "bank transfer", "check": "check", "paypal": "PayPal", "card": "card"}
_SOURCES: Final = {"file": "from a file", "schedule": "by schedule"}
_HAPPENED: Final = {
    "ordered": "ordered",
    "paid": "paid",
    "approved": "approved",
    "rejected": "rejected",
    "cancelled": "cancelled",
    "credited": "credited",
    "failed": "could not be credited",
    "left-out": "left out of the order",
    "charged-back": "charged back",
    "taken-back": "taken back from accounts",
    "chargeback-won": "chargeback won",
    "given-back": "given back to accounts",
    "refunded": "sent back to the company",
    "fee-paid": "fee paid by the company",
    "inquiry": "the cardholder's bank asks",
    "inquiry-closed": "the bank's question closed",
}
_WHY: Final = {
    "not-of-company": "not an account of this company",
    "unknown-account": "not an account of this company",
    "last-day-passed": "its last day has passed",
    "twice": "named twice",
}
Row = Mapping[str, Any]


def page(
    row: Row, steps: Sequence[Row], lines: Sequence[Row], names: Mapping[str, str]
) -> Iterator[str]:
    """Its lines. `names` of people by their ids."""
    why = f": {printable(row['why'])}" if row["why"] else ""
    yield f"Refill {row['refill']} {IN_WORDS.get(row['status'], row['status'])}{why}"
    for name, text in _facts(row):
        if text:
            yield f"  {name:<13} {printable(text)}"
    if steps:
        yield ""
        yield from table_lines(
            ("when_ms", "what", "amount_cents", "accounts", "by", "reference or reason"),
            [_step(each, names) for each in steps],
        )
    yield ""
    columns = ("line", "account", "amount_cents", "outcome", "name")
    yield from table_lines(columns, [_line(each) for each in lines[:SHOWN]])
    if len(lines) > SHOWN:
        yield f"… and {counted(len(lines) - SHOWN, 'more line')}: --json shows all"


def _facts(row: Row) -> Iterator[tuple[str, str]]:
    """What is known, named and said as people do; empty where there is nothing to say."""
    yield "company", f"{row['company_name']}  {row['company']}".strip()
    yield "accounts", f"{row['accounts']:,}" + (f", group {row['group']}" if row["group"] else "")
    yield "to accounts", dollars(row["total_cents"])
    if row["fee_cents"]:
        yield "our fee", dollars(row["fee_cents"])
        yield "to be paid", dollars(row["total_cents"] + row["fee_cents"])
    through = f", through {row['processor']}" if row["processor"] else ""
    yield "paid by", f"{_PAYS.get(row['method'], row['method'])}{through}"
    yet = " yet" if row["status"] in _GOES_ON else ""
    yield "paid", _money(row["paid_cents"]) or f"nothing{yet}"
    if row["method"] != "card":
        yield "reference", f"{row['payment_reference']}, to stand on the payment"
    yield "order", _order(row)
    yield "spendable", f"through {row['last_day']}" if row["last_day"] else ""
    yield "credited", _part(row["credited_lines"], row["credited_cents"]) or f"nothing{yet}"
    yield "not credited", _part(row["failed_lines"], row["failed_cents"])
    yield "left out", _part(row["left_out_lines"])
    yield from _undone(row)
    yield "waits", row.get("waits_because", "")
    if row["alone_before_cents"]:
        yield "two persons", why_two(row)
    if row["two_persons"] and row["status"] == "awaiting-approval":
        yield "approve it", this_program("refill", "approve", row["refill"], "--as", "operator-2")


def _undone(row: Row) -> Iterator[tuple[str, str]]:
    yield "charged back", _money(row["charged_back_cents"])
    yield "won back", _money(row["chargeback_won_cents"])
    yield "taken back", _money(row["taken_cents"])
    owed = _money(row["receivable_cents"])
    fee = row["fee_receivable_cents"]
    yield "company owes", owed + (f", {dollars(fee)} of it our fee" if owed and fee else "")
    yield "fee paid", _money(row["fee_paid_apart_cents"])
    yield "to send back", _money(row["refund_due_cents"])
    yield "sent back", _money(row["refunded_cents"])
    yield "inquiry", row["inquiry"]


def _order(row: Row) -> str:
    """How it came about, where nobody typed it."""
    due = f", due on {row['due_on']}" if row["due_on"] else ""
    return f"{_SOURCES.get(row['source'], '')} {row['schedule']}".strip() + due


def _step(row: Row, names: Mapping[str, str]) -> dict[str, Any]:
    return {
        "when_ms": row["at_ms"],
        "what": _HAPPENED.get(row["what"], row["what"]),
        "amount_cents": row.get("amount_cents", ""),
        "accounts": f"{row['lines']:,}" if "lines" in row else "",
        "by": who(row["by"], names),
        "reference or reason": row.get("why", ""),
    }


def _line(row: Row) -> dict[str, Any]:
    why = row.get("why", "")
    told = "not credited" if row["outcome"] == "no" else row["outcome"]
    outcome = told + (f": {_WHY.get(why, why)}" if why else "")
    if row.get("taken_cents"):
        outcome += f", {dollars(row['taken_cents'])} taken back"
    return {**row, "line": row["line"] or "–", "outcome": outcome, "name": row.get("name", "")}


def _part(lines: int, cents: int = 0) -> str:
    if not lines:
        return ""
    return counted(lines, "account") + (f", {dollars(cents)}" if cents else "")


def _money(cents: int) -> str:
    return dollars(cents) if cents else ""
