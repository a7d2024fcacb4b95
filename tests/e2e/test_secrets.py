"""After payments, wrong PINs and errors of every kind: no secret lies where it must not."""

import asyncio
import json
import subprocess
from base64 import urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from devices.card.core import VirtualCard
from devices.identity import load_device
from devices.personalisation import load_card
from tests.e2e.installation import Installation
from tests.e2e.raw_line import RawLine
from tests.e2e.secret_forms import files_below, forms, found, key_bytes
from tests.e2e.tills import Tills
from tests.e2e.town import FIRST_NAME, LAST_NAME, Card, Town, found_town, issue_phone

AMOUNT_CENTS = 1_234_567
"""Of a payment that is refused; written in no other way than sealed."""


@dataclass(frozen=True)
class Aftermath:
    """What there is to search."""

    installation: Installation
    town: Town
    phone: Path
    said: str
    """Everything that commands wrote, to the screen and to standard error."""

    @property
    def secrets(self) -> dict[str, bytes]:
        """By what they are, for messages."""
        town, home = self.town, self.installation.home
        secrets = {
            "a first name": FIRST_NAME.encode(),
            "a last name": LAST_NAME.encode(),
            "the shop's e-mail": town.email.encode(),
            "the HSM's PIN": (home / "secrets" / "hsm-pin").read_bytes().strip(),
        }
        for number, card in enumerate(town.cards):
            secrets |= {
                f"PAN {number}": card.stripe.pan.encode(),
                f"middle of PAN {number}": card.stripe.pan[5:-3].encode(),
                f"verification value {number}": card.stripe.discretionary.encode(),
                f"track 2 {number}": card.stripe.track2.encode(),
                f"PIN {number}": card.pin.encode(),
                f"e-mail {number}": f"{number}-{town.email}".encode(),
            }
        data = load_card(load_device(self.phone, "card"))
        secrets |= {
            "PAN of the phone": data.pan.encode(),
            "track of the phone": data.track2.encode(),
        }
        for path in (home / "secrets").glob("*.pgpass"):
            secrets[f"password {path.stem}"] = path.read_text().strip().rpartition(":")[2].encode()
        keys = (*home.glob("tls/*.key"), *home.glob("operators/*/key.pem"))
        for path in (*keys, *(folder / "key.pem" for folder in town.terminals)):
            secrets[f"key {path.parent.name}/{path.name}"] = key_bytes(path)
        return secrets

    def dump(self) -> bytes:
        """What `status --json` says dumps the ledger database."""
        # Whatever it says of the backend, which was killed a moment ago.
        status = json.loads(self.installation.run("status", "--json").stdout)
        command = status["ledger"]["dump_command"]
        for name, secret in self.secrets.items():
            assert secret.decode("latin-1") not in command, f"{name} in the dump command"
        return subprocess.run(["sh", "-c", command], capture_output=True, check=True).stdout


@pytest.fixture(scope="module")
def aftermath(served: Installation) -> Aftermath:
    """Everything that can go right or wrong, once."""
    for name in served.pids():
        served.wait_up(name)
    town = asyncio.run(found_town(served, terminals=3, cards=3))
    asyncio.run(_pay(town))
    phone = asyncio.run(issue_phone(served, town))
    asyncio.run(_pay_by_phone(town, phone))
    asyncio.run(_misbehave(town))
    said = _mistype(served, town)
    before = served.part("backend")["pid"]
    served.kill("backend")  # whatever dies with a payment in hand
    served.wait_up("backend", other_than=before)
    return Aftermath(served, town, phone, said)


async def _pay(town: Town) -> None:
    async with Tills.opened(town) as opened:
        one, two, three = opened.tills
        assert (await one.pay()).approved
        assert (await one.pay(3_000, pin=True)).approved
        assert (await one.pay(AMOUNT_CENTS, pin=True)).code in ("51", "61")
        wrong = "".join(reversed(two.card.pin))
        codes = [(await two.pos.sale(100, two.card.track, wrong)).code for _ in range(3)]
        assert codes == ["55", "55", "75"]
        forged = _forged(three.card)
        assert (await three.pos.sale(100, forged)).code == "63"
        dropped = await three.pos.sale(100, three.card.track, drop_answer=True)
        assert await three.pos.reversals.acknowledged(dropped.counter, 10) == "reversed"


async def _pay_by_phone(town: Town, folder: Path) -> None:
    async with (
        Tills.opened(replace(town, terminals=town.terminals[:1])) as opened,
        VirtualCard(load_device(folder, "card")) as phone,
    ):
        pos = opened.tills[0].pos
        ordering = asyncio.create_task(phone.order(pos.device.id, [("quiche", 1)]))
        order = await pos.next_order(10)
        assert order is not None
        assert (await pos.confirm(order.number)).approved
        assert (await ordering).approved


def _forged(card: Card) -> str:
    """The right number with another verification value, as track 2 alone."""
    digits = card.stripe.discretionary
    return card.stripe.track2.replace(digits, digits[:-1] + str((int(digits[-1]) + 1) % 10))


