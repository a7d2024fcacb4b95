"""Logging in, and what people try who should not."""

import re
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from argon2 import PasswordHasher

from adapters.web.sessions import ABSOLUTE_US, IDLE_US
from tests.integration.web import postgres, records
from tests.integration.web.records import PASSWORD, make_login, report, shop, store
from tests.integration.web.website_process import Browser, Website, running_website


@pytest.fixture
def joe(dsn: str) -> dict[str, str]:
    joes = shop()
    store(dsn, report(0, 0, shops=[joes]))
    make_login(dsn, "joe@example.com", joes)
    return joes


def test_the_session_gets_a_new_cookie_at_log_in(browser: Browser, joe: dict[str, str]) -> None:
    browser.get("/login")
    before = browser.cookies["tr_session"]
    browser.log_in("joe@example.com", PASSWORD)
    assert browser.cookies["tr_session"] != before


def test_a_planted_cookie_never_becomes_a_session(
    website: Website, browser: Browser, joe: dict[str, str]
) -> None:
    planted = "A" * 43
    browser.cookies.set("tr_session", planted, domain="127.0.0.1")
    assert browser.log_in("joe@example.com", PASSWORD).status_code == 303
    with website.client() as attacker:
        attacker.cookies.set("tr_session", planted, domain="127.0.0.1")
        assert attacker.get("/shops").status_code == 303
        assert attacker.get("/shops").headers["location"].startswith("/login")


def test_a_new_log_in_ends_the_session_that_it_replaces(
    website: Website, browser: Browser, joe: dict[str, str]
) -> None:
    browser.log_in("joe@example.com", PASSWORD)
    old = browser.cookies["tr_session"]
    browser.post("/login", data={
        "form_token": browser.token("/activate"), "email": "joe@example.com", "password": PASSWORD,
    })  # fmt: skip
    with website.client() as attacker:
        attacker.cookies.set("tr_session", old, domain="127.0.0.1")
        assert attacker.get("/shops").headers["location"].startswith("/login")


def test_the_cookie_is_closed_to_scripts_and_other_sites(browser: Browser) -> None:
    header = browser.get("/login").headers["set-cookie"].lower()
    assert "httponly" in header
    assert "samesite=lax" in header
    assert "path=/" in header
    assert "domain" not in header
    assert "secure" not in header, "over plain http the browser would drop it"


def test_with_https_the_cookie_is_secure_and_bound_to_its_host(
    server: postgres.Server, dsn: str, tmp_path: Path
) -> None:
    url = "https://www.ticketrestaurant.example"
    with (
        running_website(server.dsn, tmp_path, public_url=url) as website,
        website.client() as client,
    ):
        answer = client.get("/login", headers={"Host": "www.ticketrestaurant.example"})
        header = answer.headers["set-cookie"]
        assert header.startswith("__Host-tr_session=")
        assert "Secure" in header
        assert "max-age" in answer.headers["strict-transport-security"]


def test_logging_out_ends_the_session_on_the_server(
    website: Website, browser: Browser, joe: dict[str, str]
) -> None:
    browser.log_in("joe@example.com", PASSWORD)
    cookie = browser.cookies["tr_session"]
    token = browser.token(f"/shops/{joe['shop']}")
    answer = browser.post("/logout", data={"form_token": token})
    assert (answer.status_code, answer.headers["location"]) == (303, "/logged-out")
    assert "You are logged out" in browser.get("/logged-out").text
    with website.client() as thief:
        thief.cookies.set("tr_session", cookie, domain="127.0.0.1")
        assert thief.get("/shops").headers["location"].startswith("/login")


def test_logging_out_by_a_link_does_not_work(browser: Browser, joe: dict[str, str]) -> None:
    browser.log_in("joe@example.com", PASSWORD)
    assert "set-cookie" not in browser.get("/logged-out/mark.svg").headers
    assert browser.get("/logout").status_code == 405
    assert browser.get("/shops").headers["location"].startswith("/shops/")


