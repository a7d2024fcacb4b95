"""A virtual card for a phone elsewhere: handed over as a package, taken in with its code, pays."""

import asyncio
import json
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from devices.card.core import VirtualCard
from devices.identity import load_device
from devices.personalisation import load_card
from tests.e2e.installation import Installation
from tests.e2e.secret_forms import files_below, found, key_bytes
from tests.e2e.tills import Tills
from tests.e2e.town import FIRST_NAME, LAST_NAME, Town, found_town


@dataclass(frozen=True)
class Handed:
    """What the operator's command told."""

    package: Path
    code: str
    account: str
    card: str


@pytest.fixture(scope="module")
def town(served: Installation) -> Town:
    for name in served.pids():
        served.wait_up(name)
    town = asyncio.run(found_town(served, terminals=1, cards=1))
    served.json("menu", town.shop, "--item", "quiche:Quiche:9.50")
    return town


def hand_over(served: Installation, town: Town, package: Path) -> Handed:
    person = ("--first-name", FIRST_NAME, "--last-name", LAST_NAME)
    email = ("--email", f"{package.name}-{town.email}")
    made = served.json("issue", "--company", town.company, *person, *email, "--no-stripe",
                       "--virtual", "--package", str(package))  # fmt: skip
    (card,) = made["cards"]
    served.json("refill", town.company, "--line", f"{made['account']}:20.00")
    return Handed(package, card["code"], made["account"], card["card"])


def take(served: Installation, package: Path, phone: Path, code: str) -> tuple[int, str]:
    done = served.run("card", "enrol", str(package), "--device", str(phone), stdin=code + "\n")
    return done.returncode, done.stdout + done.stderr


async def pays(town: Town, phone: Path) -> None:
    async with (
        Tills.opened(replace(town, terminals=town.terminals[:1])) as opened,
        VirtualCard(load_device(phone, "card")) as card,
    ):
        pos = opened.tills[0].pos
        ordering = asyncio.create_task(card.order(pos.device.id, [("quiche", 1)]))
        order = await pos.next_order(10)
        assert order is not None
        assert (await pos.confirm(order.number)).approved
        assert (await ordering).approved


def test_a_card_that_was_handed_over_pays(served: Installation, town: Town, tmp_path: Path) -> None:
    handed = hand_over(served, town, tmp_path / "zac")
    phone = tmp_path / "phone"
    status, said = take(served, handed.package, phone, "ABCDE-" * 4)
    assert (status, "not the package's code" in said, phone.exists()) == (1, True, False)
    status, said = take(served, handed.package, phone, handed.code.lower().replace("-", " "))
    assert status == 0, said
    assert not handed.package.exists()
    asyncio.run(pays(town, phone))
    told = json.loads(served.run("card", "balance", "--device", str(phone), "--json").stdout)
    assert told["balance_cents"] == 2_000 - 950
    rows = json.loads(served.run("card", "history", "--device", str(phone), "--json").stdout)
    assert [row["amount_cents"] for row in rows["rows"]] == [950]
    served.json("block", handed.card, "--why", "lost")
    status, said = take(served, handed.package, phone, handed.code)
    assert (status, "no package" in said) == (2, True)


def test_code_and_card_are_in_no_log_and_nothing_stays_at_the_desk(
    served: Installation, town: Town, tmp_path: Path
) -> None:
    handed = hand_over(served, town, tmp_path / "zoe")
    packed = list(files_below(handed.package))
    assert not list((served.home / "devices").glob(f"*{handed.card}*"))
    phone = tmp_path / "phone"
    assert take(served, handed.package, phone, handed.code)[0] == 0
    asyncio.run(pays(town, phone))
    data = load_card(load_device(phone, "card"))
    secrets = {
        "PAN": data.pan.encode(),
        "track": data.track2.encode(),
        "key": key_bytes(phone / "key.pem"),
        "code": handed.code.encode(),
        "code without dashes": handed.code.replace("-", "").encode(),
    }
    assert found(secrets, packed) == []
    for folder in ("logs", "run", "devices", "pki"):
        assert found(secrets, files_below(served.home / folder)) == []


def test_openssl_reads_the_identity(served: Installation, town: Town, tmp_path: Path) -> None:
    handed = hand_over(served, town, tmp_path / "zed")
    shown = subprocess.run(
        ["openssl", "pkcs12", "-in", str(handed.package / "identity.p12"), "-info", "-noout",
         "-passin", "stdin"],
        input=handed.code.replace("-", "") + "\n", capture_output=True, text=True,
    )  # fmt: skip
    assert shown.returncode == 0, shown.stderr
    assert "AES-256-CBC" in shown.stderr


def test_a_package_cannot_be_enrolled_over_the_wire(
    served: Installation, town: Town, tmp_path: Path
) -> None:
    handed = hand_over(served, town, tmp_path / "zig")
    done = served.run("pki", "enrol", str(handed.package), stdin=handed.code + "\n")
    assert (done.returncode, "card enrol" in done.stderr) == (2, True)
    assert "Traceback" not in done.stderr