async def _misbehave(town: Town) -> None:
    """Card data where none belong, so that whoever writes down what he refuses is found out."""
    card = town.cards[0]
    data = f"{card.track} {card.pin} {LAST_NAME}".encode()
    async with RawLine.connected(town.device()) as line:
        line.write(data.replace(b"\n", b" ") + b"\n")
        assert (await line.heard()).code == "malformed"
    misdeeds: tuple[Callable[[RawLine], bytes], ...] = (
        lambda line: line.seal("AUTHORIZE", data),
        lambda line: line.seal("REVERSE", {"id": 1, "why": card.track, "pan": card.pin}),
        lambda line: line.seal("BALANCE", {"id": 1, "track2": card.track}),
        lambda line: line.authorize(card, track2=card.track),
        lambda line: line.authorize(card, signature=card.track),
        lambda line: line.authorize(card, {"shop": card.stripe.pan}),
        lambda line: line.authorize(card, consent=card.track, track={"session": card.track}),
        lambda line: line.reverse(card, why=card.stripe.pan, card_id=card.track),
    )
    for make in misdeeds:
        async with RawLine.in_session(town.device()) as line:
            line.write(make(line))
            assert (await line.heard()).line.verb == "ERROR"


def _mistype(installation: Installation, town: Town) -> str:
    """What the commands say when they are given nonsense, and when they are not."""
    card, box = town.cards[2], str(town.terminals[2])
    track, email = card.track.strip(), f"{LAST_NAME}@@quill.example"
    people = installation.home / "people.csv"
    people.write_text(f"first_name,last_name,email\n{FIRST_NAME},{LAST_NAME},{email}\n")
    sale = ("pos", "sale", "--device", box, "--amount")
    person = ("--first-name", FIRST_NAME, "--last-name", LAST_NAME)
    runs = [
        installation.run(*sale, "1.00", stdin=f"{track}\n\n"),
        installation.run(*sale, "30.00", stdin=f"{track}\n{card.pin}\n"),
        installation.run(*sale, "1.00", "--json", stdin=f"{_forged(card)}\n{card.pin}\n"),
        installation.run(*sale, "1.00", stdin=f"{track[:-9]}\n{card.pin}\n"),
        installation.run(*sale, "1.00", stdin=f"{track}\n{card.pin}x\n"),
        installation.run(*sale, "9000.00", stdin=f"{track}\n{card.pin}\n"),
        installation.run("issue", "--company", town.company, *person, "--email", email),
        installation.run("issue", "--company", town.shop, *person, "--email", f"0-{town.email}"),
        installation.run("issue", "--company", town.company, "--employees", str(people)),
        installation.run("register", "shop", "--name", "Deli", "--email", f"{town.email}@"),
        installation.run("pin", str(card.id), "--as", "auditor-1"),
        installation.run("pin", str(town.shop)),
        installation.run("audit", "history", str(card.id)),
        installation.run("list", "cards", town.company),
        installation.run("status", "--json"),
    ]
    people.unlink()
    assert {run.returncode for run in runs} >= {0, 1, 2}
    assert not any("Traceback" in run.stderr for run in runs)
    return "\n".join(run.stdout + run.stderr for run in runs)


def test_no_log_holds_a_secret(aftermath: Aftermath) -> None:
    logs = list(files_below(aftermath.installation.home / "logs"))
    assert len(logs) >= 5
    assert found(aftermath.secrets, logs) == []
    assert found(aftermath.secrets, files_below(aftermath.installation.home / "run")) == []


def test_a_dump_of_the_ledger_holds_no_secret(aftermath: Aftermath) -> None:
    dump = aftermath.dump()
    assert aftermath.town.shop.encode() in dump, "this is no dump of this ledger"
    more = {
        "an amount in dollars": b"12345.67",
        "a masked number": b"984000******",
        "a company's name": f"Company {_mark(aftermath.town)}".encode(),
        "a shop's name": f"Shop {_mark(aftermath.town)}".encode(),
        "a field's name": b"amount_cents",
    }
    assert found({**aftermath.secrets, **more}, [("the dump", dump)]) == []


def test_no_command_tells_a_secret(aftermath: Aftermath) -> None:
    """A card's history and list name the cardholder to whoever may read them, and nobody else."""
    mine = {name: secret for name, secret in aftermath.secrets.items() if "name" not in name}
    assert found(mine, [("what commands said", aftermath.said.encode())]) == []


def test_a_terminal_keeps_no_card_data(aftermath: Aftermath) -> None:
    card_data = {
        name: secret
        for name, secret in aftermath.secrets.items()
        if name.startswith(("PAN", "middle", "verification", "track", "PIN "))
    }
    for folder in aftermath.town.terminals:
        assert found(card_data, files_below(folder)) == []
        state = json.loads((folder / "state.json").read_bytes())
        assert state["pending"] == [], "a payment is still to be reversed"


def test_what_is_looked_for_would_be_found() -> None:
    """In a dump's hex, in base64 at any place, in capitals."""
    secret = b"Quillfeather"
    for shown in (
        b"\\x00" + secret.hex().encode(),
        b"QUILLFEATHER/ZACHARIAS",
        *(_base64(b"x" * before + secret + b"yz") for before in range(7)),
    ):
        assert any(form in shown for form in forms(secret)), shown


def _base64(data: bytes) -> bytes:

    return urlsafe_b64encode(data)


def _mark(town: Town) -> str:
    return town.email.partition("@")[0].removeprefix("till-")
