"""Forms: taken only from our own pages, of bounded size, and never as code."""

from typing import Any

import httpx
import pytest

from adapters.web.app import ROUTES
from adapters.web.webhooks import webhook
from tests.integration.web import records
from tests.integration.web.records import PASSWORD, make_login, report, row, shop, store
from tests.integration.web.website_process import Browser, Website

_HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}


@pytest.fixture
def joe(dsn: str) -> dict[str, str]:
    joes = shop()
    store(dsn, report(0, 0, shops=[joes]))
    make_login(dsn, "joe@example.com", joes)
    return joes


def _credentials(**more: str) -> dict[str, str]:
    return {"email": "joe@example.com", "password": PASSWORD, **more}


def test_every_form_is_checked() -> None:
    posts = [route for route in ROUTES if "POST" in route.http_methods]
    # No visitor's browser sends a webhook: the processor signs it, and the backend verifies that.
    posts.remove(webhook)
    assert len(posts) == 3
    for route in posts:
        assert "form" in route.resolve_dependencies(), route


def test_a_form_without_token_is_refused(browser: Browser, joe: dict[str, str]) -> None:
    browser.get("/login")
    answer = browser.post("/login", data=_credentials())
    assert answer.status_code == 403
    assert "out of date" in answer.text


def test_a_form_with_a_wrong_token_is_refused(browser: Browser, joe: dict[str, str]) -> None:
    browser.get("/login")
    for token in ("0" * 64, "", "é", "x" * 900):
        assert browser.post("/login", data=_credentials(form_token=token)).status_code == 403


def test_another_visitors_token_is_refused(
    website: Website, browser: Browser, joe: dict[str, str]
) -> None:
    with website.client() as attacker:
        token = attacker.token("/login")
    browser.get("/login")
    assert browser.post("/login", data=_credentials(form_token=token)).status_code == 403


def test_a_token_without_its_cookie_is_refused(website: Website, joe: dict[str, str]) -> None:
    with website.client() as client:
        token = client.token("/login")
        client.cookies.clear()
        assert client.post("/login", data=_credentials(form_token=token)).status_code == 403


def test_a_token_from_before_log_in_does_not_log_out(browser: Browser, joe: dict[str, str]) -> None:
    before = browser.token("/login")
    browser.post("/login", data=_credentials(form_token=before))
    assert browser.post("/logout", data={"form_token": before}).status_code == 403
    assert browser.get("/shops").headers["location"].startswith("/shops/")


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_a_form_from_another_site_is_refused(
    browser: Browser, joe: dict[str, str], headers: dict[str, str]
) -> None:
    token = browser.token("/login")
    answer = browser.post("/login", data=_credentials(form_token=token), headers=headers)
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


def test_a_form_from_our_own_page_is_taken(
    website: Website, browser: Browser, joe: dict[str, str]
) -> None:
    token = browser.token("/login")
    headers = {"Origin": website.url, "Sec-Fetch-Site": "same-origin"}
    answer = browser.post("/login", data=_credentials(form_token=token), headers=headers)
    assert answer.status_code == 303


def test_an_oversized_form_is_refused(browser: Browser, joe: dict[str, str]) -> None:
    token = browser.token("/login")
    answer = browser.post("/login", data=_credentials(form_token=token, email="x" * 20_000))
    assert answer.status_code == 413
    assert "larger than any form" in answer.text


def test_an_oversized_form_of_unknown_length_is_refused(
    browser: Browser, joe: dict[str, str]
) -> None:
    answer = browser.post(
        "/login",
        content=(b"x" * 1_000 for _ in range(100)),
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    )
    assert answer.status_code == 413


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"a=1&" * 20, "application/x-www-form-urlencoded"),
        (b"email=a&email=b", "application/x-www-form-urlencoded"),
        (b"email=" + b"x" * 2_000, "application/x-www-form-urlencoded"),
        (b"email=%00", "application/x-www-form-urlencoded"),
        (b"email=%ff%fe", "application/x-www-form-urlencoded"),
        (b"email=\xff", "application/x-www-form-urlencoded"),
        (b'{"email": "a"}', "application/json"),
        (b"--x\r\n", "multipart/form-data; boundary=x"),
        (b"email=a", ""),
    ],
)
def test_a_malformed_form_is_refused(browser: Browser, body: bytes, content_type: str) -> None:
    browser.get("/login")
    answer = browser.post("/login", content=body, headers={"Content-Type": content_type})
    assert answer.status_code == 400
    assert "text/html" in answer.headers["content-type"]


@pytest.mark.parametrize(
    "text",
    [
        "' OR '1'='1",
        "joe@example.com'--",
        "joe@example.com'; DROP TABLE login; --@x.y",
        '"><script>alert(1)</script>@x.y',
        "{{7*7}}@x.y",
        "joe@example.com\r\nSet-Cookie: a=b",
    ],
)
def test_what_is_typed_is_never_code(
    browser: Browser, dsn: str, joe: dict[str, str], text: str
) -> None:
    answer = browser.submit("/login", email=text, password=text)
    assert answer.status_code == 403
    assert "<script" not in answer.text
    assert ">49@" not in answer.text
    assert '"49@' not in answer.text
    assert "a" not in browser.cookies
    assert records.execute(dsn, "SELECT count(*) FROM login") == [(1,)]


