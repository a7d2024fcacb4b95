"""`schedule`: refills that order themselves, weekly or monthly."""

import re
from datetime import datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from adapters.cli.options import AsAuditor, AsJson, AsOperator, an_id, cents
from adapters.cli.output import print_json
from domain.answers import dollars

_HEADING = "Operators (signed commands through the gateway)"
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_Id = Annotated[
    str, typer.Argument(metavar="SCHEDULE", help="Its id, from `schedule list`.", callback=an_id)
]
_Why = Annotated[str, typer.Option(help="The reason, for whoever audits this.")]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    group = typer.Typer(
        no_args_is_help=True,
        rich_markup_mode="rich",
        help="Refills that order themselves.\n\n"
        "Example: [bold]ticketrestaurant schedule add 0192… --each 120.00 --monthly 1[/bold]",
    )
    group.command("list")(list_)
    for command in (add, show, pause, resume, remove):
        group.command()(command)
    app.add_typer(group, name="schedule", rich_help_panel=_HEADING)


def add(
    company: Annotated[str, typer.Argument(help="The company's id.", callback=an_id)],
    each: Annotated[str, typer.Option(metavar="DOLLARS", help="For each account.")],
    weekly: Annotated[
        str | None, typer.Option(metavar="WEEKDAY", help="On this day of each week: friday.")
    ] = None,
    monthly: Annotated[
        int | None, typer.Option(metavar="DAY", help="On this day of each month: 1 to 31.")
    ] = None,
    at: Annotated[str, typer.Option(metavar="HH:00", help="The hour, local time.")] = "06:00",
    timezone: Annotated[str, typer.Option(help="An IANA time zone.")] = "America/New_York",
    holidays: Annotated[
        str,
        typer.Option(
            metavar="keep|before|after|skip", help="On a weekend or bank holiday: what then?"
        ),
    ] = "keep",
    until: Annotated[
        datetime | None,
        typer.Option(
            metavar="YYYY-MM-DD",
            formats=["%Y-%m-%d"],
            help="The last day on which it may be due; else for ever.",
        ),
    ] = None,
    group: Annotated[str | None, typer.Option(help="Only the accounts of this group.")] = None,
    method: Annotated[
        str, typer.Option(metavar="bank|check|paypal|card", help="How the company pays.")
    ] = "bank",
    token: Annotated[
        str | None, typer.Option(metavar="PM", help="For a card: the processor's token.")
    ] = None,
    as_: AsOperator = "operator-1",
    json: AsJson = False,
) -> None:
    """Add a schedule. Each run orders one refill, which is then paid and approved as any other.

    Example: [bold]ticketrestaurant schedule add 0192… --each 60.00 --weekly friday[/bold]
    """
    from adapters.cli.operator_link import as_operator

    if (weekly is None) == (monthly is None):
        raise typer.BadParameter("give --weekly or --monthly, one of the two")
    if (method == "card") != (token is not None):
        raise typer.BadParameter("--token goes with --method card, and is needed there")
    body: dict[str, Any] = {
        "what": "add",
        "company": company,
        "each_cents": cents(each),
        "every": "monthly" if weekly is None else "weekly",
        "day": monthly if weekly is None else _weekday(weekly),
        "hour": _hour(at),
        "timezone": timezone,
        "holidays": holidays,
        "method": method,
    }
    body |= {"until": until.date().isoformat()} if until else {}
    body |= {"group": group} if group else {}
    body |= {"token": token} if token else {}
    result = as_operator(as_, lambda operator: operator.command("SCHEDULE", body))
    if json:
        print_json(result)
    else:
        _tell(result)


def list_(
    company: Annotated[
        str | None, typer.Argument(metavar="[COMPANY]", help="Only of it.", callback=an_id)
    ] = None,
    as_: AsAuditor = "auditor-1",
    json: AsJson = False,
) -> None:
    """List schedules with their next run.

    Example: [bold]ticketrestaurant schedule list[/bold]
    """
    rows = _rows(as_, company)
    if json:
        print_json(rows)
    elif not rows:
        print("no schedules yet")
    for row in rows if not json else ():
        whom = f"group {row['group']}" if row["group"] else "all accounts"
        coming = f"next {_local(row)}" if "next_ms" in row else row["status"]
        coming += f", until {row['until']}" if row["until"] else ""
        print(
            f"{row['schedule']}  {_when(row)}  {dollars(row['each_cents'])} each, {whom}, {coming}"
        )


