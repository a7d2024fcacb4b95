"""`pki code|admit|queue|decide|enrol|renew|policy`: how devices and people come to certificates."""

import json as json_
from pathlib import Path
from typing import Annotated, Any

import typer

from adapters import settings
from adapters.cli import exit_codes
from adapters.cli.options import AsAuditor, AsJson, AsOperator, an_id
from adapters.cli.output import print_json
from adapters.cli.times import moment

_Folder = Annotated[Path, typer.Argument(metavar="FOLDER", help="The device's identity folder.")]


def add_to(group: typer.Typer) -> None:
    """Adds the commands."""
    group.command("code")(code)
    group.command("admit")(admit)
    group.command("queue")(queue)
    group.command("decide")(decide)
    group.command("enrol")(enrol)
    group.command("renew")(renew)
    policy = typer.Typer(
        help="How long certificates live, and who checks them.", no_args_is_help=True
    )
    policy.command("show")(policy_show)
    policy.command("set")(policy_set)
    group.add_typer(policy, name="policy")


def code(
    subject: Annotated[
        str, typer.Argument(metavar="ID", help="Of a terminal, or of a card.", callback=an_id)
    ],
    package: Annotated[
        Path | None,
        typer.Option(help="Also make the installation package for the device in this folder."),
    ] = None,
    card: Annotated[
        bool,
        typer.Option(
            "--card",
            help="The id is that of a virtual card. The package then leads to an identity without "
            "card data, which reads balance and history and cannot pay. One that pays: "
            "`issue --virtual --package`.",
        ),
    ] = False,
    as_: AsOperator = "operator-1",
    json: AsJson = False,
) -> None:
    """Give out a one-time code, with which a device fetches its first certificate itself.

    The code is shown once. Let code and package travel by different ways.

    Example: [bold]ticketrestaurant pki code 0192… --package /media/usb/till-7[/bold]
    """
    from adapters.cli.operator_link import Operator, as_operator

    role = "card" if card else "pos"

    async def work(operator: Operator) -> dict[str, Any]:
        result = await operator.command("ENROLMENT", {"role": role, "subject": subject})
        if package is not None:
            _write_package(package, operator.device.gateway, role)
            result["package"] = str(package)
        return result

    result = as_operator(as_, work)
    if json:
        print_json(result)
        return
    until = moment(result["expires_ms"])
    print(f"code {result['code']}   for {role} {subject}, good until {until}")
    if package is not None:
        print(f"package {package}")
    print("On the device: ticketrestaurant pki enrol FOLDER")


def admit(
    role: Annotated[str, typer.Argument(metavar="ROLE", help="operator or auditor.")],
    package: Annotated[
        Path,
        typer.Option(help="The folder to make for the new person: the installation package."),
    ],
    why: Annotated[str, typer.Option(help="Who it is and why, for the other and for audits.")],
    as_: AsOperator = "operator-1",
    json: AsJson = False,
) -> None:
    """Propose a new operator or auditor; a second operator must approve, and is told the code.

    Give the package to the person, let the other operator tell the code: with both he makes his
    key (`pki enrol`). He waits in the queue; whoever was told the code cannot admit him.

    Example: [bold]ticketrestaurant pki admit operator --package var/operators/operator-3 --why
    "Ada follows Bob"[/bold]
    """
    from adapters.cli.operator_link import Operator, as_operator
    from adapters.cli.proposal import tell_proposed

    if role not in ("operator", "auditor"):
        raise typer.BadParameter("ROLE is operator or auditor; for a device see: pki code")

    async def work(operator: Operator) -> dict[str, Any]:
        result = await operator.command("ENROLMENT", {"role": role, "why": why})
        _write_package(package, operator.device.gateway, "website")
        return {**result, "package": str(package)}

    result = as_operator(as_, work)
    if json:
        print_json(result)
        return
    tell_proposed(result)
    print(f"package {package}")


def _write_package(package: Path, gateway: tuple[str, int], tls_class: str) -> None:
    from adapters.cli.failure import misconfigured
    from adapters.tls_material import class_tls_files
    from devices.enrolment import write_package
    from devices.identity import show_address
    from devices.identity_files import IDENTITY_FILE

    home = settings.load().home
    if (package / IDENTITY_FILE).exists():
        raise misconfigured(f"{package} holds an identity already; give another folder")
    try:
        write_package(
            package,
            gateway=show_address(gateway),
            root_pem=(home / "pki" / "root.pem").read_bytes(),
            tls=class_tls_files(home, tls_class),
        )
    except OSError as error:
        raise misconfigured(f"{package}: {error.strerror}") from None


