"""`pki`: the certificates of devices, servers and people: whose, until when, and their end."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from adapters.cli import pki_enrolment
from adapters.cli.listing import print_table
from adapters.cli.options import AsAuditor, AsJson, AsOperator
from adapters.cli.output import print_json, say
from adapters.cli.people import id_of, people
from adapters.cli.times import moment

_HEADING = "Operators (signed commands through the gateway)"
_DAY_MS = 24 * 3600 * 1000


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    group = typer.Typer(
        help="Certificates of the private PKI: list, revoke, enrol, renew; their policy.\n\n"
        "Example: [bold]ticketrestaurant pki list --expires-in 30[/bold]",
        no_args_is_help=True,
        rich_markup_mode="rich",
    )
    group.command("list")(list_)
    group.command("show")(show)
    group.command("revoke")(revoke)
    pki_enrolment.add_to(group)
    app.add_typer(group, name="pki", rich_help_panel=_HEADING)


def list_(
    holder: Annotated[
        str | None,
        typer.Option(help="Only those of this terminal, card or person: its id, or operator-1."),
    ] = None,
    state: Annotated[str | None, typer.Option(help="valid, expired or revoked.")] = None,
    expires_in: Annotated[
        int | None, typer.Option(metavar="DAYS", min=0, help="Only what expires within so long.")
    ] = None,
    as_: AsAuditor = "auditor-1",
    json: AsJson = False,
) -> None:
    """List certificates: all, a holder's, those in a state, those that expire soon.

    Example: [bold]ticketrestaurant pki list --state valid --expires-in 30[/bold]
    """
    if state not in (None, "valid", "expired", "revoked"):
        raise typer.BadParameter("--state must be one of: valid, expired, revoked")
    body: dict[str, Any] = {"what": "certificates"}
    if holder:
        body["of"] = id_of(holder)
    if state:
        body["state"] = state
    if expires_in is not None:
        body["until_ms"] = _now_ms() + expires_in * _DAY_MS
    rows = _rows(as_, body)
    names = people()
    for row in rows:
        row["name"] = row["name"] or names.get(row["holder"], "")
    if json:
        print_json(rows)
        return
    table = [
        {**row, "valid_until_ms": row["not_after_ms"], "holder": row["name"] or row["holder"]}
        for row in rows
    ]
    columns = ("state", "role", "valid_until_ms", "serial", "holder")
    print_table(columns, table, "no such certificates")


def show(
    serial: Annotated[str, typer.Argument(metavar="SERIAL", help="In hexadecimal digits.")],
    as_: AsAuditor = "auditor-1",
    json: AsJson = False,
) -> None:
    """Show what is on record of one certificate.

    Example: [bold]ticketrestaurant pki show 2f90c4…[/bold]
    """
    row = _by_serial(as_, serial)
    if json:
        print_json(row)
        return
    for name, value in row.items():
        shown = moment(value) if name.endswith("_ms") else value
        if shown != "":
            print(f"{name.removesuffix('_ms').replace('_', ' '):12} {shown}")


def revoke(
    certificates: Annotated[
        list[str], typer.Argument(metavar="CERTIFICATE...", help="Serials or ids of certificates.")
    ],
    why: Annotated[str, typer.Option(help="In words, for whoever audits this.")],
    reason: Annotated[
        str, typer.Option(help="A reason of RFC 5280: keyCompromise, superseded …")
    ] = "unspecified",
    as_: AsOperator = "operator-1",
    json: AsJson = False,
) -> None:
    """Revoke certificates for good. One of a device, or an earlier one of your own, is revoked at
    once; for several, another person's, or the sixth within 24 hours a second operator must
    approve.

    An open session of the holder ends within a second. A blocked terminal or card keeps its
    certificate: see `block`.

    Example: [bold]ticketrestaurant pki revoke 2f90c4… --reason keyCompromise --why "stolen"[/bold]
    """
    from adapters.cli.operator_link import Operator, as_operator
    from adapters.cli.proposal import tell_proposed
    from application.revoke import REASONS

    if reason not in REASONS:
        raise typer.BadParameter(f"--reason must be one of: {', '.join(REASONS)}")

    async def work(operator: Operator) -> dict[str, Any]:
        found = [await _row_of(operator, each) for each in certificates]
        others = await others_of_holders(operator, found)
        ids = [str(row["certificate"]) for row in found]
        body = {"certificates": ids, "reason": reason, "why": why}
        names = people()
        holders = [names[row["holder"]] for row in found if row.get("holder") in names]
        done = await operator.command("REVOKE", body)
        return {**done, "still_valid": others, "holders": holders}

    result = as_operator(as_, work)
    if json:
        print_json(result)
        return
    if not tell_proposed(result, as_, result["holders"]):
        for serial in result.get("revoked", ()):
            print(f"certificate {serial} is revoked")
        for serial in result.get("revoked_before", ()):
            print(f"certificate {serial} was revoked before")
    for serial in result["still_valid"]:
        say(f"! certificate {serial} of the same holder stays valid. If a key was stolen, whoever")
        say("  has it may have renewed with it: see `pki list --holder`, and revoke that one, too.")


async def others_of_holders(operator: Any, found: Sequence[Mapping[str, Any]]) -> list[str]:
    """Serials of further certificates of the same holders that are valid now, sorted."""
    serials: set[str] = set()
    for holder in {row["holder"] for row in found if "holder" in row}:
        rows = await operator.rows(
            "QUERY", {"what": "certificates", "of": holder, "state": "valid"}
        )
        serials |= {row["serial"] for row in rows}
    return sorted(serials - {row.get("serial") for row in found})


async def _row_of(operator: Any, certificate: str) -> dict[str, Any]:
    """What is listed of a serial; of an id only that, as it is given."""
    from adapters.cli.failure import refused

    if "-" in certificate:
        return {"certificate": certificate}
    rows = await operator.rows("QUERY", {"what": "certificates", "serial": _plain(certificate)})
    if not rows:
        raise refused(f"no certificate has the serial {certificate}")
    row: dict[str, Any] = rows[0]
    return row


def _by_serial(as_: str, serial: str) -> dict[str, Any]:
    from adapters.cli.failure import refused

    rows = _rows(as_, {"what": "certificates", "serial": _plain(serial)})
    if not rows:
        raise refused(f"no certificate has the serial {serial}")
    return {**rows[0], "name": rows[0]["name"] or people().get(rows[0]["holder"], "")}


def _plain(serial: str) -> str:
    """As `openssl x509 -serial` prints it, or with colons: both are understood."""
    return serial.replace(":", "").lower().lstrip("0")


def _rows(as_: str, body: dict[str, Any]) -> list[dict[str, Any]]:
    from adapters.cli.operator_link import as_reader

    return as_reader(as_, lambda operator: operator.rows("QUERY", body))


def _now_ms() -> int:
    return int(dt.datetime.now(dt.UTC).timestamp() * 1000)
