"""Reports arrive over the wire, exactly once, and their absence stops only the news."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from devices.identity import load_device
from protocol.handshake import Identity
from tests.integration.web import postgres, records
from tests.integration.web.fake_backend import FakeBackend
from tests.integration.web.records import PASSWORD, login_row, now_us, report, row, shop
from tests.integration.web.website_process import Website, running_website
from tests.unit.devices.authority import Authority


@pytest.fixture
def backend(tmp_path: Path) -> Iterator[FakeBackend]:
    made = FakeBackend(tmp_path)
    yield made
    made.stop()


@pytest.fixture
def fed_website(
    server: postgres.Server, dsn: str, backend: FakeBackend, tmp_path: Path
) -> Iterator[Website]:
    """A website whose gateway may be there or not."""
    with running_website(server.dsn, tmp_path, identity=backend.identity_folder) as website:
        yield website


def _stored(dsn: str) -> int:
    ((count,),) = records.execute(dsn, "SELECT count(*) FROM shop_transaction")
    return int(count)


def test_a_report_becomes_a_page(dsn: str, backend: FakeBackend, fed_website: Website) -> None:
    backend.listen()
    backend.wait_connected()
    joes = shop()
    answer = backend.report(report(
        0, 9, id=41, report=7, shops=[joes], logins=[login_row(joes, "CODE-1")],
        rows=[row(3, joes, amount_cents=2_345), row(9, joes, amount_cents=55)],
    ))  # fmt: skip
    assert answer == ("STATUS", {"re": 41, "state": "stored", "upto": 9})
    with fed_website.client() as browser:
        made = browser.submit(
            "/activate", code="CODE-1", email="joe@example.com",
            password=PASSWORD, password_again=PASSWORD,
        )  # fmt: skip
        assert made.status_code == 303
        page = browser.get(f"/shops/{joes['shop']}").text
        assert "$24.00" in page
        assert "report 7" in page
        health = browser.get("/healthz").json()
        assert (health["gateway"], health["news"]) == ("connected", "current")


def test_a_report_that_comes_twice_is_stored_once(
    dsn: str, backend: FakeBackend, fed_website: Website
) -> None:
    backend.listen()
    backend.wait_connected()
    joes = shop()
    body = report(0, 2, shops=[joes], rows=[row(1, joes), row(2, joes)])
    assert backend.report(body)[1]["state"] == "stored"
    assert backend.report({**body, "id": 2})[1] == {"re": 2, "state": "have", "upto": 2}
    assert _stored(dsn) == 2


def test_a_gap_is_refused(dsn: str, backend: FakeBackend, fed_website: Website) -> None:
    backend.listen()
    backend.wait_connected()
    joes = shop()
    body = report(5, 6, id=3, shops=[joes], rows=[row(6, joes)])
    assert backend.report(body) == ("STATUS", {"re": 3, "state": "have", "upto": 0})
    assert _stored(dsn) == 0


def test_a_report_without_rows_brings_the_time(
    dsn: str, backend: FakeBackend, fed_website: Website
) -> None:
    backend.listen()
    backend.wait_connected()
    later, earlier = now_us(), now_us() - 30_000_000
    backend.report(report(0, 0, report=2, as_of_us=later))
    backend.report(report(0, 0, report=1, as_of_us=earlier))
    assert records.execute(dsn, "SELECT report, as_of_us FROM news") == [(2, later)]


def test_a_card_number_in_clear_is_refused_and_nothing_of_the_report_stored(
    dsn: str, backend: FakeBackend, fed_website: Website
) -> None:
    backend.listen()
    backend.wait_connected()
    joes, pan = shop(), "5089001234561234"
    for masked in (pan, "5089001234*61234", f"{pan}\n", f"x{pan}", "508900******12345"):
        body = report(
            0, 2, id=8, shops=[joes], rows=[row(1, joes), row(2, joes, card_masked=masked)]
        )
        verb, answer = backend.report(body)
        assert (verb, answer["re"], answer["code"]) == ("ERROR", 8, "malformed")
        assert pan not in str(answer)
    assert _stored(dsn) == 0
    assert pan not in fed_website.log_text()
    # The session goes on.
    assert backend.report(report(0, 1, shops=[joes], rows=[row(1, joes)]))[1]["state"] == "stored"


def test_a_report_is_stored_whole_or_not_at_all(
    dsn: str, backend: FakeBackend, fed_website: Website
) -> None:
    backend.listen()
    backend.wait_connected()
    joes, unknown = shop(), shop()
    verb, answer = backend.report(
        report(0, 2, shops=[joes], rows=[row(1, joes), row(2, unknown)])
    )  # fmt: skip
    assert (verb, answer["code"]) == ("ERROR", "malformed")
    assert _stored(dsn) == 0
    assert records.execute(dsn, "SELECT upto FROM news") == [(0,)]
    assert records.execute(dsn, "SELECT count(*) FROM shop") == [(0,)]


def test_without_gateway_the_news_stops_and_the_pages_stay(
    dsn: str, backend: FakeBackend, fed_website: Website
) -> None:
    # The website is up already; its gateway comes only now, goes, and comes back.
    with fed_website.client() as browser:
        assert browser.get("/healthz").json()["gateway"] == "connecting"
        backend.listen()
        backend.wait_connected()
        joes = shop()
        backend.report(report(0, 1, shops=[joes], rows=[row(1, joes)]))
        records.make_login(dsn, "joe@example.com", joes)
        browser.log_in("joe@example.com", PASSWORD)
        backend.away()
        records.execute(dsn, "UPDATE news SET as_of_us = as_of_us - 61000000")
        page = browser.get(f"/shops/{joes['shop']}")
        assert page.status_code == 200
        assert "News stops at" in page.text
        assert "<dt>Payments</dt><dd>1</dd>" in page.text
        assert browser.get(f"/shops/{joes['shop']}/transactions.csv").status_code == 200
        _wait_for_link("connecting", fed_website)
        backend.listen()
        backend.wait_connected()
        assert backend.have == [0, 1], "it goes on where it was"
        backend.report(report(1, 2, rows=[row(2, joes)]))
        page = browser.get(f"/shops/{joes['shop']}")
        assert "News stops" not in page.text
        assert "<dt>Payments</dt><dd>2</dd>" in page.text


def _wait_for_link(state: str, website: Website) -> None:
    deadline = time.monotonic() + 10
    with website.client() as client:
        while client.get("/healthz").json()["gateway"] != state:
            assert time.monotonic() < deadline
            time.sleep(0.1)


@pytest.mark.parametrize("what", ["garbage", "truncated", "oversized", "tampered", "unavailable"])
def test_after_nonsense_it_starts_afresh(
    dsn: str, backend: FakeBackend, fed_website: Website, what: str
) -> None:
    backend.listen()
    backend.wait_connected()
    joes = shop()
    good = report(0, 1, shops=[joes], rows=[row(1, joes)])
    match what:
        case "garbage":
            backend.send_raw(b"\x00\xff hello\n")
        case "truncated":
            backend.send_raw(b"TR1 D REPORT peer\n")
        case "oversized":
            backend.send_raw(b"x" * 200_000 + b"\n")
        case "tampered":
            backend.send_raw(backend.tampered(good))
        case "unavailable":
            backend.say_unavailable()
    backend.wait_connected()
    assert len(backend.have) == 2
    assert _stored(dsn) == 0
    assert backend.report(good)[1]["state"] == "stored"


def test_a_gateway_of_another_authority_is_not_spoken_to(
    backend: FakeBackend, fed_website: Website, tmp_path: Path
) -> None:
    folder = tmp_path / "foreign"
    folder.mkdir()
    backend.listen(tls=Authority(folder).server_tls())
    assert not backend.is_connected(within_s=2)
    assert "SSLCertVerificationError" in fed_website.log_text()


def test_an_enrolled_device_cannot_pose_as_the_backend(
    backend: FakeBackend, fed_website: Website
) -> None:
    pos = load_device(backend.authority.device("pos")).identity
    backend.listen(us=Identity("backend", pos.chain_der, pos.sign))
    assert not backend.is_connected(within_s=2)
    assert backend.attempts > 0
    assert "wrong-role" in fed_website.log_text()


def test_a_report_that_finds_no_database_is_not_acknowledged_and_comes_again(
    server: postgres.Server, dsn: str, backend: FakeBackend, fed_website: Website
) -> None:
    backend.listen()
    backend.wait_connected()
    joes = shop()
    body = report(0, 1, shops=[joes], rows=[row(1, joes)])
    server.stop()
    try:
        assert backend.report_unheard(body)
    finally:
        server.start()
    backend.wait_connected()
    assert backend.report(body)[1]["state"] == "stored"
    assert _stored(dsn) == 1


def test_without_identity_the_site_serves_its_pages(
    server: postgres.Server, dsn: str, tmp_path: Path
) -> None:
    with (
        running_website(server.dsn, tmp_path, identity=tmp_path / "none") as website,
        website.client() as browser,
    ):
        assert browser.get("/").status_code == 200
        assert browser.get("/healthz").json()["gateway"] == "connecting"
        time.sleep(0.5)
        assert website.log_text().count("no identity.json") == 1, "said once, not all night"