@pytest.mark.parametrize(
    ("column", "age_us", "open_still"),
    [
        ("last_seen_us", IDLE_US - 20_000_000, True),
        ("last_seen_us", IDLE_US, False),
        ("started_us", ABSOLUTE_US - 20_000_000, True),
        ("started_us", ABSOLUTE_US, False),
    ],
)
def test_a_session_ends_by_idleness_and_by_age(
    browser: Browser, dsn: str, joe: dict[str, str], column: str, age_us: int, open_still: bool
) -> None:
    browser.log_in("joe@example.com", PASSWORD)
    records.execute(dsn, f"UPDATE web_session SET {column} = {column} - %s", age_us)
    to = browser.get("/shops").headers["location"]
    assert to.startswith("/shops/" if open_still else "/login")


def test_being_there_keeps_a_session_open(browser: Browser, dsn: str, joe: dict[str, str]) -> None:
    browser.log_in("joe@example.com", PASSWORD)
    for _ in range(3):
        records.execute(dsn, "UPDATE web_session SET last_seen_us = last_seen_us - %s",
                        IDLE_US - 20_000_000)  # fmt: skip
        assert browser.get("/shops").headers["location"].startswith("/shops/")


def test_unknown_address_and_wrong_password_get_the_same_answer(
    browser: Browser, joe: dict[str, str]
) -> None:
    wrong = browser.log_in("joe@example.com", "not the password")
    unknown = browser.log_in("jim@example.com", "not the password")
    assert wrong.status_code == unknown.status_code == 403
    assert wrong.text.replace("joe@", "jim@") == unknown.text


def test_unknown_address_and_wrong_password_take_as_long(
    browser: Browser, dsn: str, joe: dict[str, str]
) -> None:
    spent_s: dict[str, list[float]] = {"joe@example.com": [], "nobody@example.com": []}
    token = browser.token("/login")
    for _ in range(8):
        for email, times in spent_s.items():
            records.execute(dsn, "TRUNCATE failed_try")
            started = time.perf_counter()
            browser.post("/login", data={"form_token": token, "email": email, "password": "wrong"})
            times.append(time.perf_counter() - started)
    known, unknown = (statistics.median(times) for times in spent_s.values())
    assert 0.5 < known / unknown < 2, spent_s


def test_guessing_is_stopped_and_the_right_password_too(
    browser: Browser, joe: dict[str, str]
) -> None:
    for _ in range(5):
        assert browser.log_in("joe@example.com", "a wrong guess").status_code == 403
    stopped = browser.log_in("joe@example.com", PASSWORD)
    assert stopped.status_code == 429
    assert 0 < int(stopped.headers["retry-after"]) <= 900
    assert "wait 15 minutes" in stopped.text


def test_unknown_addresses_are_stopped_alike(browser: Browser, joe: dict[str, str]) -> None:
    answers = [browser.log_in("nobody@example.com", "guess").status_code for _ in range(6)]
    assert answers == [403] * 5 + [429]


def test_after_the_wait_one_may_try_again(browser: Browser, dsn: str, joe: dict[str, str]) -> None:
    for _ in range(6):
        browser.log_in("joe@example.com", "a wrong guess")
    records.execute(dsn, "UPDATE failed_try SET window_started_us = window_started_us - 900000000")
    assert browser.log_in("joe@example.com", PASSWORD).status_code == 303


def test_one_address_cannot_guess_at_many_accounts(browser: Browser, joe: dict[str, str]) -> None:
    answers = [browser.log_in(f"shop{n}@example.com", "guess").status_code for n in range(31)]
    assert answers == [403] * 30 + [429]


def test_guesses_sent_at_once_are_not_all_allowed(website: Website, joe: dict[str, str]) -> None:
    with website.client() as client:
        token, cookie = client.token("/login"), client.cookies["tr_session"]

    def guess(number: int) -> int:
        return httpx.post(
            website.url + "/login", cookies={"tr_session": cookie}, timeout=60,
            data={"form_token": token, "email": "joe@example.com", "password": f"guess {number}"},
        ).status_code  # fmt: skip

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(guess, range(48)))
    assert answers.count(403) <= 5, "no more were checked than are allowed"
    assert answers.count(429) >= 43


