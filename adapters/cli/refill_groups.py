"""`refill group`: named groups of a company's accounts, to be refilled together."""

from typing import Annotated, Any

import typer

from adapters.cli.options import AsAuditor, AsJson, AsOperator, an_id
from adapters.cli.output import counted, print_json

_Company = Annotated[str, typer.Argument(help="The company's id.", callback=an_id)]
_Accounts = list[str]


def register(group: typer.Typer) -> None:
    """Adds the commands to `refill`."""
    groups = typer.Typer(
        no_args_is_help=True,
        rich_markup_mode="rich",
        help="Groups of accounts: the night shift, head office.\n\n"
        'Example: [bold]ticketrestaurant refill group set 0192… "Night shift" --add 0193…[/bold]',
    )
    groups.command("list")(list_)
    groups.command("set")(set_)
    group.add_typer(groups, name="group")


def list_(company: _Company, as_: AsAuditor = "auditor-1", json: AsJson = False) -> None:
    """List the groups of a company.

    Example: [bold]ticketrestaurant refill group list 0192…[/bold]
    """
    from adapters.cli.operator_link import as_reader

    body = {"what": "groups", "of": company}
    rows = as_reader(as_, lambda operator: operator.rows("QUERY", body))
    if json:
        print_json(rows)
    elif not rows:
        print("no groups yet")
    for row in rows if not json else ():
        print(f"{row['group']}: {counted(row['accounts'], 'account')}")


def set_(
    company: _Company,
    name: Annotated[str, typer.Argument(help="The group; made with its first account.")],
    add: Annotated[_Accounts | None, typer.Option(help="An account that comes into it.")] = None,
    remove: Annotated[_Accounts | None, typer.Option(help="An account that leaves it.")] = None,
    as_: AsOperator = "operator-1",
    json: AsJson = False,
) -> None:
    """Put accounts into a group and take others out; both as often as needed.

    Example: [bold]ticketrestaurant refill group set 0192… "Night shift" --add 0193…[/bold]
    """
    from adapters.cli.operator_link import as_operator

    if not add and not remove:
        raise typer.BadParameter("give --add or --remove")
    body: dict[str, Any] = {"what": "group", "company": company, "group": name}
    body |= {"add": add} if add else {}
    body |= {"remove": remove} if remove else {}
    result = as_operator(as_, lambda operator: operator.command("SCHEDULE", body))
    if json:
        print_json(result)
    else:
        print(f"{result['group']}: {counted(result['accounts'], 'account')}")
