"""`queue`: all that waits for an operator, in one place, whatever it is."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple

import typer

from adapters.cli.failure import refused, unusable
from adapters.cli.listing import print_table
from adapters.cli.options import AsAuditor, AsJson, an_id
from adapters.cli.output import print_json, printable, say, this_program
from adapters.cli.people import people, who
from adapters.cli.queue_words import field_line, what_it_does
from adapters.cli.times import moment
from domain.answers import dollars

if TYPE_CHECKING:
    from adapters.cli.operator_link import Operator

_HEADING = "Operators (signed commands through the gateway)"
_FIRST: Final = "operator-1"
Row = Mapping[str, Any]
_Id = Annotated[
    str, typer.Argument(metavar="ID", help="Its id, from `queue list`.", callback=an_id)
]
_Decider = Annotated[
    str | None,
    typer.Option(
        "--as",
        metavar="NAME",
        help=f"The operator who decides and signs: a folder of operators/. Else {_FIRST}, but never"
        " the one who asked.",
    ),
]


class Decision(NamedTuple):
    """The command by which a kind is decided. `body` is for the matter's row, yes or no, and why.

    `why_yes`: whether also a yes needs its reason.
    """

    verb: str
    body: Callable[[Row, bool, str], dict[str, Any]]
    why_yes: bool = False


def _of_proposal(row: Row, approve: bool, why: str) -> dict[str, Any]:
    said = {"command_hash": row["seen"]} if approve else {"why": why}
    return {"proposal": row["id"], "approve": approve, **said}


def _of_enrolment(row: Row, approve: bool, why: str) -> dict[str, Any]:
    return {"enrolment": row["id"], "approve": approve, "why": why}


def _of_dispute(row: Row, approve: bool, why: str) -> dict[str, Any]:
    """Yes: all that is left of it goes back to the cardholder. `dispute decide` knows parts."""
    winner = "cardholder" if approve else "shop"
    return {"do": "decide", "dispute": row["id"], "winner": winner, "why": why}


def _of_alert(row: Row, approve: bool, why: str) -> dict[str, Any]:
    """Yes: the payment is in order. It does not block the card: that is `block`."""
    return {"alert": row["id"], "verdict": "harmless" if approve else "fraud", "why": why}


def _of_refill(row: Row, approve: bool, why: str) -> dict[str, Any]:
    what = {"what": "approve"} if approve else {"what": "reject", "why": why}
    return {"refill": row["id"], **what}


def _of_refill_payment(row: Row, approve: bool, why: str) -> dict[str, Any]:
    return {"refill": row["id"], "what": "confirm" if approve else "reject", "why": why}


DECISIONS: Final = {
    "correction": Decision("APPROVE", _of_proposal),
    "proposal": Decision("APPROVE", _of_proposal),
    "refill": Decision("REFILL", _of_refill),
    "refill-payment": Decision("REFILL", _of_refill_payment, why_yes=True),
    "enrolment": Decision("ENROLMENT", _of_enrolment, why_yes=True),
    "dispute": Decision("DISPUTE", _of_dispute, why_yes=True),
    "alert": Decision("ALERT", _of_alert, why_yes=True),
}
"""By kind, as `adapters/backend/queue.py` lists them."""
_NOT_SIGNED: Final = ("refill", "refill-payment", "dispute", "alert")
"""Kinds of which not a signed command is shown, but what is known of the matter."""


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    group = typer.Typer(
        help="See and decide what waits for an operator: corrections, proposals, refills,"
        " enrolments, disputes, alerts.\n\n"
        "Example: [bold]ticketrestaurant queue list[/bold]",
        no_args_is_help=True,
        rich_markup_mode="rich",
    )
    group.command("list")(list_)
    group.command("show")(show)
    group.command("approve")(approve)
    group.command("reject")(reject)
    app.add_typer(group, name="queue", rich_help_panel=_HEADING)


def list_(
    kind: Annotated[
        str | None, typer.Option(metavar="KIND", help=f"Only {', '.join(DECISIONS)}.")
    ] = None,
    as_: AsAuditor = _FIRST,
    json: AsJson = False,
) -> None:
    """List what waits for an operator, oldest first.

    Example: [bold]ticketrestaurant queue list --kind correction[/bold]
    """
    from adapters.cli.operator_link import as_reader

    if kind is not None and kind not in DECISIONS:
        raise typer.BadParameter(f"--kind must be one of: {', '.join(DECISIONS)}")
    rows = as_reader(as_, lambda operator: operator.rows("QUERY", {"what": "queue"}))
    shown = [row for row in rows if kind in (None, row["kind"])]
    if json:
        print_json(shown)
        return
    names, deciding = people(), f"{as_} may decide"
    table = [
        {
            **row,
            "asked for by": who(row["asked_by"], names),
            deciding: _may(row),
            "amount_cents": "" if row["amount_cents"] is None else row["amount_cents"],
        }
        for row in shown
    ]
    columns = ("id", "kind", "since_ms", "amount_cents", "asked for by", deciding, "what")
    print_table(columns, table, f"no {kind} waits" if kind else "nothing waits for an operator")
    if shown:
        print(f"In full: {this_program('queue', 'show')} ID; then queue approve ID, or reject ID")


def show(id: _Id, as_: AsAuditor = _FIRST, json: AsJson = False) -> None:
    """Show one matter in full: what exactly would be done, and what that would change now.

    Example: [bold]ticketrestaurant queue show 0192…[/bold]
    """
    from adapters.cli.operator_link import as_reader

    rows, exactly = as_reader(as_, lambda operator: _read(operator, id))
    if json:
        print_json({**rows[0], "details": rows[1:]})
        return
    for line in _in_full(rows, as_, exactly):
        print(line)


async def _read(operator: "Operator", id: str) -> tuple[list[Row], list[str]]:
    """The matter and its details; and of a proposal what exactly it would do, in lines."""
    from adapters.cli.proposal_shown import read_proposal

    rows: list[Row] = list(await operator.rows("QUERY", {"what": "queue", "of": id}))
    if rows[0]["kind"] != "proposal":
        return rows, []
    return rows, list((await read_proposal(operator, str(rows[0]["id"]))).exactly())


def approve(
    id: _Id,
    as_: _Decider = None,
    why: Annotated[
        str,
        typer.Option(
            help="The reason, where one is needed; of a refill-payment its reference.",
            show_default=False,
        ),
    ] = "",
    yes: Annotated[
        bool,
        typer.Option(
            "--yes", help="Do not ask before approving it. Without a terminal nobody is asked."
        ),
    ] = False,
    json: AsJson = False,
) -> None:
    """Approve what somebody else asked for: it is carried out at once.

    On a terminal the matter is shown in full first, and you are asked. A script is not asked: look
    with `queue show` before.

    Example: [bold]ticketrestaurant queue approve 0192… --as operator-2[/bold]
    """
    name = as_ or _FIRST
    rows, exactly = _to_decide(id, name, as_ is None)
    row = rows[0]
    decision = DECISIONS[row["kind"]]
    if decision.why_yes and not why:
        raise typer.BadParameter(f"give --why, a reason or a reference, for {row['kind']}")
    if sys.stdin.isatty() and sys.stderr.isatty() and not yes:
        for line in _in_full(rows, name, exactly):
            say(line)
        typer.confirm(f"Approve it as {name}?", abort=True, err=True)
    _decide(name, row, True, why, json)


def reject(
    id: _Id,
    why: Annotated[str, typer.Option(help="The reason, for whoever audits this.")],
    as_: Annotated[
        str, typer.Option("--as", metavar="NAME", help="The operator who decides and signs.")
    ] = _FIRST,
    json: AsJson = False,
) -> None:
    """Reject what waits; the operator who asked for it withdraws it so.

    Example: [bold]ticketrestaurant queue reject 0192… --why "the wrong payment"[/bold]
    """
    _decide(as_, _to_decide(id, as_, False)[0][0], False, why, json)


def _to_decide(id: str, name: str, by_default: bool) -> tuple[list[Row], list[str]]:
    """As `_read`. Raises Failure where nobody was named and nobody fits."""
    from adapters.cli.operator_link import as_operator

    rows, exactly = as_operator(name, lambda operator: _read(operator, id))
    kind, why_not = rows[0]["kind"], rows[0]["why_not"]
    if kind not in DECISIONS:
        raise refused(f"this program does not know how a {kind} is decided: upgrade it")
    if by_default and why_not == "same-operator":
        raise unusable(f"{name} asked for it: name the operator who approves it with --as")
    return rows, exactly


def _decide(name: str, row: Row, yes: bool, why: str, json: bool) -> None:
    from adapters.cli.corrections import effect_lines
    from adapters.cli.operator_link import as_operator
    from adapters.cli.proposal import tell_code

    decision = DECISIONS[row["kind"]]
    body = decision.body(row, yes, why)
    result = as_operator(name, lambda operator: operator.command(decision.verb, body))
    if json:
        print_json(result)
        return
    print(f"{row['kind']} {row['id']} is {result.get('status', 'decided')}: {row['what']}")
    if row["kind"] == "correction" and "result" in result:
        for line in effect_lines(result["result"]):
            print(line)
    tell_code(result)


def _may(row: Row) -> str:
    """Whether who asks may decide it, and if not, why."""
    no = {"same-operator": "no: asked for it", "not-an-operator": "no: not an operator"}
    return no.get(row["why_not"], row["why_not"]) or "yes"


def _in_full(rows: Sequence[Row], as_: str, exactly: Sequence[str] = ()) -> Iterator[str]:
    from adapters.cli.corrections import effect_lines

    row, names = rows[0], people()
    yield f"{row['kind']} {row['id']}"
    yield f"  {printable(row['what'])}"
    if row["amount_cents"] is not None:
        yield f"  amount: {dollars(row['amount_cents'])}"
    yield f"  waits since: {moment(row['since_ms'])}, {_age(row['age_s'])}"
    if row["expires_ms"]:
        yield f"  void after: {moment(row['expires_ms'])}"
    if row["asked_by"]:
        yield f"  asked for by: {who(row['asked_by'], names)}"
    no = _may(row).removeprefix("no: ")
    yield f"  {as_} may decide it" if no == "yes" else f"  {as_} may not decide it: {no}"
    for detail in rows[1:]:
        if "effects" in detail:
            yield from effect_lines(detail["effects"])
        elif "refused" in detail:
            first, *faults = str(detail["refused"]).splitlines()
            yield f"It cannot be done now ({detail['code']}): {printable(first)}"
            yield from (f"  {printable(fault)}" for fault in faults)
        elif "key_hash" in detail:
            yield f"    key {printable(detail['key_hash'])}: is it the one that the device shows?"
    fields = [detail for detail in rows[1:] if "field" in detail and not exactly]
    if fields:
        yield "in full:" if rows[0]["kind"] in _NOT_SIGNED else "as it was signed:"
    for each in fields:
        yield f"  {field_line(each['field'], each['value'], names)}"
    if exactly:
        yield "exactly, as it was signed:"
        yield from (f"  {line}" for line in exactly)
    yield from what_it_does(rows[0]["kind"], possible=not any("refused" in each for each in rows))


def _age(seconds: int) -> str:
    """How long it waits, in the largest unit that fits."""
    for unit, length_s in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length_s:
            return f"{seconds // length_s} {unit}"
    return f"{seconds} s"