def test_one_guesser_does_not_lock_the_shop_out_elsewhere(
    server: postgres.Server, dsn: str, joe: dict[str, str], tmp_path: Path
) -> None:
    with running_website(server.dsn, tmp_path, proxies="127.0.0.1") as website:
        with website.client() as attacker:
            attacker.headers["X-Forwarded-For"] = "203.0.113.7"
            for _ in range(40):
                attacker.log_in("joe@example.com", "a wrong guess")
            assert attacker.log_in("joe@example.com", PASSWORD).status_code == 429
        with website.client() as owner:
            owner.headers["X-Forwarded-For"] = "198.51.100.20"
            assert owner.log_in("joe@example.com", PASSWORD).status_code == 303


def test_guessers_from_many_addresses_are_stopped_by_the_account(
    server: postgres.Server, dsn: str, joe: dict[str, str], tmp_path: Path
) -> None:
    with running_website(server.dsn, tmp_path, proxies="127.0.0.1") as website:
        answers = []
        with website.client() as attacker:
            for n in range(21):
                attacker.headers["X-Forwarded-For"] = f"203.0.113.{n}"
                answers.append(attacker.log_in("joe@example.com", "guess").status_code)
        assert answers == [403] * 20 + [429]


def test_a_claimed_address_is_not_believed_without_a_proxy(
    browser: Browser, joe: dict[str, str]
) -> None:
    answers = []
    for n in range(6):
        browser.headers["X-Forwarded-For"] = f"203.0.113.{n}"
        answers.append(browser.log_in("joe@example.com", "guess").status_code)
    assert answers[-1] == 429


def test_a_successful_log_in_forgives_its_own_slips_only(
    browser: Browser, dsn: str, joe: dict[str, str]
) -> None:
    browser.log_in("joe@example.com", "a slip")
    browser.log_in("joe@example.com", PASSWORD)
    counts = [row[0] for row in records.execute(dsn, "SELECT failures FROM failed_try")]
    assert sorted(counts) == [1, 1], "address and account keep the slip, not the success"


def test_an_old_hash_is_renewed_at_log_in(browser: Browser, dsn: str, joe: dict[str, str]) -> None:
    weak = PasswordHasher(time_cost=1, memory_cost=8_192, parallelism=1).hash(PASSWORD)
    records.execute(dsn, "UPDATE login SET password_hash = %s", weak)
    assert browser.log_in("joe@example.com", PASSWORD).status_code == 303
    ((renewed,),) = records.execute(dsn, "SELECT password_hash FROM login")
    assert renewed.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    browser.cookies.clear()
    assert browser.log_in("joe@example.com", PASSWORD).status_code == 303


def test_the_database_opens_no_session_and_names_no_guesser(
    browser: Browser, dsn: str, joe: dict[str, str]
) -> None:
    browser.log_in("joe@example.com", "a slip")
    browser.log_in("joe@example.com", PASSWORD)
    cookie = browser.cookies["tr_session"].encode()
    ((session,),) = records.execute(dsn, "SELECT id_sha256 FROM web_session")
    subjects = b"".join(row[0] for row in records.execute(dsn, "SELECT subject FROM failed_try"))
    assert cookie not in session
    assert b"joe" not in subjects
    assert b"127.0.0.1" not in subjects


def test_the_log_holds_nothing_of_a_person(
    server: postgres.Server, dsn: str, joe: dict[str, str], tmp_path: Path
) -> None:
    with running_website(server.dsn, tmp_path) as website:
        with website.client() as client:
            client.log_in("joe@example.com", "my secret guess")
            client.log_in("joe@example.com", PASSWORD)
            client.get(f"/shops/{joe['shop']}?from=2026-01-01&note=joe@example.com")
            client.get("/joe@example.com")
            cookie = client.cookies["tr_session"]
        log = website.log_text()
    assert "POST /login 303" in log
    assert re.search(r"GET /shops/\{shop_id\} 200 \d+ ms", log)
    for private in ("joe", "secret", PASSWORD, cookie, joe["shop"], "127.0.0.1", "2026-01-01"):
        assert private not in log, private
