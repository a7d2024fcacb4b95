"""`dispute`: payments that cardholders contest: list, show, open for a caller, evidence, decide."""

from pathlib import Path
from typing import Annotated, Any

import typer

from adapters.cli.listing import print_table
from adapters.cli.options import AsAuditor, AsDecider, AsJson, AsOperator, an_id, cents, digest_of
from adapters.cli.output import print_json, this_program
from adapters.cli.times import moment
from domain.answers import dollars

_HEADING = "Operators (signed commands through the gateway)"
_WINNERS = ("cardholder", "shop")
_Id = Annotated[
    str, typer.Argument(metavar="DISPUTE", help="Its id, from `dispute list`.", callback=an_id)
]
_Document = Annotated[
    Path | None,
    typer.Option(
        help="What was shown. Only its SHA-256 is stored; keep the file.",
        exists=True,
        dir_okay=False,
    ),
]
_Amount = Annotated[str | None, typer.Option("--amount", metavar="DOLLARS", help="Else all of it.")]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    group = typer.Typer(
        help="Payments that cardholders contest.\n\n"
        "Example: [bold]ticketrestaurant dispute list[/bold]",
        no_args_is_help=True,
        rich_markup_mode="rich",
    )
    group.command("list")(list_)
    group.command("show")(show)
    group.command("open")(open_)
    group.command("evidence")(evidence)
    group.command("decide")(decide)
    app.add_typer(group, name="dispute", rich_help_panel=_HEADING)


def list_(
    every: Annotated[bool, typer.Option("--all", help="Also those that were decided.")] = False,
    as_: AsAuditor = "auditor-1",
    json: AsJson = False,
) -> None:
    """List the disputes that wait for a decision, oldest first.

    Example: [bold]ticketrestaurant dispute list --all[/bold]
    """
    shown = [row for row in _rows(as_) if every or row["status"] == "open"]
    if json:
        print_json(shown)
        return
    table = [{**row, "decide_by_ms": row["decide_until_ms"] * is_open(row),
              "": "OVERDUE" if row["overdue"] and is_open(row) else "",
              "payment": row["transaction"]} for row in shown]  # fmt: skip
    columns = ("dispute", "status", "amount_cents", "payment", "decide_by_ms", "")
    print_table(columns, table, "no disputes yet" if every else "no dispute waits")


def show(dispute: _Id, as_: AsAuditor = "auditor-1", json: AsJson = False) -> None:
    """Show a dispute with the evidence of both sides.

    Example: [bold]ticketrestaurant dispute show 0192…[/bold]
    """
    from adapters.cli.failure import refused

    found = [row for row in _rows(as_) if row["dispute"] == dispute]
    if not found:
        listing = this_program("dispute", "list", "--all")
        raise refused(f"there is no dispute with that id; see: {listing}")
    if json:
        print_json(found[0])
    else:
        _tell(found[0])


def open_(
    payment: Annotated[
        str, typer.Argument(metavar="PAYMENT", help="The payment's id.", callback=an_id)
    ],
    text: Annotated[str, typer.Option(help="What the cardholder says.")],
    amount: _Amount = None,
    document: _Document = None,
    as_: AsOperator = "operator-1",
    json: AsJson = False,
) -> None:
    """Open a dispute for a cardholder who called. Another operator decides it.

    Example: [bold]ticketrestaurant dispute open 0192… --text "was charged twice"[/bold]
    """
    body = {"do": "open", "transaction": payment, "text": text, **_document(document)}
    if amount is not None:
        body["amount_cents"] = cents(amount)
    _command(as_, body, json)


def evidence(
    dispute: _Id,
    side: Annotated[str, typer.Option(help="Whose it is: cardholder or shop.")],
    text: Annotated[str, typer.Option(help="What they say.")],
    document: _Document = None,
    as_: AsOperator = "operator-1",
    json: AsJson = False,
) -> None:
    """Enter what one side says, within ten days of the opening.

    Example: [bold]ticketrestaurant dispute evidence 0192… --side shop --text "two meals"[/bold]
    """
    _one_of("--side", side)
    body = {"do": "evidence", "dispute": dispute, "side": side, "text": text}
    _command(as_, {**body, **_document(document)}, json)


def decide(
    dispute: _Id,
    winner: Annotated[str, typer.Option("--for", help="Who is right: cardholder or shop.")],
    why: Annotated[str, typer.Option(help="The reason, for both and for whoever audits this.")],
    as_: AsDecider,
    amount: _Amount = None,
    json: AsJson = False,
) -> None:
    """Decide a dispute that another operator, or the cardholder, opened; credit what is due.

    Example: [bold]ticketrestaurant dispute decide 0192… --for shop --why "one meal"
    --as operator-2[/bold]
    """
    _one_of("--for", winner)
    body: dict[str, Any] = {"do": "decide", "dispute": dispute, "winner": winner, "why": why}
    if amount is not None:
        if winner == "shop":
            raise typer.BadParameter("--amount goes with --for cardholder only")
        body["amount_cents"] = cents(amount)
    _command(as_, body, json)


def is_open(row: dict[str, Any]) -> bool:
    """Whether it waits for a decision."""
    return bool(row["status"] == "open")


def _one_of(option: str, given: str) -> None:
    if given not in _WINNERS:
        raise typer.BadParameter(f"{option} must be cardholder or shop")


def _document(path: Path | None) -> dict[str, Any]:
    return {"document_sha256": digest_of(path)} if path else {}


def _rows(as_: str) -> list[dict[str, Any]]:
    from adapters.cli.operator_link import as_reader

    return as_reader(as_, lambda operator: operator.rows("QUERY", {"what": "disputes"}))


def _command(as_: str, body: dict[str, Any], json: bool) -> None:
    from adapters.cli.operator_link import as_operator

    result = as_operator(as_, lambda operator: operator.command("DISPUTE", body))
    if json:
        print_json(result)
    else:
        _tell(result)


def _tell(row: dict[str, Any]) -> None:
    is_open = row["status"] == "open"
    status = "open" if is_open else f"decided for the {row['status']}"
    print(f"dispute {row['dispute']}: {status}")
    print(f"  payment   {row['transaction']}, {dollars(row['amount_cents'])} in dispute")
    if is_open:
        print(f"  evidence  until {moment(row['evidence_until_ms'])}")
        overdue = " (overdue)" if row.get("overdue") else ""
        print(f"  decision  by {moment(row['decide_until_ms'])}{overdue}")
    else:
        print(f"  credited  {dollars(row['credited_cents'])}: {row['why']}")
    for each in row["evidence"]:
        print(f"  {each['side']:<10} {moment(each['given_ms'])}  {each['text']}")
        if each["document_sha256"]:
            print(f"  {'':<10} document SHA-256 {each['document_sha256']}")
