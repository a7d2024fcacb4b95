"""The site in a real browser: by keyboard, on a small screen, under attack from another page."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.integration.web.chromium import DRIVER, Chromium, running_chromium
from tests.integration.web.records import PASSWORD, make_login, report, row, shop, store
from tests.integration.web.website_process import Website

pytestmark = pytest.mark.skipif(
    DRIVER is None, reason="no chromedriver here (Debian: chromium-driver)"
)

_TAB, _ENTER = "\ue004", "\ue007"

# Contrast of every text with what lies behind it (WCAG 2.2, 1.4.3): the worst of the page.
_WORST_CONTRAST = """
const luminance = ([r, g, b]) => [r, g, b].map(v => v / 255)
  .map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
  .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
const rgba = text => text.match(/[\\d.]+/g).map(Number);
const behind = element => {
  for (let e = element; e; e = e.parentElement) {
    const found = rgba(getComputedStyle(e).backgroundColor);
    if (found.length < 4 || found[3] === 1) return found.slice(0, 3);
  }
  return [255, 255, 255];
};
let worst = [99, ''];
for (const e of document.querySelectorAll('main *, header *, footer *')) {
  const own = [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
  if (!own || !e.getClientRects().length) continue;
  const [a, b] = [luminance(rgba(getComputedStyle(e).color)), luminance(behind(e))];
  const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
  if (ratio < worst[0]) worst = [ratio, e.outerHTML.slice(0, 80)];
}
return worst;
"""

_TOO_WIDE = """
return [...document.querySelectorAll('body, .sheet, main *:not(thead, thead *)')]
  .filter(e => e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).display !== 'inline'
               && !['auto', 'hidden'].includes(getComputedStyle(e).overflowX)
               || e.matches('.sheet') && e.scrollWidth > e.clientWidth + 1)
  .map(e => e.outerHTML.slice(0, 80));
"""

_UNNAMED = """
return [...document.querySelectorAll('input:not([type=hidden]), button, a, img')]
  .filter(e => !(e.labels && e.labels.length) && !e.textContent.trim() && e.alt === undefined)
  .map(e => e.outerHTML);
