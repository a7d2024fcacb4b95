"""Log-ins: who may see which shops, made once with an activation code."""

import hashlib
import re
from dataclasses import dataclass
from typing import Any

from psycopg import AsyncConnection

from adapters.web.config import Clock
from adapters.web.database import Pool

CODE_LIFETIME_US = 30 * 24 * 3600 * 1_000_000

_EMAIL = re.compile(r"[^\s@\x00-\x1f\x7f]{1,64}@[^\s@\x00-\x1f\x7f.]+(\.[^\s@\x00-\x1f\x7f.]+)+")
_MAX_EMAIL = 254
_CODE_LETTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")  # base 32, RFC 4648


@dataclass(frozen=True, slots=True)
class Login:
    """A log-in and its encoded argon2id hash."""

    login_id: int
    password_hash: str


@dataclass(frozen=True, slots=True)
class UsableCode:
    """An activation code that nobody has used yet."""

    code_sha256: bytes
    shop_name: str


def plain_email(text: str) -> str | None:
    """`text` as it is stored and compared (lower case), or None if it is no e-mail address."""
    email = text.strip().lower()
    if len(email) > _MAX_EMAIL or _EMAIL.fullmatch(email) is None:
        return None
    return email


def _hashes_of(code: str) -> list[bytes]:
    """Of the code as typed, and as it was printed: groups of five capitals and digits."""
    typed = code.strip()
    letters = "".join(c for c in typed.upper() if c in _CODE_LETTERS)
    printed = "-".join(letters[at : at + 5] for at in range(0, len(letters), 5))
    return [hashlib.sha256(each.encode()).digest() for each in (typed, printed)]


class Logins:
    """Log-ins and activation codes in the website's database."""

    def __init__(self, pool: Pool, clock: Clock) -> None:
        self._pool = pool
        self._clock = clock

    async def find(self, email: str) -> Login | None:
        """The log-in of this e-mail address, already in lower case."""
        async with self._pool.connection() as connection:
            found = await connection.execute(
                "SELECT login_id, password_hash FROM login WHERE email = %s", (email,)
            )
            row = await found.fetchone()
            return Login(row[0], row[1]) if row else None

    async def replace_hash(self, login_id: int, *, old: str, new: str) -> None:
        """Store a hash made with today's parameters, unless the password changed meanwhile."""
        async with self._pool.connection() as connection:
            await connection.execute(
                "UPDATE login SET password_hash = %s WHERE login_id = %s AND password_hash = %s",
                (new, login_id, old),
            )

    async def usable_code(self, code: str) -> UsableCode | None:
        """The activation that `code` stands for, if it can still be used."""
        async with self._pool.connection() as connection:
            found = await connection.execute(
                """SELECT code_sha256, name FROM activation JOIN shop USING (shop_id)
                   WHERE code_sha256 = ANY(%s) AND used_us IS NULL AND received_us > %s""",
                (_hashes_of(code), self._clock() - CODE_LIFETIME_US),
            )
            row = await found.fetchone()
            return UsableCode(bytes(row[0]), row[1]) if row else None

    async def activate_new(self, code: UsableCode, email: str, password_hash: str) -> int | None:
        """Use `code` up for a new log-in; its id, or None if code or e-mail were just taken."""
        async with self._pool.connection() as connection:
            made = await connection.execute(
                """INSERT INTO login (email, password_hash, created_us) VALUES (%s, %s, %s)
                   ON CONFLICT (email) DO NOTHING RETURNING login_id""",
                (email, password_hash, self._clock()),
            )
            row = await made.fetchone()
            if row is not None and await self._use_up(connection, code, row[0]):
                return int(row[0])
            await connection.rollback()
            return None

    async def activate_existing(self, code: UsableCode, login_id: int) -> bool:
        """Use `code` up to add its shop to a log-in whose password was just verified."""
        async with self._pool.connection() as connection, connection.transaction():
            return await self._use_up(connection, code, login_id)

    async def _use_up(
        self, connection: AsyncConnection[Any], code: UsableCode, login_id: int
    ) -> bool:
        """False if somebody else used the code in this moment."""
        used = await connection.execute(
            """UPDATE activation SET used_us = %s, used_by = %s
               WHERE code_sha256 = %s AND used_us IS NULL RETURNING shop_id""",
            (self._clock(), login_id, code.code_sha256),
        )
        row = await used.fetchone()
        if row is None:
            return False
        await connection.execute(
            "INSERT INTO login_shop (login_id, shop_id) VALUES (%s, %s) ON CONFLICT DO NOTHING",
            (login_id, row[0]),
        )
        return True
