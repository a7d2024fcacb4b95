"""A shop's page: what the last report said, for the period asked, in the shop's own time."""

import csv
import io
from datetime import timedelta

import pytest

from adapters.web.presentation import local_day, local_time
from tests.integration.web import records
from tests.integration.web.records import PASSWORD, make_login, now_us, report, row, shop, store
from tests.integration.web.website_process import Browser, Website

DAY_US = 24 * 3600 * 1_000_000


@pytest.fixture
def joe(dsn: str) -> dict[str, str]:
    """A shop with a log-in and no payments yet."""
    joes = shop()
    store(dsn, report(0, 0, shops=[joes]))
    make_login(dsn, "joe@example.com", joes)
    return joes


def _own_page(browser: Browser, of: dict[str, str], query: str = "") -> str:
    browser.log_in("joe@example.com", PASSWORD)
    answer = browser.get(f"/shops/{of['shop']}{query}")
    assert answer.status_code == 200, answer.text
    return answer.text


def test_the_start_page_is_for_everybody(browser: Browser) -> None:
    answer = browser.get("/")
    assert answer.status_code == 200
    assert "Shop log-in" in answer.text
    assert "set-cookie" not in answer.headers


def test_logging_in_leads_to_the_only_shop(browser: Browser, joe: dict[str, str]) -> None:
    answer = browser.log_in("joe@example.com", PASSWORD)
    assert (answer.status_code, answer.headers["location"]) == (303, "/shops")
    assert browser.get("/shops").headers["location"] == f"/shops/{joe['shop']}"


def test_a_log_in_of_several_shops_chooses(browser: Browser, dsn: str) -> None:
    first, second = shop("Noodle Bar"), shop("Taco Stand", "America/Los_Angeles")
    store(dsn, report(0, 2, shops=[first, second], rows=[
        row(1, first, amount_cents=1_111), row(2, second, amount_cents=2_222),
    ]))  # fmt: skip
    make_login(dsn, "joe@example.com", first, second)
    browser.log_in("joe@example.com", PASSWORD)
    page = browser.get("/shops").text
    for own, total in ((first, "$11.11"), (second, "$22.22")):
        assert f"/shops/{own['shop']}" in page
        figures = browser.get(f"/shops/{own['shop']}").text
        assert f"<dt>Total</dt><dd>{total}</dd>" in figures, "each shop's own"
        assert "1–1 of 1 entry" in figures
        assert "Your shops" in figures
        file = browser.get(f"/shops/{own['shop']}/transactions.csv").text
        assert len(file.splitlines()) == 2


def test_shops_of_one_name_are_told_apart(browser: Browser, dsn: str) -> None:
    twins, other = [shop("Noodle Bar"), shop("Noodle Bar")], shop("Taco Stand")
    store(dsn, report(0, 1, shops=[*twins, other], rows=[]))
    make_login(dsn, "joe@example.com", *twins, other)
    browser.log_in("joe@example.com", PASSWORD)
    page = browser.get("/shops").text
    for each in twins:
        assert f"…{each['shop'][-4:]}" in page
        assert f"…{each['shop'][-4:]}" in browser.get(f"/shops/{each['shop']}").text
    assert f"…{other['shop'][-4:]}" not in page


def test_a_new_shop_reads_that_it_has_no_payments_yet(
    browser: Browser, joe: dict[str, str]
) -> None:
    page = _own_page(browser, joe)
    assert "No payments yet" in page
    assert "$0.00" in page


def test_a_period_without_payments_says_so(browser: Browser, dsn: str, joe: dict[str, str]) -> None:
    store(dsn, report(0, 1, rows=[row(1, joe, occurred_us=now_us() - 40 * DAY_US)]))
    assert "No payments in this period" in _own_page(browser, joe)


def test_totals_count_what_stands(browser: Browser, dsn: str, joe: dict[str, str]) -> None:
    store(dsn, report(0, 3, rows=[
        row(1, joe, amount_cents=123_456, original_cents=123_456),
        row(2, joe, amount_cents=1_100, original_cents=2_100, status="corrected"),
        row(3, joe, amount_cents=0, original_cents=999, status="reversed"),
    ]))  # fmt: skip
    page = _own_page(browser, joe)
    assert "$1,245.56" in page
    assert "<dt>Payments</dt><dd>2</dd>" in page
    assert "<dt>Corrected</dt><dd>1</dd>" in page
    assert "<dt>Reversed</dt><dd>1</dd>" in page
    assert "5089 00•• •••• 1234" in page
    assert "$21.00" in page, "what a corrected payment was"


