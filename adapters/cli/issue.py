"""`issue`: cards for one employee, or for all of a list; personalised on this machine."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from adapters import settings
from adapters.cli import exit_codes
from adapters.cli.failure import Failure
from adapters.cli.options import AsJson, AsOperator, an_id
from adapters.cli.output import print_json, progress, say, this_program
from adapters.cli.personalising import NOTE, Workbench

if TYPE_CHECKING:
    from adapters.cli.issuing import Order

EMPLOYEES_MOST = 20_000
_Cards = tuple[bool, bool, bool]
"""Stripe, virtual, and whether also for who has cards already."""


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("issue", rich_help_panel="Operators (signed commands through the gateway)")(issue)


def issue(
    company: Annotated[str, typer.Option(help="The company's id.", callback=an_id)],
    first_name: Annotated[str | None, typer.Option(help="Of one employee.")] = None,
    last_name: Annotated[str | None, typer.Option(help="Of one employee.")] = None,
    email: Annotated[str | None, typer.Option(help="Of one employee.")] = None,
    employees: Annotated[
        Path | None,
        typer.Option(help="A CSV file of many, with columns first_name, last_name, email."),
    ] = None,
    stripe: Annotated[bool, typer.Option(help="Issue a card with a magnetic stripe.")] = True,
    virtual: Annotated[bool, typer.Option(help="Issue a card on the phone.")] = False,
    another: Annotated[
        bool,
        typer.Option("--another", help="A further account with cards, for who has cards already."),
    ] = False,
    ask_pin: Annotated[
        bool, typer.Option("--ask-pin", help="Ask for the PIN of the stripe; else it is random.")
    ] = False,
    package: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Hand the virtual card over in this new folder, for a phone elsewhere: "
            "PKCS#12 and card data under a one-time code.",
        ),
    ] = None,
    as_: AsOperator = "operator-1",
    json: AsJson = False,
) -> None:
    """Issue cards to an employee, or to all of a list: one account each, with its cards.

    Every card gets a folder under devices/ of the state folder. A list that was interrupted can
    be given again as it is. Who has cards already, by e-mail address and company, gets no second
    ones: one employee is refused, those of a list are passed over; --another gives them.

    With --package nothing of the virtual card stays here, and its code is shown once. Let code
    and package travel by different ways.

    Example: [bold]ticketrestaurant issue --company 0192… --employees staff.csv --virtual[/bold]
    """
    cards = (stripe, virtual, another)
    if not stripe and not virtual:
        raise typer.BadParameter("--no-stripe without --virtual issues nothing")
    if package is not None and (not virtual or employees is not None):
        raise typer.BadParameter("--package is for one employee's --virtual card")
    bench = Workbench(settings.load().home)
    one = (first_name, last_name, email)
    if employees is not None:
        if any(part is not None for part in one) or ask_pin:
            raise typer.BadParameter("--employees takes names and PINs of nobody else")
        _issue_list(bench, company, employees, cards, as_, json)
        return
    if any(part is None for part in one):
        raise typer.BadParameter("give --first-name, --last-name and --email, or --employees")
    person = {"first_name": first_name, "last_name": last_name, "email": email}
    pin = asked_pin() if ask_pin and stripe else None
    from adapters.cli.issuing import Order

    order = Order(company, person, stripe, virtual, pin, another=another, package=package)
    _issue_one(bench, order, as_, json)


def _issue_one(bench: Workbench, order: "Order", as_: str, json: bool) -> None:
    from adapters.cli.issuing import issue_to
    from adapters.cli.operator_link import as_operator

    made = as_operator(as_, lambda operator: issue_to(operator, bench, order))
    if json:
        print_json(made)
    else:
        _show(made, order.stripe)
    if "no_pin" in made:
        raise Failure(
            f"the PIN of card {made['no_pin']} is not set: {this_program('pin', made['no_pin'])}",
            exit_codes.NOT_RUNNING,
        )


def _show(made: dict[str, Any], stripe: bool) -> None:
    print(f"account {made['account']}")
    for card in made["cards"]:
        place = card.get("folder") or card["package"]
        print(f"  {card['kind']:<7} card {card['card']}  {card['masked_pan']}  {place}")
        if "code" in card:
            print(f"code {card['code']}")
            print(f"On the phone: ticketrestaurant card enrol {place} --device FOLDER")
    if stripe:
        say(NOTE)


def _issue_list(
    bench: Workbench,
    company: str,
    path: Path,
    cards: _Cards,
    as_: str,
    json: bool,
) -> None:
    from adapters.cli.issuing import PERSON_COLUMNS, Order, command_id_of, issue_all, read_person
    from adapters.cli.operator_link import as_operator
    from adapters.cli.table_files import read_table

    stripe, virtual, another = cards
    people = read_table(path, PERSON_COLUMNS, read_person, EMPLOYEES_MOST)
    orders = [
        Order(
            *(company, person, stripe, virtual, None),
            command_id_of(company, path, line, person),
            another,
        )
        for line, person in people
    ]
    with progress("issuing", len(orders)) as bar:
        issued = as_operator(as_, lambda operator: issue_all(operator, bench, orders, bar.advance))
    if json:
        print_json(issued.made)
    else:
        for each in issued.made:
            named = ", ".join(f"{card['kind']} {card['card']}" for card in each["cards"])
            print(f"account {each['account']}: {named}")
    again = sum(1 for each in issued.made if each.get("repeated"))
    before = f", {again:,} of them before" if again else ""
    if issued.passed_over:
        before += f"; {issued.passed_over:,} were passed over, who have cards by another command"
    say(f"{len(issued.made):,} of {len(orders):,} employees have their cards{before}. {NOTE}")
    if issued.failure is not None:
        raise Failure(
            f"{issued.failure} Give the same list again for the rest: nobody gets cards twice.",
            issued.failure.status,
        )


def asked_pin() -> str:
    """A PIN typed twice, not shown. Raises Failure for what is none."""
    from protocol.pin import MAX_PIN, MIN_PIN

    pin = str(typer.prompt("PIN", hide_input=True, confirmation_prompt=True, err=True))
    if not (pin.isascii() and pin.isdigit() and MIN_PIN <= len(pin) <= MAX_PIN):
        raise Failure(f"a PIN has {MIN_PIN} to {MAX_PIN} digits", exit_codes.USAGE)
    return pin
