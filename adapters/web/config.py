"""What the website process is told at its start; it reads no settings itself."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

Clock = Callable[[], int]
"""The current time in microseconds since 1970 UTC."""


def system_clock() -> int:
    """The machine's clock, in microseconds since 1970 UTC."""
    return time.time_ns() // 1_000


@dataclass(frozen=True, kw_only=True, slots=True)
class WebConfig:
    """Settings of one website process.

    `dsn` names the website's own database. `identity` is the identity folder of role `website`
    (certificates, keys, the gateway's address); without it the pages work and no news arrives.
    `gateway` is host and port in place of the address there, which in a copy of a state folder is
    that of the original.
    `public_url` is what people type; cookies are `Secure` when it is https. `trusted_proxies` are
    the addresses (comma separated) whose `X-Forwarded-For` is believed; empty believes nobody.
    `monitor_port`: of health and metrics for this machine, 0 for none; `home` is the state folder,
    of which the monitor reads a small file.
    """

    dsn: str
    port: int
    host: str = "127.0.0.1"
    public_url: str = ""
    identity: Path | None = None
    gateway: tuple[str, int] | None = None
    trusted_proxies: str = ""
    monitor_host: str = "127.0.0.1"
    monitor_port: int = 0
    home: Path | None = None

    @property
    def https(self) -> bool:
        """Whether people reach the site over https."""
        return urlsplit(self.public_url).scheme == "https"

    @property
    def allowed_hosts(self) -> frozenset[str]:
        """The `Host` headers that are answered: anything else is somebody's DNS trick."""
        local = {f"{name}:{self.port}" for name in ("127.0.0.1", "localhost", self.host)}
        public = urlsplit(self.public_url).netloc.lower()
        return frozenset(local | ({public} if public else set()))
