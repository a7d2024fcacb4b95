"""The site's own key, kept in its database so that several website processes share it."""

import hashlib
import hmac
import secrets

from adapters.web.database import Pool

_NAME = "site key 1"


class SiteSecret:
    """Keyed hashes under the site's key; the key is made at its first use."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._key: bytes | None = None

    async def keyed_hash(self, purpose: str, text: str) -> bytes:
        """HMAC-SHA-256 of `text`, separated by `purpose`. Raises `PoolTimeout` without database."""
        if self._key is None:
            self._key = await self._load_or_make()
        return hmac.digest(self._key, f"{purpose}\0{text}".encode(), hashlib.sha256)

    async def _load_or_make(self) -> bytes:
        async with self._pool.connection() as connection:
            await connection.execute(
                "INSERT INTO site_secret (name, secret) VALUES (%s, %s) ON CONFLICT DO NOTHING",
                (_NAME, secrets.token_bytes(32)),
            )
            found = await connection.execute(
                "SELECT secret FROM site_secret WHERE name = %s", (_NAME,)
            )
            row = await found.fetchone()
            assert row is not None, "just inserted"
            return bytes(row[0])
