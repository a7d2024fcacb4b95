"""Section 8, second half: the shop logs in on the website and finds the same totals there."""

import asyncio
import secrets
import shlex
import time
from dataclasses import dataclass, field
from typing import Any, Final, Self

from adapters.cli.demo.books import Settlement
from adapters.cli.demo.browser import Browser, Page
from adapters.cli.demo.narration import Narrator
from adapters.cli.demo.programs import Failed
from adapters.cli.demo.town import Town

_NEWS_S: Final = 20.0
_LOOK_EVERY_S: Final = 0.1


@dataclass(frozen=True, slots=True)
class Access:
    """Where the shop logs in, and with what."""

    url: str
    email: str
    password: str = field(repr=False)


class Website:
    """The shop's owner at a browser."""

    def __init__(self, narrator: Narrator, town: Town, status: dict[str, Any]) -> None:
        """`status` is what `status --json` said: it names the address."""
        self._narrator, self._town = narrator, town
        self._dump = str(status["website_database"]["dump_command"])
        self.access = Access(
            str(status["website_url"]).rstrip("/"), town.shop_email, secrets.token_urlsafe(12)
        )
        self._browser = Browser(self.access.url)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._browser.close()

    async def log_in(self) -> None:
        """Activation, log-out, log-in. Raises narration.Broken."""
        narrator, browser, access = self._narrator, self._browser, self.access
        with narrator.step(
            "the shop makes its log-in on the website, with its one-time activation code",
            expected=f"logged in, on the page of {self._town.shop_name}",
        ) as step:
            await self._reported()
            form = await browser.open("/activate")
            page = await browser.post(
                form, "/activate", code=self._town.activation_code, email=access.email,
                password=access.password, password_again=access.password,
            )  # fmt: skip
            own = page.path == f"/shops/{self._town.shop}"
            step.saw(f"{'logged in, on' if own else 'at ' + page.path + ':'} {_head(page)}", own)
        with narrator.step(
            "its password is in the website's database as a hash only", expected="argon2id"
        ) as step:
            kind = await self._kept_as()
            step.saw(kind, kind.startswith("argon2id"))
        await browser.post(page, "/logout")
        with narrator.step(
            "a log-in form that another site made, without our hidden token (CSRF)",
            expected="403, and nobody is logged in",
        ) as step:
            form = await browser.open("/login")
            foreign = await browser.post(
                form, "/login", hidden=False, email=access.email, password=access.password
            )
            after = await browser.open("/shops")
            step.saw(
                f"{foreign.status}, {foreign.problem}",
                foreign.status == 403 and after.path == "/login",
            )
        with narrator.step(
            "the shop logs in with e-mail address and password",
            expected="its page, under a new session id; the one before opens nothing",
        ) as step:
            before = browser.cookie
            page = await browser.post(
                await browser.open("/login"), "/login", email=access.email, password=access.password
            )
            renewed = browser.cookie not in ("", before)
            old = await browser.open_with(before, "/shops")
            step.saw(
                f"{_head(page)}; session id {'renewed' if renewed else 'NOT renewed'};"
                f" with the old one: {old.problem}",
                page.path == f"/shops/{self._town.shop}" and renewed and old.path == "/login",
            )

    async def shows(self, export: Settlement) -> None:
        """The page of the same period. Raises narration.Broken."""
        wanted = export.in_words
        with self._narrator.step(
            "the shop's page shows the same totals as the export", expected=wanted
        ) as step:
            deadline_s = time.monotonic() + _NEWS_S
            while True:
                page = await self._browser.open(f"/shops/{self._town.shop}?{export.query}")
                seen = _totals(page)
                if seen == wanted or time.monotonic() > deadline_s:
                    break
                await asyncio.sleep(_LOOK_EVERY_S)
            step.compare(seen)
            as_of = "//p[contains(@class, 'as-of')]"
            step.note(f"as of {page.text(as_of + '/time')}, {page.text(as_of + '/span')}")

    async def _reported(self) -> None:
        """Waits until the last report is younger than the shop. Raises Failed."""
        deadline_s = time.monotonic() + _NEWS_S
        while True:
            health = await self._browser.json("/healthz")
            if (health.get("as_of_us") or 0) >= self._town.registered_us:
                return
            if time.monotonic() > deadline_s:
                raise Failed(f"the website got no report of the shop within {_NEWS_S:.0f} s")
            await asyncio.sleep(_LOOK_EVERY_S)

    async def _kept_as(self) -> str:
        """How the log-in's row shows the password, in a dump of the website's database."""
        process = await asyncio.create_subprocess_exec(
            *shlex.split(self._dump), "--data-only", "--table=login",
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        dump = (await process.communicate())[0].decode()
        if self.access.password in dump:
            return "readable text"
        rows = [line for line in dump.splitlines() if self.access.email in line]
        if len(rows) != 1 or "$" not in rows[0]:
            return "not found"
        _, kind, version, parameters, *_ = rows[0].split("$")
        return f"{kind}, {version}, {parameters}"


def _head(page: Page) -> str:
    return page.text("//h1") or f"status {page.status}"


def _totals(page: Page) -> str:
    """The four figures above the page's table, in the words of `Settlement.in_words`."""
    found = {
        name: page.text(f"//dl[@class='totals']/div[dt='{name}']/dd")
        for name in ("Total", "Payments", "Corrected", "Reversed")
    }
    return (
        f"total {found['Total']} for {found['Payments']} payments,"
        f" {found['Corrected']} corrected, {found['Reversed']} reversed besides"
    )
