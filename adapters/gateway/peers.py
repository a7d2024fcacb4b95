"""The relay between two devices: a card's order goes to a terminal and never to the backend.

A card calls with `HELLO <terminal id> <offer>`; the terminal answers under a session whose first
half is that offer; from then on both name the session. Every route is kept at both ends.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from adapters.gateway.config import GatewayConfig
from adapters.gateway.counters import Counters
from adapters.gateway.notices import PEER_GONE_TEXT, refusal
from protocol.errors import BUSY, FORBIDDEN, NO_SUCH_PEER, RATE_LIMITED

if TYPE_CHECKING:
    from adapters.gateway.device import DeviceConnection

OFFER_BYTES: Final = 16
SESSION_BYTES: Final = 32
CALLER_ROLE: Final = "card"
TERMINAL_ROLE: Final = "pos"


class PeerRelay:
    """Routes lines whose `to` is a terminal or `peer`. `bound`: the newest connection by device."""

    def __init__(
        self,
        config: GatewayConfig,
        counters: Counters,
        bound: Mapping[bytes, "DeviceConnection"],
    ) -> None:
        self._config = config
        self._counters = counters
        self._bound = bound

    def to_terminal(self, caller: "DeviceConnection", line: bytes) -> None:
        """A line addressed by terminal id: a call, or the PROVE that follows it."""
        _, kind, verb, to, session, _ = line.split(b" ", 5)
        other = caller.peers.get(session)
        if other is not None and other.device_id == to:
            self._forward(caller, other, line, session)
        elif kind == b"C" and verb == b"HELLO" and len(session) == OFFER_BYTES:
            self._call(caller, to, line, session)
        else:
            caller.refuse(NO_SUCH_PEER, session)

    def to_peer(self, sender: "DeviceConnection", line: bytes) -> None:
        """A line addressed to the other end of a relayed session."""
        _, _, verb, _, session, _ = line.split(b" ", 5)
        other = sender.peers.get(session) or self._answered(sender, session)
        if other is None:
            sender.refuse(NO_SUCH_PEER, session)
            return
        self._forward(sender, other, line, session)
        if verb == b"ERROR" and len(session) == OFFER_BYTES:
            _forget(sender, session)

    def end_all(self, gone: "DeviceConnection") -> None:
        """The other ends of all its sessions hear that `gone` is gone."""
        for session in list(gone.peers):
            other = _forget(gone, session)
            if other is not None:
                other.send(refusal(NO_SUCH_PEER, session, PEER_GONE_TEXT))

    def expire(self, terminal: "DeviceConnection", now_s: float) -> None:
        """Calls that the terminal did not answer in time are forgotten; the caller hears it."""
        late = [offer for offer, until_s in terminal.offers.items() if until_s <= now_s]
        for offer in late:
            caller = _forget(terminal, offer)
            if caller is not None:
                caller.refuse(NO_SUCH_PEER, offer)

    def _call(
        self, caller: "DeviceConnection", terminal_id: bytes, line: bytes, offer: bytes
    ) -> None:
        terminal = self._bound.get(terminal_id)
        if caller.role != CALLER_ROLE:
            caller.refuse(FORBIDDEN, offer)
        elif terminal is None or terminal.role != TERMINAL_ROLE:
            caller.refuse(NO_SUCH_PEER, offer)
        elif not caller.handshakes.take():
            caller.refuse(RATE_LIMITED, offer)
        elif offer in caller.peers or not self._takes(terminal, offer):
            caller.refuse(BUSY, offer)
        else:
            if len(caller.peers) >= self._config.max_peers_of_caller:
                self._end(caller, next(iter(caller.peers)))
            caller.peers[offer] = terminal
            terminal.peers[offer] = caller
            terminal.offers[offer] = caller.relay.now_s + self._config.offer_timeout_s
            self._forward(caller, terminal, line, offer)

    def _takes(self, terminal: "DeviceConnection", offer: bytes) -> bool:
        room = len(terminal.peers) < self._config.max_peers_of_terminal
        return room and offer not in terminal.peers

    def _end(self, caller: "DeviceConnection", session: bytes) -> None:
        terminal = _forget(caller, session)
        if terminal is not None:
            terminal.send(refusal(NO_SUCH_PEER, session, PEER_GONE_TEXT))

    @staticmethod
    def _answered(terminal: "DeviceConnection", session: bytes) -> "DeviceConnection | None":
        offer = session[:OFFER_BYTES]
        if len(session) != SESSION_BYTES or offer not in terminal.offers:
            return None
        caller = _forget(terminal, offer)
        if caller is None or session in caller.peers:
            return None
        caller.peers[session] = terminal
        terminal.peers[session] = caller
        return caller

    def _forward(
        self, sender: "DeviceConnection", other: "DeviceConnection", line: bytes, session: bytes
    ) -> None:
        if not sender.peer_tokens.take(1 + (len(line) >> 12)):
            sender.drop(RATE_LIMITED)
        elif other.write_paused:
            # Whoever floods must not get the other end dropped as a slow reader.
            sender.refuse(BUSY, session)
        else:
            self._counters.lines_between_devices += 1
            sender.lines_to_devices += 1
            other.send(line)


def _forget(one: "DeviceConnection", session: bytes) -> "DeviceConnection | None":
    other = one.peers.pop(session, None)
    one.offers.pop(session, None)
    if other is not None:
        other.peers.pop(session, None)
        other.offers.pop(session, None)
    return other
