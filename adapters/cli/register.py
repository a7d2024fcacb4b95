"""`register company|shop|terminal`: who takes part, and with which box."""

from decimal import Decimal, InvalidOperation
from typing import Annotated, Any

import typer

from adapters import settings
from adapters.cli.options import AsJson, AsOperator, an_id, cents
from adapters.cli.output import print_json, this_program
from domain.answers import dollars


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    group = typer.Typer(
        no_args_is_help=True,
        rich_markup_mode="rich",
        help="Register a company, a shop or a terminal.\n\n"
        'Example: [bold]ticketrestaurant register company --name "Acme Widgets"[/bold]',
    )
    group.command()(company)
    group.command()(shop)
    group.command()(terminal)
    group.command()(place)
    app.add_typer(
        group, name="register", rich_help_panel="Operators (signed commands through the gateway)"
    )


def company(
    name: Annotated[str, typer.Option(help="As it stands on statements.")],
    timezone: Annotated[
        str, typer.Option(help="IANA time zone: when a day of its accounts begins.")
    ] = "America/New_York",
    daily_limit: Annotated[
        str | None,
        typer.Option(
            help="Dollars that one account may spend a day; else $2,000.00, the legal most."
        ),
    ] = None,
    as_: AsOperator = "operator-1",
    json: AsJson = False,
) -> None:
    """Register a company that funds the cards of its employees.

    Example: [bold]ticketrestaurant register company --name "Acme" --daily-limit 50.00[/bold]
    """
    from domain.aggregates.company import MOST_DAILY_CENTS

    limit = None if daily_limit is None else cents(daily_limit, what="the limit")
    result = _send(
        as_,
        {"what": "company", "name": name, "timezone": timezone, "daily_limit_cents": limit},
    )
    if json:
        print_json({"company": result["id"], **_repeated(result)})
        return
    print(f"company {result['id']}")
    print(f"  limit a day: {dollars(limit) if limit else dollars(MOST_DAILY_CENTS)}")
    print(f"  next: {this_program('issue', '--company', result['id'])} …")


def shop(
    name: Annotated[str, typer.Option(help="As cardholders see it.")],
    email: Annotated[str, typer.Option(help="Where the shop gets its mail.")],
    category: Annotated[
        str, typer.Option(help="Merchant category code, ISO 18245: 5812 restaurant, 5411 grocery.")
    ] = "5812",
    timezone: Annotated[str, typer.Option(help="IANA time zone of the shop.")] = "America/New_York",
    place: Annotated[
        str | None,
        typer.Option(metavar="LAT,LONG", help="Where it is, in degrees: 41.8826,-87.6226."),
    ] = None,
    as_: AsOperator = "operator-1",
    json: AsJson = False,
) -> None:
    """Register a shop; prints the one-time code with which it makes its log-in on the website.

    Example: [bold]ticketrestaurant register shop --name "Deli" --email deli@example.com[/bold]
    """
    result = _send(
        as_,
        {
            "what": "shop",
            "name": name,
            "email": email,
            "category": category,
            "timezone": timezone,
            **({"place": _point(place)} if place else {}),
        },
    )
    code = result["activation_code"]
    if json:
        print_json({"shop": result["id"], "activation_code": code, **_repeated(result)})
        return
    print(f"shop {result['id']}")
    print(f"  activation code: {code}")
    print("  The shop makes its log-in with it on the website; it works once, within 30 days.")


def terminal(
    shop: Annotated[str, typer.Option(help="The shop's id.", callback=an_id)],
    label: Annotated[str, typer.Option(help="What the shop calls it.")],
    later: Annotated[
        bool, typer.Option("--later", help="No key here: the box enrols itself, see `pki code`.")
    ] = False,
    as_: AsOperator = "operator-1",
    json: AsJson = False,
) -> None:
    """Register a terminal of a shop and personalise it on this machine.

    Its key is made here and never leaves its identity folder; the authority certifies it.

    Example: [bold]ticketrestaurant register terminal --shop 0192… --label "Till 1"[/bold]
    """
    from adapters.cli.failure import refused
    from adapters.cli.operator_link import Operator, as_operator
    from adapters.cli.personalising import Workbench

    if later:
        made = _send(as_, {"what": "terminal", "shop": shop, "label": label})
        if json:
            print_json({"terminal": made["id"], "shop": made["shop"]})
        else:
            print(f"terminal {made['id']}")
            print(f"  next: {this_program('pki', 'code', made['id'], '--package', 'FOLDER')}")
        return
    bench = Workbench(settings.load().home)

    async def work(operator: Operator) -> dict[str, Any]:
        with bench.new_identity() as identity:
            body = {"what": "terminal", "shop": shop, "label": label, "csr": identity.request}
            result = await operator.command("REGISTER", body)
            if "certificate" not in result:
                raise refused(
                    f"terminal {result['id']} is registered, but its certificate was lost on the"
                    " way here. Block it and register another."
                )
            folder = identity.complete(
                "pos",
                result["id"],
                result["certificate"],
                operator.device,
                shop=result["shop"],
                shop_name=result["shop_name"],
            )
            return {"terminal": result["id"], "shop": result["shop"], "folder": str(folder)}

    made = as_operator(as_, work)
    if json:
        print_json(made)
        return
    print(f"terminal {made['terminal']}")
    print(f"  its identity: {made['folder']}")
    print("  On a real site the personalisation station writes this into the box's secure memory.")


def place(
    shop: Annotated[str, typer.Argument(help="The shop's id.", callback=an_id)],
    point: Annotated[
        str, typer.Argument(metavar="LAT,LONG", help="In degrees, north and east positive.")
    ],
    as_: AsOperator = "operator-1",
    json: AsJson = False,
) -> None:
    """Say where a shop is: a card that is used too far apart in too short a time is noticed.

    Example: [bold]ticketrestaurant register place 0192… -- 41.8826,-87.6226[/bold]
    """
    result = _send(as_, {"what": "place", "shop": shop, "place": _point(point)})
    if json:
        print_json(result)
    else:
        print(f"shop {shop} is at {point}" + (" (as before)" if result.get("unchanged") else ""))


def _point(text: str) -> dict[str, int]:
    latitude, comma, longitude = text.partition(",")
    try:
        if not comma:
            raise InvalidOperation
        found = [round(Decimal(each.strip()) * 1_000_000) for each in (latitude, longitude)]
    except (InvalidOperation, ValueError, OverflowError):
        raise typer.BadParameter("a place looks like 41.8826,-87.6226") from None
    return {"latitude_e6": found[0], "longitude_e6": found[1]}


def _send(name: str, body: dict[str, Any]) -> dict[str, Any]:
    from adapters.cli.operator_link import as_operator

    return as_operator(name, lambda operator: operator.command("REGISTER", body))


def _repeated(result: dict[str, Any]) -> dict[str, Any]:
    return {"repeated": True} if result.get("repeated") else {}
