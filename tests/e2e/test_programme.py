"""A company's programme through the real programs: set, refused by it, rehearsed, a day later."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.installation import Installation
from tests.e2e.tills import Tills
from tests.e2e.town import found_town

pytestmark = pytest.mark.timeout(200)


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation whose clock can be put forward."""
    made = Installation(
        tmp_path_factory.mktemp("sandbox") / "home", {"issuer_name": "SANDBOX of the tests"}
    )
    try:
        made.start()
        yield made
    finally:
        made.stop()


def test_a_daily_limit_is_set_refuses_says_when_and_is_free_the_next_day(
    sandbox: Installation,
) -> None:
    async def scenario() -> None:
        town = await found_town(sandbox)
        async with Tills.opened(town) as opened:
            (till,) = opened.tills
            assert (await till.pay(1_000)).approved
            terms = ("--per-day", "15.00", "--hours", "00:00-24:00", "--why", "test")
            told = await run(sandbox, "programme", "set", town.company, *terms)
            assert told["version"] == 1

            refused = await till.pay(1_000)
            assert (refused.code, refused.reason) == ("61", "daily-limit")
            assert refused.would_pass_cents == 500
            assert (
                "$5.00 would pass now; the full amount after 00:00 New York time." in refused.text
            )
            assert refused.passes_at_ms is not None
            assert (await till.pay(500)).approved, "as it was told"

            draft = ("--days", "1", "--per-payment", "7.50")
            found = await run(sandbox, "programme", "rehearse", town.company, *draft)
            assert (found["approved"], found["would_refuse"]) == (2, 1)
            assert (found["cost_before_cents"], found["cost_after_cents"]) == (1_500, 500)
            assert [each["reason"] for each in found["rules"]] == ["payment-limit"]

            ahead = await run(sandbox, "sandbox", "clock", "1d")
            assert ahead["ahead_s"] == 86_400
            await till.pay_until_approved()
            assert (await till.pay(1_000)).approved, "a new day"
            (row,) = await run(sandbox, "programme", "show", town.company)
            assert (row["state"], row["terms"]["per_day_cents"]) == ("in force", 1_500)

    asyncio.run(scenario())


def test_the_log_of_a_sandbox_is_evidence_like_any_other(sandbox: Installation) -> None:
    sandbox.verify_log()


async def run(installation: Installation, *arguments: str) -> Any:
    """What a command prints as JSON, while the tills stay connected."""
    return await asyncio.to_thread(installation.json, *arguments)
