"""`refill list|show|confirm|approve|reject|cancel|chargeback|receipt|…`: orders of refills."""

from pathlib import Path
from typing import Annotated, Any

import typer

from adapters.cli.failure import misconfigured
from adapters.cli.listing import print_table
from adapters.cli.options import AsAuditor, AsDecider, AsJson, AsOperator, an_id, cents
from adapters.cli.output import print_json, say
from adapters.cli.people import people
from adapters.cli.proposal import tell_proposed
from adapters.cli.refill_shown import page
from adapters.cli.refill_words import end_with, print_refill, until_done
from domain.answers import dollars

_Id = Annotated[
    str, typer.Argument(metavar="REFILL", help="Its id, from `refill list`.", callback=an_id)
]
_Why = Annotated[str, typer.Option(help="The reason, for whoever audits this.")]
_STATUSES = (
    *("awaiting-payment", "awaiting-approval", "approved", "credited", "credited-in-part"),
    *("failed", "rejected", "cancelled", "charged-back"),
)
Rows = list[dict[str, Any]]


def register(group: typer.Typer) -> None:
    """Adds the commands to `refill`."""
    group.command("list")(list_)
    for command in (show, confirm, approve, reject, cancel, refunded, chargeback, receipt):
        group.command()(command)
    group.command("fee-paid")(fee_paid)


def list_(
    company: Annotated[
        str | None, typer.Argument(metavar="[COMPANY]", help="Only of it.", callback=an_id)
    ] = None,
    status: Annotated[str | None, typer.Option(help=", ".join(_STATUSES))] = None,
    as_: AsAuditor = "auditor-1",
    json: AsJson = False,
) -> None:
    """List refills, oldest first.

    Example: [bold]ticketrestaurant refill list --status awaiting-approval[/bold]
    """
    from adapters.cli.operator_link import as_reader

    if status is not None and status not in _STATUSES:
        raise typer.BadParameter(f"--status must be one of: {', '.join(_STATUSES)}")
    body = {"what": "refills", **({"of": company} if company else {})}
    rows = as_reader(as_, lambda operator: operator.rows("QUERY", body))
    rows = sorted(
        (row for row in rows if status in (None, row["status"])),
        key=lambda row: row["ordered_ms"],
    )
    if json:
        print_json(rows)
        return
    shown = [{**row, "company": row.get("company_name") or row["company"]} for row in rows]
    columns = ["refill", "ordered_ms", "status", "accounts", "total_cents", "method", "company"]
    if any(row.get("inquiry") for row in rows):
        columns.append("inquiry")
    empty = "no refills yet" if status is None else f"no refill is {status}"
    print_table(columns, shown, empty)


def show(refill: _Id, as_: AsAuditor = "auditor-1", json: AsJson = False) -> None:
    """Show a refill: how far it is, who decided what, and what became of each line.

    Example: [bold]ticketrestaurant refill show 0192…[/bold]
    """
    from adapters.cli.operator_link import Operator, as_reader

    async def read(operator: Operator) -> tuple[Rows, Rows, Rows]:
        found = [
            await operator.rows("QUERY", {"what": what, "of": refill})
            for what in ("refill", "refill-steps", "refill-lines")
        ]
        return found[0], found[1], found[2]

    (row,), steps, lines = as_reader(as_, read)
    if json:
        print_json({**row, "steps": steps, "lines": lines})
        return
    for line in page(row, steps, lines, people()):
        print(line)


def confirm(
    refill: _Id,
    reference: Annotated[str, typer.Option(help="What the bank, check or PayPal calls it.")],
    as_: AsOperator = "operator-1",
    json: AsJson = False,
) -> None:
    """Say that the payment came: a bank transfer, a check, a PayPal payment.

    Example: [bold]ticketrestaurant refill confirm 0192… --reference WIRE-7[/bold]
    """
    _decide("confirm", refill, reference, as_, json)


def approve(refill: _Id, as_: AsDecider, json: AsJson = False) -> None:
    """Approve a paid refill above the limit: not by the operator who ordered it.

    Example: [bold]ticketrestaurant refill approve 0192… --as operator-2[/bold]
    """
    _decide("approve", refill, "", as_, json)


def reject(refill: _Id, why: _Why, as_: AsDecider, json: AsJson = False) -> None:
    """Reject a refill that is not approved yet. What was paid by card is sent back.

    Example: [bold]ticketrestaurant refill reject 0192… --why "not theirs" --as operator-2[/bold]
    """
    _decide("reject", refill, why, as_, json)


