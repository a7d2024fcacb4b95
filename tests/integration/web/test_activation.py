"""A one-time code becomes a log-in, once."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.integration.web import records
from tests.integration.web.records import PASSWORD, login_row, make_login, report, shop, store
from tests.integration.web.website_process import Browser, Website

CODE = "K7QMA-2XWDB-3RTFC-4HJPD"


@pytest.fixture
def joe(dsn: str) -> dict[str, Any]:
    """A shop that was just registered."""
    joes = shop()
    store(dsn, report(0, 0, shops=[joes], logins=[login_row(joes, CODE)]))
    return joes


def _fields(**changes: str) -> dict[str, str]:
    return {
        "code": CODE, "email": "joe@example.com", "password": PASSWORD, "password_again": PASSWORD,
        **changes,
    }  # fmt: skip


def test_a_code_makes_a_log_in_and_logs_in(browser: Browser, joe: dict[str, Any]) -> None:
    browser.get("/activate")
    before = browser.cookies["tr_session"]
    answer = browser.submit("/activate", **_fields(code=f"  {CODE} ", email=" Joe@Example.com"))
    assert (answer.status_code, answer.headers["location"]) == (303, "/shops")
    assert browser.cookies["tr_session"] != before
    assert browser.get("/shops").headers["location"] == f"/shops/{joe['shop']}"
    browser.cookies.clear()
    assert browser.log_in("JOE@example.com", PASSWORD).status_code == 303


@pytest.mark.parametrize("typed", [CODE.lower(), CODE.replace("-", ""), CODE.replace("-", " ")])
def test_a_code_may_be_typed_loosely(browser: Browser, joe: dict[str, Any], typed: str) -> None:
    assert browser.submit("/activate", **_fields(code=typed)).status_code == 303


def test_a_code_works_once(website: Website, browser: Browser, joe: dict[str, Any]) -> None:
    browser.submit("/activate", **_fields())
    with website.client() as other:
        answer = other.submit("/activate", **_fields(email="eve@example.com"))
        assert answer.status_code == 403
        assert "not valid" in answer.text


def test_a_report_that_comes_again_does_not_renew_a_used_code(
    website: Website, browser: Browser, dsn: str, joe: dict[str, Any]
) -> None:
    browser.submit("/activate", **_fields())
    store(dsn, report(0, 0, shops=[joe], logins=[login_row(joe, CODE)]))
    with website.client() as other:
        answer = other.submit("/activate", **_fields(email="eve@example.com"))
        assert answer.status_code == 403


def test_a_code_used_at_once_by_many_makes_one_log_in(
    website: Website, dsn: str, joe: dict[str, Any]
) -> None:
    def attempt(number: int) -> httpx.Response:
        with website.client() as client:
            return client.submit("/activate", **_fields(email=f"joe{number}@example.com"))

    with ThreadPoolExecutor(6) as pool:
        answers = [answer.status_code for answer in pool.map(attempt, range(6))]
    assert sorted(answers) == [303] + [403] * 5
    assert records.execute(dsn, "SELECT count(*) FROM login") == [(1,)]
    assert records.execute(dsn, "SELECT count(*) FROM login_shop") == [(1,)]


def test_an_old_code_is_not_valid(browser: Browser, dsn: str, joe: dict[str, Any]) -> None:
    records.execute(dsn, "UPDATE activation SET received_us = received_us - %s",
                    31 * 24 * 3600 * 1_000_000)  # fmt: skip
    assert browser.submit("/activate", **_fields()).status_code == 403


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"email": "joe"}, "complete e-mail address"),
        ({"email": "joe@localhost"}, "complete e-mail address"),
        ({"email": "a@b@example.com"}, "complete e-mail address"),
        ({"password_again": "something else"}, "passwords differ"),
        ({"password": "short", "password_again": "short"}, "at least 12 characters"),
        ({"password": "x" * 200, "password_again": "x" * 200}, "at most 128 characters"),
        ({"password": "abababababab", "password_again": "abababababab"}, "too easy"),
        ({"password": "Password1234!", "password_again": "Password1234!"}, "too easy"),
        ({"password": "joe@example.com", "password_again": "joe@example.com"}, "differs from"),
    ],
)
def test_what_cannot_be_taken_says_why_and_keeps_the_code(
    browser: Browser, dsn: str, joe: dict[str, Any], changes: dict[str, str], says: str
) -> None:
    answer = browser.submit("/activate", **_fields(**changes))
    assert answer.status_code == 422
    assert says in answer.text
    assert PASSWORD not in answer.text, "a password is never sent back"
    assert browser.submit("/activate", **_fields()).status_code == 303


def test_guessing_codes_is_stopped(browser: Browser, joe: dict[str, Any]) -> None:
    answers = [browser.submit("/activate", **_fields(code=f"guess-{n}")) for n in range(11)]
    assert [answer.status_code for answer in answers] == [403] * 10 + [429]
    assert browser.submit("/activate", **_fields()).status_code == 429


def test_a_second_shop_joins_the_log_in_with_its_password(
    browser: Browser, dsn: str, joe: dict[str, Any]
) -> None:
    first = shop("First")
    store(dsn, report(0, 0, shops=[first]))
    make_login(dsn, "joe@example.com", first)
    wrong = _fields(password="not his password", password_again="not his password")
    answer = browser.submit("/activate", **wrong)
    assert answer.status_code == 403
    assert "has a log-in already" in answer.text
    assert browser.submit("/activate", **_fields()).status_code == 303
    page = browser.get("/shops").text
    assert f"/shops/{first['shop']}" in page
    assert f"/shops/{joe['shop']}" in page


def test_a_code_does_not_help_to_guess_a_password(
    browser: Browser, dsn: str, joe: dict[str, Any]
) -> None:
    make_login(dsn, "jane@example.com")
    guess = _fields(
        email="jane@example.com", password="wrong guess!", password_again="wrong guess!"
    )
    answers = [browser.submit("/activate", **guess).status_code for _ in range(6)]
    assert answers == [403] * 5 + [429]
