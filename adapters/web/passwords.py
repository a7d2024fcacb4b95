"""Passwords: argon2id (RFC 9106), which ones are refused, and how many are hashed at a time.

Parameters: 64 MiB, 3 passes, 4 lanes, 16-byte salt, 32-byte hash: the second option that RFC 9106
section 4 recommends. A stored hash made with others is replaced at its next successful log-in.
"""

import asyncio
import unicodedata
from collections.abc import Callable
from typing import TypeVar

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError

MIN_LENGTH = 12
MAX_LENGTH = 128

_AT_A_TIME = 2  # 64 MiB each: bounds memory and leaves processor time for pages
_MAX_WAITING = 16

T = TypeVar("T")


class TooBusy(Exception):
    """More people want a password checked than are let wait; try again in a moment."""


class Passwords:
    """Hashes and verifies, off the event loop, a bounded number at a time."""

    def __init__(self) -> None:
        self._hasher = PasswordHasher(
            time_cost=3, memory_cost=65_536, parallelism=4, hash_len=32, salt_len=16, type=Type.ID
        )
        self._turn = asyncio.Semaphore(_AT_A_TIME)
        self._waiting = 0
        # Verified when no log-in has the e-mail, so that the answer takes as long as for one.
        self._nobody = self._hasher.hash("nobody has this password")

    async def hash(self, password: str) -> str:
        """The encoded argon2id hash. Raises `TooBusy`."""
        return await self._off_loop(lambda: self._hasher.hash(normalized(password)))

    async def verify(self, stored: str | None, password: str) -> bool:
        """Whether `password` is that of `stored`; None takes as long. Raises `TooBusy`."""
        right = await self._off_loop(lambda: self._matches(stored or self._nobody, password))
        return right and stored is not None

    def needs_rehash(self, stored: str) -> bool:
        """Whether `stored` was made with other parameters than today's."""
        return self._hasher.check_needs_rehash(stored)

    def _matches(self, stored: str, password: str) -> bool:
        try:
            return self._hasher.verify(stored, normalized(password))
        except (VerificationError, InvalidHashError):
            return False

    async def _off_loop(self, work: Callable[[], T]) -> T:
        if self._waiting >= _MAX_WAITING:
            raise TooBusy
        self._waiting += 1
        try:
            async with self._turn:
                return await asyncio.to_thread(work)
        finally:
            self._waiting -= 1


def normalized(password: str) -> str:
    """NFKC, so that the same characters typed on another keyboard match (NIST SP 800-63B)."""
    return unicodedata.normalize("NFKC", password)


def why_refused(password: str, *, email: str) -> str | None:
    """Why this password cannot be chosen, in words for its owner; None if it can."""
    text = normalized(password)
    if len(text) < MIN_LENGTH:
        return f"Use at least {MIN_LENGTH} characters. A few words in a row work well."
    if len(text) > MAX_LENGTH:
        return f"Use at most {MAX_LENGTH} characters."
    lowered = text.lower()
    if _is_repetitive(lowered) or any(bad in lowered for bad in _COMMON):
        return "This password is too easy to guess. A few unrelated words in a row work well."
    if lowered in (email.lower(), email.lower().split("@")[0]):
        return "Use a password that differs from your e-mail address."
    return None


_COMMON = (
    "password1234", "passwordpassword", "123456789012", "1234567890", "qwertyuiop", "abcdefghijkl",
    "letmeinletmein", "administrator", "ticketrestaurant",
)  # fmt: skip


def _is_repetitive(text: str) -> bool:
    """Fewer than five different characters, or a short piece repeated throughout."""
    if len(set(text)) < 5:
        return True
    return any(text == (text[:n] * len(text))[: len(text)] for n in range(1, 5))
