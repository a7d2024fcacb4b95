"""The website as a real process, and a browser-like client for it."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

_ROOT = Path(__file__).parents[3]
_START = """
import sys
from pathlib import Path
from adapters.web.config import WebConfig
from adapters.web.server import run
dsn, port, public_url, identity, proxies = sys.argv[1:]
run(WebConfig(dsn=dsn, port=int(port), public_url=public_url,
              identity=Path(identity) if identity else None, trusted_proxies=proxies))
"""


@dataclass(frozen=True)
class Website:
    """A running website process."""

    url: str
    port: int
    process: subprocess.Popen[bytes]
    log: Path

    def client(self) -> "Browser":
        return Browser(base_url=self.url, timeout=30)

    def wait_until_healthy(self) -> None:
        """Until it reaches its database."""
        deadline = time.monotonic() + 20
        while httpx.get(self.url + "/healthz").status_code != 200:
            assert time.monotonic() < deadline, self.log_text()
            time.sleep(0.1)

    def log_text(self) -> str:
        return self.log.read_text()


class Browser(httpx.Client):
    """Keeps cookies and fills in the token of the form it was sent."""

    def token(self, path: str) -> str:
        """The hidden field of the form at `path`."""
        found = re.search(r'name="form_token" value="([0-9a-f]+)"', self.get(path).text)
        assert found, f"no form at {path}"
        return found.group(1)

    def submit(self, path: str, **fields: str) -> httpx.Response:
        """Open the form at `path`, fill it in and send it."""
        return self.post(path, data={"form_token": self.token(path), **fields})

    def log_in(self, email: str, password: str) -> httpx.Response:
        return self.submit("/login", email=email, password=password)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running_website(
    dsn: str,
    folder: Path,
    *,
    public_url: str = "",
    identity: Path | None = None,
    proxies: str = "",
) -> Iterator[Website]:
    """The process, answering on a free port; ended with SIGTERM."""
    port = free_port()
    log = folder / f"website-{port}.log"
    arguments = [dsn, str(port), public_url, str(identity or ""), proxies]
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-c", _START, *arguments],
            cwd=_ROOT, env={**os.environ, "PYTHONPATH": str(_ROOT)}, stdout=out, stderr=out,
        )  # fmt: skip
    website = Website(f"http://127.0.0.1:{port}", port, process, log)
    try:
        _wait_until_up(website)
        yield website
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_up(website: Website) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            httpx.get(website.url)
        except httpx.TransportError:
            assert website.process.poll() is None, website.log_text()
            assert time.monotonic() < deadline, website.log_text()
            time.sleep(0.05)
        else:
            return