def queue(
    every: Annotated[bool, typer.Option("--all", help="Also what is decided or open.")] = False,
    as_: AsAuditor = "auditor-1",
    json: AsJson = False,
) -> None:
    """Show the enrolments that wait for a person.

    Before you decide, compare the key's hash with the one that the device shows: it is then the
    device that you mean, and nobody else who came with its code.

    Example: [bold]ticketrestaurant pki queue[/bold]
    """
    from adapters.cli.operator_link import as_reader

    rows = as_reader(as_, lambda operator: operator.rows("QUERY", {"what": "enrolments"}))
    shown = [row for row in rows if every or row["status"] == "queued"]
    if json:
        print_json(shown)
        return
    if not shown:
        print("no enrolments yet" if every else "no enrolment waits")
    for row in shown:
        holder = row["name"] or row["subject"]
        print(f"{row['enrolment']}  {row['status']:9}  {row['role']:8} {holder}  {row['why']}")
        if row["key_hash"]:
            print(f"{'':36}  key {row['key_hash']}")


def decide(
    enrolment: Annotated[str, typer.Argument(help="Its id, from `pki queue`.", callback=an_id)],
    why: Annotated[str, typer.Option(help="What you checked, for whoever audits this.")],
    reject: Annotated[bool, typer.Option("--reject", help="No certificate.")] = False,
    as_: AsOperator = "operator-1",
    json: AsJson = False,
) -> None:
    """Admit an enrolment that waits, or reject it.

    Example: [bold]ticketrestaurant pki decide 0192… --why "called the shop back"[/bold]
    """
    from adapters.cli.operator_link import as_operator

    body = {"enrolment": enrolment, "approve": not reject, "why": why}
    result = as_operator(as_, lambda operator: operator.command("ENROLMENT", body))
    if json:
        print_json(result)
    else:
        print(f"enrolment {result['enrolment']} is {result['status']}")


def enrol(
    folder: _Folder,
    as_json: AsJson = False,
) -> None:
    """On the device: make its key and fetch its first certificate with a one-time code.

    FOLDER is the installation package. The code is asked for, or read from standard input.
    Where a person has to look first, exit status 6: tell him the key's hash, which is shown, and
    give the command again with the same code later.

    Example: [bold]ticketrestaurant pki enrol /media/usb/till-7[/bold]
    """
    from devices.edge import errors_in_words, read_secret, run
    from devices.enrolment import enrol as fetch

    with errors_in_words(as_json):
        typed = read_secret("One-time code: ")
    done = run(fetch(folder, typed), as_json)
    if as_json:
        state = "queued" if done.queued else "done"
        print_json(
            {
                "state": state,
                "subject": done.subject_id,
                "role": done.role,
                "key_hash": done.key_hash,
            }
        )
    elif done.queued:
        print(done.text)
    else:
        print(f"{folder} is now {done.role} {done.subject_id}")
    if not as_json:
        print(f"key {done.key_hash}")
    if done.queued:
        raise typer.Exit(exit_codes.WAITING)


def renew(folder: _Folder, as_json: AsJson = False) -> None:
    """On the device: fetch its next certificate now, if the policy says that it is time.

    POS and phone programs do this by themselves; for operators and the website it is this command.

    Example: [bold]ticketrestaurant pki renew var/operators/operator-1[/bold]
    """
    from devices.edge import run
    from devices.identity import load_device
    from devices.link import Link
    from devices.renewal import accept, prepare

    async def work() -> str:
        device = load_device(folder)
        async with Link(device) as link:
            backend = await link.backend(5.0)
            answer = await backend.ask("C", "RENEW", {"csr": prepare(folder)}, 15.0)
            accept(folder, answer.body["result"]["certificate"])
        return load_device(folder).serial

    serial = run(work(), as_json)
    if as_json:
        print_json({"serial": serial})
    else:
        print(f"{folder} has its next certificate, serial {serial}")


def policy_show(as_: AsAuditor = "auditor-1", json: AsJson = False) -> None:
    """Show the certificate policy in force.

    Example: [bold]ticketrestaurant pki policy show --json > policy.json[/bold]
    """
    from adapters.cli.operator_link import as_reader

    rows = as_reader(as_, lambda operator: operator.rows("QUERY", {"what": "policy"}))
    if json:
        print_json(rows)
        return
    print("role      valid     renews before  grace    check      code")
    for row in rows:
        print(
            f"{row['role']:8}  {row['valid_days']:4} days  {row['renew_days']:8} days"
            f"  {row['grace_days']:3} days  {row['check']:9}  {row['code_hours']} h"
        )


def policy_set(
    file: Annotated[
        typer.FileText, typer.Argument(help="Profiles as `policy show --json` prints.")
    ],
    why: Annotated[str, typer.Option(help="The reason, for whoever audits this.")],
    as_: AsOperator = "operator-1",
    json: AsJson = False,
) -> None:
    """Propose another certificate policy; a second operator must approve it.

    Example: [bold]ticketrestaurant pki policy set policy.json --why "shorter lives"[/bold]
    """
    from adapters.cli.operator_link import as_operator
    from adapters.cli.proposal import tell_proposed

    try:
        profiles = json_.load(file)
    except ValueError:
        raise typer.BadParameter("no JSON; see: ticketrestaurant pki policy show --json") from None
    body = {"profiles": profiles, "why": why}
    result = as_operator(as_, lambda operator: operator.command("POLICY", body))
    if json:
        print_json(result)
    else:
        tell_proposed(result)
