"""Sessions of people who logged in: kept on the server, ended by idleness, age or log-out."""

import hashlib
import re
import secrets
from dataclasses import dataclass

from adapters.web.config import Clock
from adapters.web.database import Pool

IDLE_US = 30 * 60 * 1_000_000
ABSOLUTE_US = 12 * 3600 * 1_000_000

_TOUCH_US = 30 * 1_000_000  # a busy page writes "last seen" at most this often

_COOKIE = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """Who a session belongs to."""

    login_id: int
    email: str


def new_cookie() -> str:
    """A value nobody can guess: 256 random bits, base64url."""
    return secrets.token_urlsafe(32)


def is_cookie(value: str) -> bool:
    """Whether `value` has the form of one of our cookies."""
    return _COOKIE.fullmatch(value) is not None


class Sessions:
    """Server-side sessions; a cookie value is stored as its SHA-256 only."""

    def __init__(self, pool: Pool, clock: Clock) -> None:
        self._pool = pool
        self._clock = clock

    async def start(self, login_id: int, *, replaces: str) -> str:
        """Begin a session; the cookie that came with the request never becomes its id."""
        cookie, now_us = new_cookie(), self._clock()
        async with self._pool.connection() as connection:
            await connection.execute(
                "DELETE FROM web_session WHERE id_sha256 = %s", (_hashed(replaces),)
            )
            await connection.execute(
                """INSERT INTO web_session (id_sha256, login_id, started_us, last_seen_us)
                   VALUES (%s, %s, %s, %s)""",
                (_hashed(cookie), login_id, now_us, now_us),
            )
        return cookie

    async def find(self, cookie: str) -> LoggedIn | None:
        """Who holds this cookie, if their session is still good; marks it as seen."""
        now_us = self._clock()
        async with self._pool.connection() as connection:
            found = await connection.execute(
                """SELECT login_id, email, last_seen_us FROM web_session JOIN login USING (login_id)
                   WHERE id_sha256 = %s AND started_us > %s AND last_seen_us > %s""",
                (_hashed(cookie), now_us - ABSOLUTE_US, now_us - IDLE_US),
            )
            row = await found.fetchone()
            if row is None:
                return None
            if row[2] < now_us - _TOUCH_US:
                await connection.execute(
                    "UPDATE web_session SET last_seen_us = %s WHERE id_sha256 = %s",
                    (now_us, _hashed(cookie)),
                )
            return LoggedIn(row[0], row[1])

    async def end(self, cookie: str) -> None:
        """Log out: the cookie opens nothing from now on."""
        async with self._pool.connection() as connection:
            await connection.execute(
                "DELETE FROM web_session WHERE id_sha256 = %s", (_hashed(cookie),)
            )

    async def forget_old(self) -> None:
        """Delete sessions that are over."""
        now_us = self._clock()
        async with self._pool.connection() as connection:
            await connection.execute(
                "DELETE FROM web_session WHERE started_us <= %s OR last_seen_us <= %s",
                (now_us - ABSOLUTE_US, now_us - IDLE_US),
            )


def _hashed(cookie: str) -> bytes:
    return hashlib.sha256(cookie.encode()).digest()
