"""What `--keep` says at the end: addresses, logins, three things to try."""

import os
import shlex
import sys
from pathlib import Path
from typing import Final

from adapters.cli.demo.narration import Narrator
from adapters.cli.demo.story import Story
from adapters.cli.parts import SERVERS, server_address
from adapters.cli.personalising import STRIPE_FILE
from adapters.settings import PREFIX, Settings

_READ_PID: Final = 'import json, sys; print(json.load(sys.stdin)["backend"]["pid"])'


def tell(settings: Settings, narrator: Narrator, story: Story) -> None:
    """Everything that somebody needs to go on by hand. Shows no PIN and no card number."""
    town, access = story.town, story.access
    program = _from_here(Path(sys.executable).with_name("ticketrestaurant"))
    narrator.section("The servers are left up")
    for name in SERVERS:
        host, port = server_address(settings, name)
        narrator.told(name, f"{host}:{port}")
    if access is not None:
        narrator.told("shop", f"{access.url}/login")
        narrator.told("", f"e-mail {access.email}   password {access.password}")
    narrator.told("operators", "operator-1, operator-2, auditor-1: the option --as of commands")
    narrator.told("stop", f"{program} stop")
    told = [f"{name}={shlex.quote(text)}" for name, text in os.environ.items() if _is_ours(name)]
    if told:
        narrator.line("\nIn every shell that is to find this installation:")
        narrator.line(f"   export {' '.join(sorted(told))}")
    if town is None:
        return
    counter, phone = _from_here(town.counter.folder), _from_here(town.chloe.phone.folder)
    narrator.line("\nThree things to try:", "bold")
    narrator.line("1. Sell Chloé a soup at the counter without a PIN (up to $25.00),")
    narrator.line("   and see it on the shop's page a few seconds later:")
    stripe = _from_here(town.chloe.stripe.folder / STRIPE_FILE)
    narrator.line(f"   {program} pos sale --device {counter} --item soup < {stripe}")
    narrator.line("2. Pay by phone: let the POS wait for an order, and order from another window:")
    narrator.line(f"   {program} pos listen --device {counter} --auto-confirm --count 1")
    narrator.line(
        f"   {program} card order --device {phone} --terminal {town.counter.id} --item bowl"
    )
    narrator.line("3. Kill the backend, as a power cut would; it comes back, and the log is whole:")
    narrator.line(f"   kill -9 $({program} status --json | python3 -c {shlex.quote(_READ_PID)})")
    narrator.line(f"   {program} audit verify")


def _is_ours(name: str) -> bool:
    """A variable that says where the installation is, and no secret."""
    return name in (PREFIX + "HOME", PREFIX + "PORT_BASE")


def _from_here(path: Path) -> str:
    """The path as one would type it."""
    here = Path.cwd()
    return shlex.quote(str(path.relative_to(here) if path.is_relative_to(here) else path))
