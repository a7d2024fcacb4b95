"""A revoked device is out: its open session within a second, and every later one."""

import asyncio
import time
from pathlib import Path

from domain.aggregates.lone_revocation import EACH_MOST
from tests.e2e.installation import Installation
from tests.e2e.tills import Tills
from tests.e2e.town import found_town

WITHIN_S = 1.0


def test_the_session_of_a_revoked_pos_ends_within_a_second_and_the_others_go_on(
    installation: Installation,
) -> None:
    async def scenario() -> None:
        town = await found_town(installation, terminals=2, cards=2)
        stolen = town.device(0)
        async with Tills.opened(town) as opened:
            thief, honest = opened.tills
            await thief.pay_until_approved()
            serial = stolen.serial
            async with installation.operator() as operator:
                (row,) = await operator.rows("QUERY", {"what": "certificates", "serial": serial})
                body = {
                    "certificates": [row["certificate"]],
                    "reason": "keyCompromise",
                    "why": "stolen",
                }
                await operator.command("REVOKE", body)
            revoked_s = time.monotonic()
            while (await thief.pay()).decided:
                assert time.monotonic() - revoked_s < WITHIN_S, "still paying a second later"
            await honest.pay_until_approved()
            await asyncio.sleep(1.5)  # the thief's program tries to come back
            assert not (await thief.pay()).decided
            assert (await honest.pay()).approved

    asyncio.run(scenario())


def test_revocations_hold_after_a_restart_of_the_backend(installation: Installation) -> None:
    async def revoke_a_pos() -> tuple[Path, str]:
        town = await found_town(installation, terminals=1, cards=1)
        device = town.device(0)
        rows = await _rows(installation, {"what": "certificates", "serial": device.serial})
        async with installation.operator() as operator:
            body = {"certificates": [rows[0]["certificate"]], "why": "test"}
            await operator.command("REVOKE", body)
        return town.terminals[0], device.serial

    folder, serial = asyncio.run(revoke_a_pos())
    before = installation.part("backend")["pid"]
    installation.kill("backend")
    installation.wait_up("backend", other_than=before)
    done = installation.run("pos", "sale", "--device", str(folder), "--amount", "1.00")
    assert done.returncode != 0
    assert "revoked" in done.stderr + done.stdout
    shown = installation.json("pki", "show", serial)
    assert shown["state"] == "revoked"


def test_a_loop_over_the_terminals_takes_a_second_operator_also_after_a_restart(
    installation: Installation,
) -> None:
    """As operator-2: what the others revoke alone is used up by no test of theirs."""
    town = asyncio.run(found_town(installation, terminals=EACH_MOST + 1))
    *few, last = (town.device(number).serial for number in range(EACH_MOST + 1))
    for serial in few:
        assert _revoke(installation, serial).startswith(f"certificate {serial} is revoked")
    before = installation.part("backend")["pid"]
    installation.kill("backend")
    installation.wait_up("backend", other_than=before)
    said = _revoke(installation, last)
    assert f"You revoked {EACH_MOST} certificates alone within 24 hours" in said
    assert "A second operator must approve it" in said
    assert said.rstrip().endswith("--as operator-1"), said
    assert installation.json("pki", "show", last)["state"] == "valid"
    (waiting,) = (row for row in installation.json("proposal", "list") if row["verb"] == "REVOKE")
    installation.json("proposal", "approve", waiting["proposal"], "--as", "operator-1")
    assert installation.json("pki", "show", last)["state"] == "revoked"


def _revoke(installation: Installation, serial: str) -> str:
    done = installation.run("pki", "revoke", serial, "--why", "a loop", "--as", "operator-2")
    assert done.returncode == 0, done.stderr
    return done.stdout


async def _rows(installation: Installation, body: dict[str, str]) -> list[dict[str, object]]:
    async with installation.operator() as operator:
        return await operator.rows("QUERY", body)
