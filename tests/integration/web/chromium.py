"""Debian's Chromium, driven through chromedriver with plain WebDriver calls (W3C)."""

import base64
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.integration.web.website_process import free_port

DRIVER = shutil.which("chromedriver")
_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
_FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--hide-scrollbars",
]  # fmt: skip


class Chromium:
    """One browser window."""

    def __init__(self, driver: httpx.Client, profile: Path) -> None:
        options = {"args": [*_FLAGS, f"--user-data-dir={profile}"]}
        capabilities = {
            "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL"},
        }
        made = driver.post("/session", json={"capabilities": {"alwaysMatch": capabilities}})
        self._session = f"/session/{made.json()['value']['sessionId']}"
        self._driver = driver
        # A window that nobody looks at has no focus, and `:focus` fits nothing in it.
        self.command("Emulation.setFocusEmulationEnabled", enabled=True)

    def call(self, method: str, path: str, **body: Any) -> Any:
        answer = self._driver.request(
            method, self._session + path, json=body if method == "POST" else None
        ).json()["value"]
        if isinstance(answer, dict) and "error" in answer:
            raise AssertionError(f"{answer['error']}: {answer['message']}")
        return answer

    def open(self, url: str) -> None:
        self.call("POST", "/url", url=url)

    def script(self, code: str, *values: Any) -> Any:
        return self.call("POST", "/execute/sync", script=code, args=list(values))

    def resize(self, width: int, height: int) -> None:
        """The size of the page itself, as a phone of that width would have it."""
        self.command("Emulation.setDeviceMetricsOverride", width=width, height=height,
                     deviceScaleFactor=1, mobile=False)  # fmt: skip

    def command(self, name: str, **parameters: Any) -> Any:
        """One of Chromium's own commands."""
        return self.call("POST", "/goog/cdp/execute", cmd=name, params=parameters)

    def type(self, selector: str, text: str) -> None:
        element = self._find(selector)
        self.call("POST", f"/element/{element}/clear")
        self.call("POST", f"/element/{element}/value", text=text)

    def press(self, *keys: str) -> None:
        """Keys to whatever has the focus, as a keyboard sends them."""
        actions = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        self.call("POST", "/actions", actions=[{"type": "key", "id": "k", "actions": actions}])

    def click(self, selector: str) -> None:
        self.call("POST", f"/element/{self._find(selector)}/click")

    def wait_for(self, selector: str) -> None:
        """Until the page that a click led to shows `selector`."""
        deadline = time.monotonic() + 15
        while not self.call("POST", "/elements", using="css selector", value=selector):
            assert time.monotonic() < deadline, f"{selector} never came: {self.text()}"
            time.sleep(0.05)

    def text(self, selector: str = "body") -> str:
        return str(self.call("GET", f"/element/{self._find(selector)}/text"))

    @property
    def url(self) -> str:
        return str(self.call("GET", "/url"))

    def cookies(self) -> list[dict[str, Any]]:
        return list(self.call("GET", "/cookie"))

    def complaints(self) -> list[str]:
        """What the browser's console complains about, a broken policy among it."""
        entries = self.call("POST", "/se/log", type="browser")
        return [str(entry["message"]) for entry in entries]

    def screenshot(self, path: Path) -> None:
        """The whole page, not only what fits the window."""
        shot = self.command("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(shot["data"]))

    def pdf(self) -> bytes:
        """The page as it prints."""
        return base64.b64decode(self.call("POST", "/print", background=True))

    def close(self) -> None:
        self._driver.delete(self._session)

    def _find(self, selector: str) -> str:
        found = self.call("POST", "/element", using="css selector", value=selector)
        return str(found[_ELEMENT])


@contextmanager
def running_chromium(profile: Path) -> Iterator[Chromium]:
    """A browser with an empty profile."""
    assert DRIVER is not None, "ask DRIVER first"
    port = free_port()
    process = subprocess.Popen(
        [DRIVER, f"--port={port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as driver:
            _wait_until_ready(driver)
            browser = Chromium(driver, profile)
            try:
                yield browser
            finally:
                browser.close()
    finally:
        process.terminate()
        process.wait(15)


def _wait_until_ready(driver: httpx.Client) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            if driver.get("/status").json()["value"]["ready"]:
                return
        except httpx.TransportError:
            assert time.monotonic() < deadline
        time.sleep(0.05)
