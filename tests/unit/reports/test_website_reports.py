"""Reports to the website: small enough, complete, one at a time, until they are stored."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import Any
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from adapters.backend.reports import Reports
from adapters.web.report_message import parse_report
from application.ports import Unavailable
from application.report_changes import MOST_BYTES, MOST_ROWS, Changes, report_body
from projections.settlements import Payment, SettledShop
from tests.unit.reports.settlements import NOON_US, adjustment, payment, shop

Body = dict[str, Any]


class Books:
    """What there is to tell; as the settlement reader gives it."""

    def __init__(self, known: int, shops: list[SettledShop], payments: list[Payment]) -> None:
        self.known, self.shops, self.payments = known, shops, payments
        self.away = False

    def changes(self, after: int, most: int) -> Changes:
        if self.away:
            raise Unavailable("the ledger database")
        everything: list[Any] = [*self.shops, *self.payments]
        positions = sorted(each.position for each in everything if each.position > after)
        upto = positions[most - 1] if len(positions) > most else max(self.known, after)
        return Changes(
            after=after,
            upto=upto,
            known=self.known,
            shops=[each for each in self.shops if after < each.position <= upto],
            payments=[each for each in self.payments if after < each.position <= upto],
        )


def books(payments: int) -> Books:
    return Books(payments + 9, [shop()], [payment(n) for n in range(2, payments + 2)])


def told(found: Books) -> list[Body]:
    """All reports, each stored before the next one."""
    bodies: list[Body] = []
    after = 0
    while not bodies or after < found.known:
        body = report_body(
            found.changes(after, MOST_ROWS), id=1, number=len(bodies), as_of_us=NOON_US * 2
        )
        assert body["upto"] > after
        after = body["upto"]
        bodies.append(body)
    return bodies


@given(st.integers(0, 350), st.text(max_size=200))
def test_reports_are_small_valid_and_complete(count: int, label: str) -> None:
    found = Books(
        count + 9, [shop()], [payment(n, terminal_label=label) for n in range(2, count + 2)]
    )
    bodies = told(found)
    for body in bodies:
        raw = json.dumps(body, ensure_ascii=False).encode()
        assert len(raw) < MOST_BYTES * 1.1
        parse_report(raw)
        assert len(body["rows"]) <= MOST_ROWS
    rows = [row["transaction"] for body in bodies for row in body["rows"]]
    assert rows == [str(each.transaction_id) for each in found.payments]
    assert [row["shop"] for body in bodies for row in body["shops"]] == [str(shop().id)]
    assert bodies[0]["logins"] == [{"shop": str(shop().id), "activation_sha256": "00" * 32}]


def test_a_payment_and_its_adjustment_are_never_torn_apart() -> None:
    """The report behind would begin after both."""
    changed = [payment(n, 1_000, later_cents=-100, later_us=NOON_US) for n in range(2, 102)]
    made = [adjustment(-100, position=n, id=payment(n).transaction_id) for n in range(2, 102)]
    changes = Changes(
        after=0, upto=101, known=101, shops=[], payments=changed, adjustments=made
    )  # fmt: skip
    body = report_body(changes, id=1, number=1, as_of_us=NOON_US)
    parse_report(json.dumps(body).encode())
    assert 2 < body["upto"] < 101, "cut"
    told = [row["position"] for row in body["rows"]]
    assert sorted(told) == sorted(2 * list(range(2, body["upto"] + 1)))
    assert {row["amount_cents"] for row in body["rows"]} == {1_000, -100}


def test_only_the_last_page_is_as_of_now() -> None:
    bodies = told(books(250))
    assert [body["as_of_us"] == NOON_US * 2 for body in bodies[-2:]] == [False, True]
    assert bodies[0]["as_of_us"] == max(row["occurred_us"] for row in bodies[0]["rows"])


class Website:
    """The other end of a session."""

    def __init__(self, reports: Reports, key: str = "session") -> None:
        self.reports, self.key = reports, key
        self.bodies: asyncio.Queue[Body] = asyncio.Queue()
        self.upto = 0
        reports.connected(key, self.bodies.put_nowait)

    def connect(self) -> None:
        self.reports.have(self.key, self.upto)

    async def next(self) -> Body:
        return await asyncio.wait_for(self.bodies.get(), 5)

    async def store(self) -> Body:
        body = await self.next()
        self.upto = body["upto"]
        self.reports.acknowledged(self.key, body["id"], self.upto)
        return body


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(test(), 20))


def reports_of(found: Books, **options: float) -> Reports:
    usual = {"every_s": 0.02, "acknowledge_s": 5.0}
    return Reports(found.changes, lambda: 7, lambda: NOON_US, **{**usual, **options})


def test_pages_follow_each_other_at_once_and_news_come_later() -> None:
    async def test() -> None:
        found = books(250)
        website = Website(reports_of(found, every_s=0.3))
        assert website.bodies.empty(), "nothing before it says how far it is"
        website.connect()
        started = asyncio.get_running_loop().time()
        rows = 0
        while website.upto < found.known:
            rows += len((await website.store())["rows"])
        assert rows == 250
        assert asyncio.get_running_loop().time() - started < 0.3
        found.known += 1
        found.payments.append(payment(found.known))
        assert [row["position"] for row in (await website.store())["rows"]] == [found.known]
        assert (await website.store())["rows"] == [], "also no news are news"
        website.reports.gone(website.key)

    run(test)


def test_one_at_a_time_until_it_is_acknowledged() -> None:
    async def test() -> None:
        website = Website(reports_of(books(250), acknowledge_s=0.2))
        website.connect()
        first = await website.next()
        await asyncio.sleep(0.1)
        assert website.bodies.empty()
        again = await website.next()
        assert again["after"] == first["after"]
        website.reports.acknowledged(website.key, first["id"], 99_999)  # too late: ignored
        website.reports.acknowledged(website.key, again["id"], again["upto"])
        assert (await website.next())["after"] == again["upto"]
        website.reports.gone(website.key)

    run(test)


def test_a_gap_and_a_refusal_are_answered_from_where_the_website_is() -> None:
    async def test() -> None:
        website = Website(reports_of(books(250)))
        website.connect()
        body = await website.next()
        website.reports.have(website.key, 50, body["id"])
        body = await website.next()
        assert (body["after"], body["rows"][0]["position"]) == (50, 51)
        website.reports.refused(website.key, body["id"], "malformed")
        assert (await website.next())["after"] == 50
        website.reports.gone(website.key)

    run(test)


def test_a_database_away_is_waited_for_and_a_session_gone_ends() -> None:
    async def test() -> None:
        found = books(3)
        found.away = True
        website = Website(reports_of(found))
        website.connect()
        await asyncio.sleep(0.1)
        assert website.bodies.empty()
        found.away = False
        assert len((await website.store())["rows"]) == 3
        website.reports.gone(website.key)
        await asyncio.sleep(0.1)
        seen = website.bodies.qsize()
        await asyncio.sleep(0.1)
        assert website.bodies.qsize() == seen
        website.reports.gone(website.key)
        website.reports.acknowledged(website.key, 1, 1)

    run(test)


def test_two_websites_do_not_disturb_each_other() -> None:
    async def test() -> None:
        reports = reports_of(books(3))
        one, two = Website(reports, "one"), Website(reports, "two")
        one.connect()
        two.upto = 2
        two.connect()
        assert len((await one.store())["rows"]) == 3
        assert len((await two.store())["rows"]) == 2
        reports.gone("one")
        await two.store()
        reports.gone("two")

    run(test)


def test_an_id_is_a_uuid_on_the_wire() -> None:
    (body,) = told(books(1))
    assert UUID(body["rows"][0]["transaction"]) == payment(2).transaction_id