def test_a_settled_day_stays_and_its_adjustment_is_on_the_day_it_was_made(
    browser: Browser, dsn: str, joe: dict[str, str]
) -> None:
    yesterday = now_us() - DAY_US
    sale = row(1, joe, occurred_us=yesterday, amount_cents=4_500, original_cents=4_500)
    change = {
        **row(2, joe, amount_cents=-4_050, original_cents=0, status="adjustment"),
        "adjusts": sale["transaction"], "adjusts_date": sale["local_date"],
    }  # fmt: skip
    store(dsn, report(0, 2, rows=[{**sale, "position": 2}, change]))
    today = _own_page(browser, joe)
    assert "Adjustment</span>" in today and sale["local_date"] in today
    assert "-$40.50" in today and "<dt>Adjustments</dt><dd>1</dd>" in today
    assert "<dt>Payments</dt><dd>0</dd>" in today
    day = sale["local_date"]
    before = browser.get(f"/shops/{joe['shop']}?from={day}&to={day}").text
    assert "<dt>Total</dt><dd>$45.00</dd>" in before and "Adjustment" not in before
    both = browser.get(f"/shops/{joe['shop']}?period=7-days").text
    assert "<dt>Total</dt><dd>$4.50</dd>" in both
    text = browser.get(f"/shops/{joe['shop']}/transactions.csv").text
    (line,) = csv.DictReader(io.StringIO(text))
    assert (line["amount"], line["status"]) == ("-40.50", "adjustment")
    assert (line["adjusts"], line["adjusts_date"]) == (sale["transaction"], day)


def test_a_later_report_replaces_a_payment(browser: Browser, dsn: str, joe: dict[str, str]) -> None:
    sale = row(1, joe)
    store(dsn, report(0, 1, rows=[sale]))
    store(
        dsn, report(1, 2, rows=[{**sale, "position": 2, "amount_cents": 0, "status": "reversed"}])
    )
    page = _own_page(browser, joe)
    assert "Reversed</span>" in page
    assert "<dt>Total</dt><dd>$0.00</dd>" in page


def test_today_is_the_shops_today(browser: Browser, dsn: str) -> None:
    # Two shops half a world apart: at any moment at least one has another date than the server.
    for name in ("Pacific/Kiritimati", "Pacific/Niue"):
        records.execute(dsn, "TRUNCATE login, login_shop, web_session, shop, shop_transaction, "
                             "activation")  # fmt: skip
        records.execute(dsn, "UPDATE news SET upto = 0")
        far = shop("Far Away", name)
        store(dsn, report(0, 1, shops=[far], rows=[row(1, far)]))
        make_login(dsn, "joe@example.com", far)
        browser.cookies.clear()
        page = _own_page(browser, far)
        assert "<dt>Payments</dt><dd>1</dd>" in page
        today = local_day(now_us(), name)
        assert f"{today:%b} {today.day}, {today.year}" in page


def test_a_chosen_period_shows_its_days(browser: Browser, dsn: str, joe: dict[str, str]) -> None:
    rows = [row(n, joe, occurred_us=now_us() - n * DAY_US) for n in (1, 2, 3)]
    store(dsn, report(0, 3, rows=rows))
    today = local_day(now_us(), "America/New_York")
    first, last = today - timedelta(days=2), today - timedelta(days=1)
    page = _own_page(browser, joe, f"?from={first}&to={last}")
    assert "Day by day" in page
    assert "<dt>Payments</dt><dd>2</dd>" in page
    assert f"to={today - timedelta(days=3)}" not in page


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("?from=2026-02-30&to=2026-03-01", "year-month-day"),
        ("?from=2026-03-02&to=2026-03-01", "lies after"),
        ("?from=2020-01-01&to=2026-03-01", "at most 366 days"),
        ("?period=for-ever", "Choose a period"),
    ],
)
def test_a_period_that_cannot_be_shown_says_why(
    browser: Browser, joe: dict[str, str], query: str, says: str
) -> None:
    browser.log_in("joe@example.com", PASSWORD)
    answer = browser.get(f"/shops/{joe['shop']}{query}")
    assert answer.status_code == 422
    assert says in answer.text