"""


@pytest.fixture(scope="module")
def shared_chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    with running_chromium(tmp_path_factory.mktemp("profile")) as running:
        yield running


@pytest.fixture
def chromium(shared_chromium: Chromium, website: Website) -> Chromium:
    """A desktop window without cookies, its console read to the end."""
    shared_chromium.open(website.url)
    shared_chromium.call("DELETE", "/cookie")
    shared_chromium.resize(1280, 800)
    shared_chromium.complaints()
    return shared_chromium


@pytest.fixture
def joe(dsn: str) -> dict[str, Any]:
    """A shop with every kind of payment, large amounts and a long name."""
    joes = shop("Giuseppe’s Extraordinarily Well-Named Trattoria & Delicatessen")
    store(dsn, report(0, 3, report=12, shops=[joes], rows=[
        row(1, joes, amount_cents=12_345_678, original_cents=12_345_678),
        row(2, joes, amount_cents=10_000_000, original_cents=12_000_000, status="corrected"),
        row(3, joes, amount_cents=0, original_cents=999, status="reversed",
            terminal_label="Terminal-with-a-very-long-name-and-no-space-in-it-at-all-really"),
    ]))  # fmt: skip
    make_login(dsn, "joe@example.com", joes)
    return joes


def _log_in(chromium: Chromium, website: Website) -> None:
    chromium.open(website.url + "/login")
    chromium.type("#email", "joe@example.com")
    chromium.type("#password", PASSWORD)
    chromium.click(".panel button")
    chromium.wait_for(".totals")


def test_a_shop_reads_its_figures_by_keyboard_alone(
    chromium: Chromium, website: Website, joe: dict[str, Any]
) -> None:
    chromium.open(website.url)
    chromium.press(_TAB)
    assert chromium.script("return document.activeElement.textContent") == "Skip to content"
    chromium.press(_TAB, _TAB)
    assert chromium.script("return document.activeElement.href") == website.url + "/login"
    chromium.press(_ENTER)
    chromium.wait_for("#email:focus")
    chromium.press(*"joe@example.com", _TAB, *PASSWORD, _ENTER)
    chromium.wait_for(".totals")
    assert "$223,456.78" in chromium.text(".totals")
    assert chromium.script("return getComputedStyle(document.body).color") != ""
    chromium.press(_TAB, _TAB)
    outline = "return getComputedStyle(document.activeElement).outlineStyle"
    assert chromium.script(outline) == "solid", "one sees where the keyboard is"


def test_the_policy_blocks_nothing_of_our_own(
    chromium: Chromium, website: Website, joe: dict[str, Any]
) -> None:
    for path in ("/", "/activate", "/login"):
        chromium.open(website.url + path)
    _log_in(chromium, website)
    chromium.open(chromium.url + "?period=7-days")
    assert chromium.complaints() == []
    assert "rgb(15, 92, 69)" in chromium.script(
        "return getComputedStyle(document.querySelector('.totals .main')).backgroundColor"
    )


@pytest.mark.parametrize("width", [360, 768, 1280])
def test_pages_fit_and_are_readable(
    chromium: Chromium, website: Website, joe: dict[str, Any], width: int
) -> None:
    chromium.resize(width, 740)
    for path in ("/", "/login", "/activate", "/nothing"):
        chromium.open(website.url + path)
        _assert_fits_and_readable(chromium)
    _log_in(chromium, website)
    page = chromium.url
    for query in ("", "?period=7-days", "?from=2026-02-02&to=2026-01-01", "?period=last-month"):
        chromium.open(page + query)
        _assert_fits_and_readable(chromium)


def _assert_fits_and_readable(chromium: Chromium) -> None:
    assert chromium.script(_TOO_WIDE) == [], chromium.url
    assert chromium.script(_UNNAMED) == [], chromium.url
    ratio, where = chromium.script(_WORST_CONTRAST)
    assert ratio >= 4.5, (chromium.url, where)
    assert chromium.script("return document.querySelectorAll('h1').length") == 1
    assert chromium.script("return document.documentElement.lang") == "en-US"


def test_scripts_cannot_read_the_cookie(
    chromium: Chromium, website: Website, joe: dict[str, Any]
) -> None:
    _log_in(chromium, website)
    assert chromium.script("return document.cookie") == ""
    (cookie,) = chromium.cookies()
    assert cookie["httpOnly"]
    assert cookie["sameSite"] == "Lax"


def test_after_log_out_the_back_button_shows_nothing(
    chromium: Chromium, website: Website, joe: dict[str, Any]
) -> None:
    _log_in(chromium, website)
    chromium.click(".account button")
    chromium.wait_for("img.done")
    chromium.call("POST", "/back")
    chromium.wait_for("#email")
    assert "$" not in chromium.text()


def test_another_page_can_neither_post_our_forms_nor_frame_our_pages(
    chromium: Chromium, website: Website, joe: dict[str, Any]
) -> None:
    _log_in(chromium, website)
    own = chromium.url
    # Same host, other port: the browser sends our cookie along, SameSite or not.
    evil = f"""<!doctype html><iframe src="{own}"></iframe>
        <form method="post" action="{website.url}/logout"><button>free lunch</button></form>"""
    with _serving(evil) as address:
        chromium.open(address)
        chromium.call("POST", "/frame", id=0)
        assert "Giuseppe" not in chromium.text()
        chromium.call("POST", "/frame", id=None)
        assert any("frame-ancestors" in each for each in chromium.complaints())
        chromium.click("button")
        chromium.wait_for("h1")
        assert "out of date" in chromium.text()
    chromium.open(own)
    assert "$223,456.78" in chromium.text(".totals"), "still logged in"


@contextmanager
def _serving(html: str) -> Iterator[str]:
    """Another site on the same machine."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(html.encode())

        def log_message(self, format: str, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
