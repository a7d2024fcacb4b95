"""What the gateway asks for on behalf of anybody who checks certificates: CRL, OCSP, authorities.

Nothing here is secret: it is what RFC 5280 and RFC 6960 publish. Signing is a matter of the HSM, so
it runs in its lane. The list is made anew when something was revoked, and before it grows old.
"""

import logging
import time
from collections.abc import Callable
from typing import Final

from adapters.backend.hsm_lane import HsmLane
from adapters.hsm.validation import CRL_HOURS, Validation

log = logging.getLogger(__name__)
OCSP, CRL = "ocsp", "crl"
_CRL_FRESH_S: Final = CRL_HOURS * 3600 / 4
Tell = Callable[[bytes], None]
"""Gets the answer; empty bytes where there is none now."""


class ValidationAnswers:
    """For the event loop. `certificates`: DER of authorities by the name they are asked for."""

    def __init__(
        self,
        lane: HsmLane,
        validation: Validation,
        certificates: dict[str, bytes],
        revoked_count: Callable[[], int],
        ready: Callable[[], bool],
    ) -> None:
        self._lane = lane
        self._validation = validation
        self._certificates = certificates
        self._revoked_count = revoked_count
        self._ready = ready
        self._crl = b""
        self._crl_of = -1
        self._crl_made_s = 0.0
        self._crl_waiting: list[Tell] = []

    def asked(self, what: str, body: bytes, tell: Tell) -> None:
        """One question; `tell` is called exactly once, now or later."""
        if what in self._certificates:
            tell(self._certificates[what])
        elif not self._ready():
            tell(b"")
        elif what == CRL:
            self._tell_crl(tell)
        elif what == OCSP:
            if not self._lane.submit(
                lambda: self._validation.answer(body), lambda result: tell(_bytes(result))
            ):
                tell(b"")
        else:
            tell(b"")

    def _tell_crl(self, tell: Tell) -> None:
        old = time.monotonic() - self._crl_made_s > _CRL_FRESH_S
        count = self._revoked_count()
        if self._crl and not old and count == self._crl_of:
            tell(self._crl)
            return
        self._crl_waiting.append(tell)
        if len(self._crl_waiting) > 1:
            return  # one is being made
        if not self._lane.submit(self._validation.crl, lambda result: self._made(count, result)):
            self._made(count, b"")

    def _made(self, count: int, result: object) -> None:
        made = _bytes(result)
        if made:
            self._crl, self._crl_of, self._crl_made_s = made, count, time.monotonic()
        waiting, self._crl_waiting = self._crl_waiting, []
        for tell in waiting:
            tell(made)


def _bytes(result: object) -> bytes:
    if isinstance(result, bytes):
        return result
    log.warning("no answer about certificates: %s", type(result).__name__)
    return b""