def show(schedule: _Id, as_: AsAuditor = "auditor-1", json: AsJson = False) -> None:
    """Show a schedule: what it orders, when, and its last run.

    Example: [bold]ticketrestaurant schedule show 0192…[/bold]
    """
    from adapters.cli.failure import refused

    found = [row for row in _rows(as_, None) if row["schedule"] == schedule]
    if not found:
        raise refused("there is no schedule with that id")
    (row,) = found
    if json:
        print_json(row)
        return
    for name, value in row.items():
        if value not in ("", 0):
            text = dollars(value) if name.endswith("_cents") else str(value)
            text = _local(row) if name == "next_ms" else text
            print(f"{name.removesuffix('_cents').removesuffix('_ms').replace('_', ' '):12} {text}")


def pause(schedule: _Id, why: _Why, as_: AsOperator = "operator-1", json: AsJson = False) -> None:
    """Order nothing until it is resumed.

    Example: [bold]ticketrestaurant schedule pause 0192… --why "plant closed"[/bold]
    """
    _change("pause", schedule, why, as_, json)


def resume(schedule: _Id, why: _Why, as_: AsOperator = "operator-1", json: AsJson = False) -> None:
    """Go on; what fell due in the pause is not caught up.

    Example: [bold]ticketrestaurant schedule resume 0192… --why "open again"[/bold]
    """
    _change("resume", schedule, why, as_, json)


def remove(schedule: _Id, why: _Why, as_: AsOperator = "operator-1", json: AsJson = False) -> None:
    """End a schedule for good. Refills that it ordered stay.

    Example: [bold]ticketrestaurant schedule remove 0192… --why "new terms"[/bold]
    """
    _change("remove", schedule, why, as_, json)


def _change(what: str, schedule: str, why: str, as_: str, json: bool) -> None:
    from adapters.cli.operator_link import as_operator

    body = {"what": what, "schedule": schedule, "why": why}
    result = as_operator(as_, lambda operator: operator.command("SCHEDULE", body))
    if json:
        print_json(result)
    else:
        _tell(result)


def _tell(result: dict[str, Any]) -> None:
    coming = f"; next {_local(result)}" if "next_ms" in result else ""
    print(f"schedule {result['id']} is {result['status']}{coming}")


def _local(row: dict[str, Any]) -> str:
    """The next run by the clock that the schedule follows."""
    at = datetime.fromtimestamp(row["next_ms"] / 1000, ZoneInfo(row["timezone"]))
    return f"{at:%Y-%m-%d %H:%M} {row['timezone']}"


def _rows(as_: str, company: str | None) -> list[dict[str, Any]]:
    from adapters.cli.operator_link import as_reader

    body = {"what": "schedules", **({"of": company} if company else {})}
    return as_reader(as_, lambda operator: operator.rows("QUERY", body))


def _weekday(text: str) -> int:
    found = [n for n, name in enumerate(_WEEKDAYS, start=1) if name == text.strip().lower()]
    if not found:
        raise typer.BadParameter(f"--weekly must be one of: {', '.join(_WEEKDAYS)}")
    return found[0]


def _hour(text: str) -> int:
    match = re.fullmatch(r"([01]?[0-9]|2[0-3]):00", text.strip(), re.ASCII)
    if match is None:
        raise typer.BadParameter("--at must be a whole hour: 06:00 to 23:00, or 00:00")
    return int(match[1])


def _when(row: dict[str, Any]) -> str:
    named = row["day"] if row["every"] == "monthly" else _WEEKDAYS[row["day"] - 1]
    return f"{row['every']} {named} {row['hour']:02}:00 {row['timezone']}"