def cancel(refill: _Id, why: _Why, as_: AsOperator = "operator-1", json: AsJson = False) -> None:
    """Cancel a refill that is not approved yet, as the company wishes.

    Example: [bold]ticketrestaurant refill cancel 0192… --why "ordered twice"[/bold]
    """
    _decide("cancel", refill, why, as_, json)


def refunded(
    refill: _Id,
    reference: Annotated[str, typer.Option(help="What the bank calls the transfer.")],
    as_: AsOperator = "operator-1",
    json: AsJson = False,
) -> None:
    """Say that what was paid for nothing was sent back by hand.

    What a processor took it sends back by itself. Where it fails for good, two operators say it.

    Example: [bold]ticketrestaurant refill refunded 0192… --reference WIRE-8[/bold]
    """
    _decide("refunded", refill, reference, as_, json)


def chargeback(
    refill: _Id,
    why: _Why,
    won: Annotated[
        bool, typer.Option("--won", help="It was decided for us: give back what was taken.")
    ] = False,
    as_: AsOperator = "operator-1",
    json: AsJson = False,
) -> None:
    """Take a refill back whose payment was taken back from us; needs two operators.

    What is still on the accounts is debited; the rest, the company owes. With --won all of that is
    undone, once the money is with us again.

    Example: [bold]ticketrestaurant refill chargeback 0192… --why "check bounced"[/bold]
    """
    from adapters.cli.operator_link import as_operator

    body = {"refill": refill, "why": why, **({"won": True} if won else {})}
    result = as_operator(as_, lambda operator: operator.command("CHARGEBACK", body))
    if json:
        print_json(result)
    elif not tell_proposed(result):
        print(f"refill {refill} is {result['status']}")


def fee_paid(
    refill: _Id,
    amount: Annotated[str, typer.Option(metavar="DOLLARS", help="How much.")],
    reference: Annotated[str, typer.Option(help="What the bank or check calls the payment.")],
    as_: AsOperator = "operator-1",
    json: AsJson = False,
) -> None:
    """Say that the company paid the fee that it owed since a chargeback.

    Never more than is owed. The bank's statement will show it: see `books reconcile`.

    Example: [bold]ticketrestaurant refill fee-paid 0192… --amount 2.50 --reference WIRE-9[/bold]
    """
    from adapters.cli.operator_link import as_operator

    body = {"what": "fee-paid", "refill": refill, "amount_cents": cents(amount), "why": reference}
    result = as_operator(as_, lambda operator: operator.command("REFILL", body))
    if json:
        print_json(result)
    else:
        owed = dollars(result["fee_receivable_cents"])
        print(f"{dollars(cents(amount))} of refill {refill}'s fee are paid; {owed} are still owed")


def receipt(
    refill: _Id,
    pdf: Annotated[Path, typer.Option(help="Write the PDF to this file (mode 0600).")],
    invoice: Annotated[
        bool, typer.Option("--invoice", help="The invoice for the fee instead.")
    ] = False,
    as_: AsAuditor = "auditor-1",
    json: AsJson = False,
) -> None:
    """Write the receipt for a refill, or the invoice for its fee, as PDF.

    Example: [bold]ticketrestaurant refill receipt 0192… --pdf receipt.pdf[/bold]
    """
    from hashlib import sha256

    from adapters.cli.operator_link import Operator, as_reader
    from devices.durable import write_durably
    from protocol.encoding import unb64

    body = {"what": "invoice" if invoice else "receipt", "of": refill}

    async def read(operator: Operator) -> str:
        return "".join([piece async for piece in operator.text(body, "DOCUMENT")])

    content = unb64(as_reader(as_, read))
    try:
        write_durably(pdf, content)
    except OSError as error:
        raise misconfigured(f"{pdf} cannot be written: {error.strerror}") from None
    if json:
        digest = sha256(content).hexdigest()
        print_json({"file": str(pdf), "bytes": len(content), "sha256": digest})
    else:
        say(f"{pdf}: {len(content):,} bytes")


def _decide(what: str, refill: str, why: str, as_: str, json: bool) -> None:
    from adapters.cli.operator_link import Operator, as_operator

    body = {"what": what, "refill": refill, **({"why": why} if why else {})}

    async def work(operator: Operator) -> dict[str, Any]:
        result = await operator.command("REFILL", body)
        return result if "proposal" in result else await until_done(operator, result)

    result = as_operator(as_, work)
    if json:
        print_json(result)
    elif not tell_proposed(result):
        print_refill(result)
    if what in ("confirm", "approve"):
        end_with(result)