def test_names_from_reports_are_never_code(browser: Browser, dsn: str) -> None:
    name = "<img src=x onerror=alert(1)>'); DROP TABLE shop; -- \x1b[31m\u202e{{7*7}}"
    evil = shop(name)
    store(dsn, report(0, 1, shops=[evil], rows=[
        row(1, evil, terminal_label="</td><script>alert(1)</script>\r\nX"),
    ]))  # fmt: skip
    make_login(dsn, "joe@example.com", evil)
    browser.log_in("joe@example.com", PASSWORD)
    answer = browser.get(f"/shops/{evil['shop']}")
    assert answer.status_code == 200
    assert "<img src=x" not in answer.text
    assert "<script" not in answer.text
    assert "&lt;img src=x onerror=alert(1)&gt;" in answer.text
    assert "\x1b" not in answer.text
    assert "\u202e" not in answer.text, "nothing that turns the text around"
    file = browser.get(f"/shops/{evil['shop']}/transactions.csv")
    assert file.headers["content-disposition"].isascii()
    assert "\r\n" not in file.headers["content-disposition"]
    assert len(file.text.splitlines()) == 2


def test_another_shops_records_are_not_to_be_had(browser: Browser, dsn: str) -> None:
    own, other = shop("Own"), shop("Other Shop Inc")
    store(dsn, report(0, 2, shops=[own, other], rows=[row(1, own), row(2, other)]))
    make_login(dsn, "joe@example.com", own)
    make_login(dsn, "jane@example.com", other)
    browser.log_in("joe@example.com", PASSWORD)
    nowhere = browser.get("/shops/00000000-0000-4000-8000-000000000000")
    for path in ("", "/transactions.csv", "?period=7-days", f"?login_id=2&shop={other['shop']}"):
        answer = browser.get(f"/shops/{other['shop']}{path}")
        assert answer.status_code == 404
        assert "Other Shop" not in answer.text
        assert answer.text == nowhere.text, "no telling that the shop exists"
    file = browser.get(f"/shops/{own['shop']}/transactions.csv")
    assert len(file.text.splitlines()) == 2


def test_without_log_in_nothing_is_shown(browser: Browser, joe: dict[str, str]) -> None:
    for path in ("/shops", f"/shops/{joe['shop']}", f"/shops/{joe['shop']}/transactions.csv"):
        answer = browser.get(path)
        assert (answer.status_code, answer.headers["location"]) == (303, "/login?again=true")


def test_a_log_in_without_shops_sees_none(browser: Browser, dsn: str) -> None:
    make_login(dsn, "joe@example.com")
    browser.log_in("joe@example.com", PASSWORD)
    assert "This log-in has no shop" in browser.get("/shops").text


@pytest.mark.parametrize(
    "path",
    [
        "/", "/login", "/nothing-here", "/shops/not-a-uuid", "/static/../config.py",
        "/static/..%2fconfig.py", "/static/%2e%2e/config.py", "/static/site.css", "/healthz",
    ],
)  # fmt: skip
def test_every_answer_has_the_security_headers(browser: Browser, path: str) -> None:
    answer = browser.get(path)
    for name, value in _HEADERS.items():
        assert answer.headers[name] == value, path
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["content-type"].count("charset") <= 1
    assert "server" not in answer.headers
    assert "WebConfig" not in answer.text


def test_pages_have_nothing_inline_and_nothing_foreign(
    browser: Browser, dsn: str, joe: dict[str, str]
) -> None:
    store(dsn, report(0, 1, rows=[row(1, joe)]))
    pages = [browser.get("/"), browser.get("/login"), browser.get("/activate")]
    browser.log_in("joe@example.com", PASSWORD)
    pages.append(browser.get(f"/shops/{joe['shop']}?period=7-days"))
    for page in pages:
        text = page.text.lower()
        for banned in ("<script", " style=", "<style", " onclick", "http://", "https://", "//cdn"):
            assert banned not in text, (page.url, banned)


def test_another_host_is_not_answered(website: Website) -> None:
    for host in ("evil.example", f"evil.example:{website.port}", "127.0.0.1", ""):
        assert httpx.get(website.url, headers={"Host": host}).status_code == 421


def _all_methods(website: Website, path: str) -> list[tuple[str, int]]:
    methods: list[Any] = ["PUT", "DELETE", "PATCH", "TRACE", "OPTIONS"]
    return [(each, httpx.request(each, website.url + path).status_code) for each in methods]


def test_only_reading_and_posting_forms_is_known(website: Website) -> None:
    for path in ("/", "/login", "/logout"):
        for method, status in _all_methods(website, path):
            assert status in (204, 405) if method == "OPTIONS" else status == 405, (method, path)