def test_many_payments_come_page_by_page(browser: Browser, dsn: str, joe: dict[str, str]) -> None:
    at = now_us()
    store(dsn, report(0, 250, rows=[
        row(n, joe, occurred_us=at - n, terminal_label=f"Till {n}") for n in range(1, 251)
    ]))  # fmt: skip
    first = _own_page(browser, joe, "?period=7-days")
    assert "1–100 of 250 entries" in first
    assert "Till 1<" in first
    assert "Till 101<" not in first
    third = browser.get(f"/shops/{joe['shop']}?period=7-days&page=3").text
    assert "201–250 of 250 entries" in third
    assert "There is no page 9" in browser.get(f"/shops/{joe['shop']}?period=7-days&page=9").text
    assert browser.get(f"/shops/{joe['shop']}?page=x%00").status_code == 200


def test_the_file_holds_what_the_page_shows(
    browser: Browser, dsn: str, joe: dict[str, str]
) -> None:
    sale = row(1, joe, terminal_label="=cmd|' /C calc'!A0", occurred_us=now_us() - 1)
    fixed = row(2, joe, amount_cents=1_100, original_cents=2_100, status="corrected")
    store(dsn, report(0, 2, report=77, rows=[sale, fixed]))
    browser.log_in("joe@example.com", PASSWORD)
    answer = browser.get(f"/shops/{joe['shop']}/transactions.csv")
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.headers["content-disposition"].startswith('attachment; filename="joe-s-diner_')
    newest, oldest = csv.DictReader(io.StringIO(answer.text))
    assert (newest["amount"], newest["original_amount"], newest["status"]) == (
        "11.00", "21.00", "corrected",
    )  # fmt: skip
    assert newest["report"] == "77"
    assert oldest["terminal"] == "'=cmd|' /C calc'!A0", "a spreadsheet must not compute a name"
    assert oldest["transaction"] == sale["transaction"]
    at = local_time(sale["occurred_us"], "America/New_York")
    assert oldest["occurred_at"] == at.isoformat(timespec="seconds")


def test_fresh_news_says_as_of_when(browser: Browser, dsn: str, joe: dict[str, str]) -> None:
    store(dsn, report(0, 5, report=1_234))
    page = _own_page(browser, joe)
    assert "As of" in page
    assert "report 1,234" in page
    assert "News stops" not in page


def test_old_news_says_where_it_stops(browser: Browser, dsn: str, joe: dict[str, str]) -> None:
    store(dsn, report(0, 1, rows=[row(1, joe)]))
    records.execute(dsn, "UPDATE news SET as_of_us = as_of_us - %s", 61_000_000)
    page = _own_page(browser, joe)
    assert "News stops at" in page
    assert "<dt>Payments</dt><dd>1</dd>" in page, "the page goes on working"


def test_before_the_first_report_there_is_no_time(
    browser: Browser, dsn: str, joe: dict[str, str]
) -> None:
    records.execute(dsn, "UPDATE news SET as_of_us = null, report = null")
    assert "No report has arrived yet" in _own_page(browser, joe)


def test_health_tells_the_state_and_nothing_else(
    browser: Browser, dsn: str, joe: dict[str, str]
) -> None:
    body = browser.get("/healthz").json()
    assert body["status"] == "ok"
    assert body["news"] == "current"
    assert body["gateway"] == "off"
    records.execute(dsn, "UPDATE news SET as_of_us = as_of_us - %s", 61_000_000)
    assert browser.get("/healthz").json()["news"] == "stale"
    assert set(body) == {"status", "database", "gateway", "news", "report", "as_of_us"}


def test_pages_are_never_kept(website: Website, browser: Browser, joe: dict[str, str]) -> None:
    browser.log_in("joe@example.com", PASSWORD)
    for path in (f"/shops/{joe['shop']}", f"/shops/{joe['shop']}/transactions.csv", "/login", "/"):
        assert browser.get(path).headers["cache-control"] == "no-store", path
    assert "immutable" in browser.get("/static/site.css").headers["cache-control"]
    assert browser.head("/").status_code == 200
