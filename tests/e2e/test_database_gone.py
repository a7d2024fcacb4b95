"""The ledger database is gone, or hangs: 91 meanwhile, nothing half done, then payments again."""

import asyncio
import json
import time
from typing import Any

from tests.e2e.books import Books
from tests.e2e.installation import Installation
from tests.e2e.tills import Till, Tills
from tests.e2e.town import found_town

TILLS = 4
AWAY_S = 3.0
FROZEN_S = 9.0
STATUS_S = 7.0
"""`status` asks every part, none for longer than a second or two; less than the freeze lasts."""


def check(installation: Installation, tills: list[Till]) -> None:
    """Nothing is half done, and no server but the database was started again."""
    books = Books.read(installation.settings)
    books.check()
    books.check_told(tills)
    installation.verify_log()


def test_while_the_database_is_away_payments_are_answered_91(installation: Installation) -> None:
    before = installation.pids()
    data = installation.home / "postgres" / "ledger" / "data"
    away = data.with_name("data-away")

    async def scenario() -> list[Till]:
        town = await found_town(installation, terminals=TILLS, cards=TILLS)
        async with Tills.opened(town) as opened:
            async with opened.paying():
                await opened.approvals(5)
                data.rename(away)  # so that it cannot be started again before we say so
                try:
                    installation.kill("ledger")
                    gone_s = time.monotonic()
                    told = [len(till.outcomes) for till in opened.tills]
                    await asyncio.sleep(AWAY_S)
                finally:
                    away.rename(data)
                assert time.monotonic() - gone_s < 2 * AWAY_S
                for till, number in zip(opened.tills, told, strict=True):
                    answers = till.outcomes[number + 1 :]  # one may have been under way
                    assert answers, "no answer while the database was away"
                    assert {outcome.code for outcome in answers} == {"91"}
                await opened.approvals(5)
            await opened.settled()
        return list(opened.tills)

    check(installation, asyncio.run(scenario()))
    after = installation.pids()
    assert {name for name in after if after[name] != before[name]} == {"ledger"}


def test_a_hanging_database_is_never_a_yes(installation: Installation) -> None:
    """Terminals hear 91 or nothing in time; what they took back stays taken back."""
    before = installation.pids()

    async def scenario() -> list[Till]:
        town = await found_town(installation, terminals=TILLS, cards=TILLS)
        async with Tills.opened(town, decision_timeout_s=2.0) as opened:
            async with opened.paying():
                await opened.approvals(5)
                began_s = time.monotonic()
                thawed = asyncio.create_task(
                    asyncio.to_thread(installation.freeze, "ledger", FROZEN_S)
                )
                await asyncio.sleep(0.3)  # an answer from just before may still be shown
                told = [len(till.outcomes) for till in opened.tills]
                status = await asyncio.to_thread(_status, installation)
                assert (status["ledger"]["up"], status["backend"]["up"]) == (False, True)
                await asyncio.sleep(began_s + FROZEN_S - 1 - time.monotonic())
                for till, number in zip(opened.tills, told, strict=True):
                    answers = till.outcomes[number:]
                    assert answers, "a terminal waits for ever"
                    assert {outcome.code for outcome in answers} == {"91"}
                await thawed
                await opened.approvals(5)
            await opened.settled()
        return list(opened.tills)

    check(installation, asyncio.run(scenario()))
    assert installation.pids() == before


def _status(installation: Installation) -> dict[str, Any]:
    """What an operator sees, soon, though the database does not answer."""
    began_s = time.monotonic()
    found: dict[str, Any] = json.loads(installation.run("status", "--json").stdout)
    assert time.monotonic() - began_s < STATUS_S
    return found
