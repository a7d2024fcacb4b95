"""Servers are killed in the middle of a load: no answer is lost, none is given twice."""

import asyncio

from tests.e2e.books import Books
from tests.e2e.installation import Installation
from tests.e2e.tills import Tills
from tests.e2e.town import Town, found_town

VICTIMS = ("backend", "gateway", "ledger", "backend", "ledger", "backend")
"""In this order; the ledger is the postmaster of PostgreSQL."""
TILLS = 10


def test_every_answer_is_in_the_ledger_exactly_once_whatever_is_killed(
    installation: Installation,
) -> None:
    tills = asyncio.run(_pay_through_all_kills(installation))
    books = Books.read(installation.settings)
    books.check()
    books.check_told(tills.tills)
    approved = sum(till.approved for till in tills.tills)
    unheard = sum(not outcome.decided for till in tills.tills for outcome in till.sent)
    assert approved > TILLS * len(VICTIMS)
    assert unheard > 0, "nothing was under way when servers died"
    installation.verify_log()


async def _pay_through_all_kills(installation: Installation) -> Tills:
    town = await found_town(installation, terminals=TILLS, cards=TILLS)
    async with Tills.opened(town) as tills:
        async with tills.paying():
            for victim in VICTIMS:
                await tills.approvals(5)
                before = installation.part(victim)["pid"]
                await asyncio.to_thread(installation.kill, victim)
                await asyncio.to_thread(installation.wait_up, victim, other_than=before)
            await tills.approvals(5)
        await tills.settled()
        await _compare_balances(installation, tills, town)
    return tills


async def _compare_balances(installation: Installation, tills: Tills, town: Town) -> None:
    """The backend's own idea of every balance, told by a refusal, is that of the books."""
    told = {}
    for till in tills.tills:
        outcome = await till.pay(10_000_000, pin=True)
        assert outcome.code in ("51", "61"), outcome
        told[till.card.account] = outcome.would_pass_cents
    books = await asyncio.to_thread(Books.read, installation.settings)
    assert told == {card.account: books.balance(card.account) for card in town.cards}
