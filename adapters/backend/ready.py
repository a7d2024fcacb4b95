"""The body of READY: the time, the limits, the HSM's key for PIN blocks, certified."""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from adapters.backend.sessions import Peer
from adapters.clock import system_now_us
from protocol.encoding import b64

log = logging.getLogger(__name__)


class Ready:
    """What each session is told as it opens. Which PIN key it was shown, the session remembers."""

    def __init__(
        self,
        generation: int,
        key: ec.EllipticCurvePublicKey,
        chain: Sequence[x509.Certificate],
        now_us: Callable[[], int] = system_now_us,
        roots: Callable[[], Mapping[str, Any]] = dict,
    ) -> None:
        """Without a chain, leaf first, devices take no PIN. `now_us` is what devices are told,
        `roots` what they are told of those."""
        self._roots = roots
        self._now_us = now_us
        self.use_pin_key(generation, key, chain)
        if not chain:
            log.warning("no certificate of the PIN key: run 'ticketrestaurant init'")

    def use_pin_key(
        self, generation: int, key: ec.EllipticCurvePublicKey, chain: Sequence[x509.Certificate]
    ) -> None:
        """What sessions that open from now on seal PINs to; for any thread."""
        spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        shown: dict[str, Any] = {"pin_key": b64(spki)}
        if chain:
            shown["pin_certificate"] = [b64(each.public_bytes(Encoding.DER)) for each in chain]
        self._pin = generation, shown

    def __call__(self, peer: Peer) -> Mapping[str, Any]:
        """For one device."""
        peer.session.pin_key, pin = self._pin
        return {
            "time_ms": self._now_us() // 1_000,
            "limits": {"line_bytes": 65_536, "outstanding": 64, "clock_off_ms": 300_000},
            **pin,
            **self._roots(),
        }
