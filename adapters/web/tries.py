"""Limits on guessing: failed tries per account and per address, kept in the database.

A try is counted before it is made and given back when it succeeds, so that a thousand guesses sent
at once are not all allowed. Limits are asked from the narrowest to the widest, and a refused try
does not count for the wider ones: one address alone cannot lock a shop out everywhere.
"""

from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

from adapters.web.config import Clock
from adapters.web.database import Pool
from adapters.web.secret import SiteSecret

WINDOW_US = 15 * 60 * 1_000_000


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `failures` failed tries in a window of fifteen minutes from the first."""

    name: str
    failures: int


ACCOUNT_FROM_ADDRESS = Limit("account from address", 5)
ADDRESS = Limit("address", 30)
ACCOUNT = Limit("account", 20)
ACTIVATION_FROM_ADDRESS = Limit("activation from address", 10)


@dataclass(frozen=True, slots=True)
class Allowed:
    """The try may be made; `subjects` are where it was counted."""

    subjects: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class TooManyTries:
    """The try may not be made before `retry_s` seconds have passed."""

    retry_s: int


class Tries:
    """Counts failed tries; subjects are stored as keyed hashes only."""

    def __init__(self, pool: Pool, secret: SiteSecret, clock: Clock) -> None:
        self._pool = pool
        self._secret = secret
        self._clock = clock

    async def log_in(self, email: str, address: str) -> Allowed | TooManyTries:
        """Count one try to log in as `email` from `address`; the same whether `email` exists."""
        network = network_of(address)
        return await self._count(
            [
                (ACCOUNT_FROM_ADDRESS, f"{email}\0{network}"),
                (ADDRESS, network),
                (ACCOUNT, email),
            ]
        )

    async def activation(self, address: str) -> Allowed | TooManyTries:
        """Count one try to use an activation code from `address`."""
        return await self._count([(ACTIVATION_FROM_ADDRESS, network_of(address))])

    async def succeeded(self, allowed: Allowed) -> None:
        """The try was no guess: take it back, and forgive its narrowest count altogether."""
        await self.take_back(allowed)
        async with self._pool.connection() as connection:
            await connection.execute(
                "DELETE FROM failed_try WHERE subject = %s", (allowed.subjects[0],)
            )

    async def take_back(self, allowed: Allowed) -> None:
        """The try was not made after all: it counts nowhere, and those before it still do."""
        async with self._pool.connection() as connection:
            for subject in allowed.subjects:
                await connection.execute(
                    "UPDATE failed_try SET failures = greatest(failures - 1, 0) WHERE subject = %s",
                    (subject,),
                )

    async def forget_old(self) -> None:
        """Delete what no longer limits anybody."""
        async with self._pool.connection() as connection:
            await connection.execute(
                "DELETE FROM failed_try WHERE window_started_us <= %s",
                (self._clock() - WINDOW_US,),
            )

    async def _count(self, limits: list[tuple[Limit, str]]) -> Allowed | TooManyTries:
        now_us = self._clock()
        subjects: list[bytes] = []
        for limit, subject in limits:
            hashed = await self._secret.keyed_hash(f"failed try: {limit.name}", subject)
            failures, started_us = await self._count_one(hashed, now_us)
            if failures > limit.failures:
                return TooManyTries(max(1, -(-(started_us + WINDOW_US - now_us) // 1_000_000)))
            subjects.append(hashed)
        return Allowed(tuple(subjects))

    async def _count_one(self, subject: bytes, now_us: int) -> tuple[int, int]:
        """Failures of `subject` with this one, and when its window began."""
        async with self._pool.connection() as connection:
            counted = await connection.execute(
                """INSERT INTO failed_try AS known (subject, window_started_us, failures)
                   VALUES (%(subject)s, %(now)s, 1)
                   ON CONFLICT (subject) DO UPDATE SET
                     window_started_us = CASE WHEN known.window_started_us <= %(old)s
                                              THEN %(now)s ELSE known.window_started_us END,
                     failures = CASE WHEN known.window_started_us <= %(old)s
                                     THEN 1 ELSE least(known.failures + 1, 1000000) END
                   RETURNING failures, window_started_us""",
                {"subject": subject, "now": now_us, "old": now_us - WINDOW_US},
            )
            row = await counted.fetchone()
            assert row is not None, "INSERT … RETURNING gives a row"
            return int(row[0]), int(row[1])


def network_of(address: str) -> str:
    """What counts as one address: an IPv4 address, or the /64 that one IPv6 customer holds."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(IPv6Address(int(parsed) >> 64 << 64)) + "/64"
    return str(parsed)
