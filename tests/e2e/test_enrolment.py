"""A POS installs itself: code and package, first certificate, payments, the next certificate."""

import asyncio
import json
from pathlib import Path

import pytest

from devices.identity import load_device
from tests.e2e.installation import Installation
from tests.e2e.tills import Tills
from tests.e2e.town import Town, found_town

POLICY = {"role": "pos", "valid_days": 30, "renew_days": 30, "grace_days": 1, "code_hours": 1}


@pytest.fixture(scope="module")
def town(served: Installation) -> Town:
    for name in served.pids():
        served.wait_up(name)
    return asyncio.run(found_town(served, terminals=1, cards=1))


def set_policy(installation: Installation, check: str, tmp_path: Path) -> None:
    file = tmp_path / "policy.json"
    file.write_text(json.dumps([{**POLICY, "check": check}]))
    made = installation.json("pki", "policy", "set", str(file), "--why", "a test")
    assert made["status"] == "waiting"
    installation.json("proposal", "approve", made["proposal"], "--as", "operator-2")


def new_package(installation: Installation, town: Town, folder: Path) -> str:
    """A registered terminal's package in `folder`; its code."""
    made = installation.json("register", "terminal", "--shop", town.shop, "--label", "x", "--later")
    told = installation.json("pki", "code", made["terminal"], "--package", str(folder))
    return str(told["code"])


def enrol(installation: Installation, folder: Path, code: str) -> tuple[int, str]:
    done = installation.run("pki", "enrol", str(folder), stdin=code + "\n")
    return done.returncode, done.stdout + done.stderr


def test_a_pos_fetches_its_certificate_and_pays_and_renews(
    served: Installation, town: Town, tmp_path: Path
) -> None:
    set_policy(served, "automatic", tmp_path)
    folder = tmp_path / "till"
    code = new_package(served, town, folder)
    status, said = enrol(served, folder, "ABCDE-" * 4)
    assert status == 1
    assert "no such code" in said
    status, said = enrol(served, folder, code.lower().replace("-", " "))
    assert status == 0, said
    first = load_device(folder, "pos")
    assert not (folder / "package.json").exists()

    done = served.run("pki", "renew", str(folder))
    assert done.returncode == 0, done.stderr
    second = load_device(folder, "pos")
    assert (second.id, second.serial == first.serial) == (first.id, False)
    shown = served.json("pki", "show", second.serial)
    assert (shown["how"], shown["replaces"]) == ("renewed", first.serial)

    with_it = Town(town.company, town.shop, [folder], town.cards, town.email)

    async def pays() -> None:
        async with Tills.opened(with_it) as opened:
            await opened.tills[0].pay_until_approved()

    asyncio.run(pays())


def test_a_code_serves_one_key_once(served: Installation, town: Town, tmp_path: Path) -> None:
    set_policy(served, "automatic", tmp_path)
    folder, thief = tmp_path / "till", tmp_path / "thief"
    code = new_package(served, town, folder)
    new_package(served, town, thief)
    assert enrol(served, folder, code)[0] == 0
    status, said = enrol(served, thief, code)
    assert (status, "was used" in said) == (1, True)


def test_a_person_decides_where_the_policy_says_so(
    served: Installation, town: Town, tmp_path: Path
) -> None:
    set_policy(served, "human", tmp_path)
    for verdict, status in ((), 0), (("--reject",), 1):
        folder = tmp_path / f"till-{status}"
        code = new_package(served, town, folder)
        for _ in range(2):  # asked again, it still waits
            waits, said = enrol(served, folder, code)
            assert (waits, "has to look" in said) == (6, True)
        waiting = [row for row in served.json("pki", "queue") if row["status"] == "queued"]
        assert f"key {waiting[-1]['key_hash']}" in said, "a person can compare it"
        assert waiting[-1]["name"].startswith("x, Shop ")
        served.json("pki", "decide", waiting[-1]["enrolment"], "--why", "called them", *verdict)
        assert enrol(served, folder, code)[0] == status
        assert (folder / "identity.json").exists() == (status == 0)
    set_policy(served, "automatic", tmp_path)


def test_a_blocked_terminal_gets_nothing(served: Installation, town: Town, tmp_path: Path) -> None:
    folder = tmp_path / "till"
    made = served.json("register", "terminal", "--shop", town.shop, "--label", "x", "--later")
    code = served.json("pki", "code", made["terminal"], "--package", str(folder))["code"]
    served.json("block", made["terminal"], "--terminal", "--why", "not delivered")
    status, said = enrol(served, folder, code)
    assert (status, "out of use" in said) == (1, True)
    assert served.run("pki", "code", made["terminal"]).returncode == 1


def test_a_damaged_package_is_said_so(served: Installation, tmp_path: Path) -> None:
    for content in (None, "{", '{"gateway": 7}'):
        folder = tmp_path / "x"
        folder.mkdir(exist_ok=True)
        if content is not None:
            (folder / "package.json").write_text(content)
        status, said = enrol(served, folder, "ABC")
        assert status == 2
        assert "package" in said
        assert "Traceback" not in said


def test_a_stripe_card_gets_no_certificate(served: Installation, town: Town) -> None:
    done = served.run("pki", "code", str(town.cards[0].id), "--card")
    assert (done.returncode, "virtual" in done.stderr) == (1, True)


def test_a_new_operator_is_admitted_by_two(served: Installation, town: Town) -> None:
    folder = served.home / "operators" / "operator-3"
    told = served.json("pki", "admit", "operator", "--package", str(folder), "--why", "Ada comes")
    assert (told["status"], "code" in told) == ("waiting", False)
    assert served.run("proposal", "approve", told["proposal"], "--as", "operator-1").returncode == 1
    approved = served.json("proposal", "approve", told["proposal"], "--as", "operator-2")
    code = approved["result"]["code"]
    assert enrol(served, folder, code)[0] == 6
    assert served.run("pki", "list", "--as", "operator-3").returncode != 0
    (waiting,) = (row for row in served.json("pki", "queue") if row["role"] == "operator")
    served.json("pki", "decide", waiting["enrolment"], "--why", "she read the key's hash to me")
    assert enrol(served, folder, code)[0] == 0
    (row,) = served.json("pki", "list", "--holder", "operator-3", "--as", "operator-3")
    assert (row["role"], row["how"], row["name"]) == ("operator", "enrolled", "operator-3")
    served.json("block", str(town.cards[0].id), "--why", "her first command", "--as", "operator-3")
    alone = served.json("pki", "revoke", row["serial"], "--why", "she left")
    assert "somebody else's" in alone["because"]
    assert served.json("pki", "list", "--as", "operator-3"), "one operator shuts no other out"
    served.json("proposal", "approve", alone["proposal"], "--as", "operator-2")
    assert served.run("pki", "list", "--as", "operator-3").returncode != 0
