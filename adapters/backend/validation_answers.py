"""What the gateway asks for on behalf of anybody who checks certificates: CRL, OCSP, authorities.

Nothing here is secret: it is what RFC 5280 and RFC 6960 publish. Signing is a matter of the HSM, so
it runs in its lane. The list is made anew when something was revoked, and before it grows old.
"""

import logging
import re
import time
from collections.abc import Callable
from typing import Final

from adapters.backend.hsm_lane import HsmLane
from adapters.hsm.validation import CRL_HOURS, Validation

log = logging.getLogger(__name__)
OCSP: Final = "ocsp"
_PUBLISHED: Final = re.compile("(root|issuing|link|crl|crl-root)(?:-([1-9][0-9]?))?")
_CRL_FRESH_S: Final = CRL_HOURS * 3600 / 4
Tell = Callable[[bytes], None]
"""Gets the answer; empty bytes where there is none now."""


class ValidationAnswers:
    """For the event loop.

    An issuing key's certificate is asked for as `issuing`, its list as `crl`, those of later
    generations as `issuing-2`, `crl-2` and so on; a root's as `root`, `crl-root`, `root-2`,
    `crl-root-2`, and the link to it as `link-2`.
    """

    def __init__(
        self,
        lane: HsmLane,
        validation: Validation,
        revoked_count: Callable[[], int],
        ready: Callable[[], bool],
    ) -> None:
        self._lane = lane
        self._validation = validation
        self._revoked_count = revoked_count
        self._ready = ready
        self._lists: dict[tuple[str, int], _List] = {}

    def asked(self, what: str, body: bytes, tell: Tell) -> None:
        """One question; `tell` is called exactly once, now or later."""
        named = _PUBLISHED.fullmatch(what)
        kind, generation = (named[1], int(named[2] or 1)) if named else (what, 0)
        if kind in ("root", "link"):
            tell(self._validation.root(generation, link=kind == "link"))
        elif kind == "issuing":
            tell(self._validation.certificate(generation))
        elif not self._ready():
            tell(b"")
        elif named:
            self._tell_crl(kind, generation, tell)
        elif what == OCSP:
            if not self._lane.submit(
                lambda: self._validation.answer(body), lambda result: tell(_bytes(result))
            ):
                tell(b"")
        else:
            tell(b"")

    def _tell_crl(self, kind: str, generation: int, tell: Tell) -> None:
        of_root = kind == "crl-root"
        of = self._validation.root if of_root else self._validation.certificate
        if not of(generation):
            tell(b"")
            return
        known = self._lists.setdefault((kind, generation), _List())
        old = time.monotonic() - known.made_s > _CRL_FRESH_S
        count = self._revoked_count()
        if known.der and not old and count == known.revoked:
            tell(known.der)
            return
        known.waiting.append(tell)
        if len(known.waiting) > 1:
            return  # one is being made
        if not self._lane.submit(
            lambda: self._validation.crl(generation, of_root=of_root),
            lambda result: _made(known, count, result),
        ):
            _made(known, count, b"")


class _List:
    """The newest list of one key, and who waits for the next."""

    def __init__(self) -> None:
        self.der = b""
        self.revoked = -1
        self.made_s = 0.0
        self.waiting: list[Tell] = []


def _made(known: _List, count: int, result: object) -> None:
    made = _bytes(result)
    if made:
        known.der, known.revoked, known.made_s = made, count, time.monotonic()
    waiting, known.waiting = known.waiting, []
    for tell in waiting:
        tell(made)


def _bytes(result: object) -> bytes:
    if isinstance(result, bytes):
        return result
    log.warning("no answer about certificates: %s", type(result).__name__)
    return b""
