"""Rate limits and places: token buckets, what one address may hold, how many may be inside."""

import math
from collections.abc import Callable
from ipaddress import IPv6Address
from typing import Final

from adapters.gateway.config import GatewayConfig
from adapters.gateway.filters import Ip

BURST_S: Final = 2.0
"""A bucket holds the tokens of this many seconds."""
_PREFIX_64: Final = 64


class Bucket:
    """A token bucket that looks at the clock only when it is empty: a line costs a subtraction.

    A rate of 0 means no limit. The price of that cheapness: a bucket that was half spent long ago
    may be spent and filled once more, so a burst can reach twice rate x BURST_S.
    """

    __slots__ = ("_clock", "_filled_s", "_left", "_rate", "_size")

    def __init__(self, tokens_per_s: float, clock: Callable[[], float]) -> None:
        self._rate = tokens_per_s
        self._size = max(1.0, tokens_per_s * BURST_S) if tokens_per_s > 0 else math.inf
        self._clock = clock
        self._filled_s = clock()
        self._left = self._size

    def take(self, tokens: int = 1) -> bool:
        """Whether so many tokens were there; if not, none is taken."""
        if self._left >= tokens or self._fill() >= tokens:
            self._left -= tokens
            return True
        return False

    def full(self) -> bool:
        """Whether it would be as good as new."""
        return self._fill() >= self._size

    def _fill(self) -> float:
        now_s = self._clock()
        self._left = min(self._size, self._left + (now_s - self._filled_s) * self._rate)
        self._filled_s = now_s
        return self._left


class Address:
    """What one remote address has open, and how fast it may go on (None: without limit)."""

    __slots__ = ("connecting", "connections", "tokens")

    def __init__(self, connecting: Bucket | None, tokens: Bucket | None) -> None:
        self.connections = 0
        self.connecting = connecting
        self.tokens = tokens

    def idle(self) -> bool:
        """Whether forgetting it forgets nothing."""
        buckets = (self.connecting, self.tokens)
        return not self.connections and all(b is None or b.full() for b in buckets)


class Place:
    """One connection's place among all; given back once, however often that is said."""

    __slots__ = ("_places", "address")

    def __init__(self, places: "Places", address: Address) -> None:
        self._places: Places | None = places
        self.address = address

    def give_back(self) -> None:
        """The connection is over, or never came to be."""
        if self._places is not None:
            self._places.taken -= 1
            self.address.connections -= 1
            self._places = None


class Places:
    """How many connections there may be: in all, and from one address (IPv6: one /64)."""

    def __init__(self, config: GatewayConfig, clock: Callable[[], float]) -> None:
        self.taken = 0
        self._config = config
        self._clock = clock
        self._addresses: dict[Ip, Address] = {}

    def take(self, ip: Ip) -> Place | str:
        """A place, or the reason why there is none."""
        if 0 < self._config.max_connections <= self.taken:
            return "too-many-connections"
        address = self._address(ip)
        limit = 0 if ip.is_loopback else self._config.max_connections_per_address
        if 0 < limit <= address.connections:
            return "too-many-of-address"
        if address.connecting is not None and not address.connecting.take():
            return "too-fast-of-address"
        self.taken += 1
        address.connections += 1
        return Place(self, address)

    def forget_idle(self) -> None:
        """Drops addresses that hold nothing, so that the table cannot grow for ever."""
        for ip in [ip for ip, address in self._addresses.items() if address.idle()]:
            del self._addresses[ip]

    def _address(self, ip: Ip) -> Address:
        if isinstance(ip, IPv6Address) and not ip.is_loopback:
            # One subscriber has a whole /64 to call from.
            ip = IPv6Address(int(ip) >> _PREFIX_64 << _PREFIX_64)
        address = self._addresses.get(ip)
        if address is None:
            address = self._addresses[ip] = self._new(ip)
        return address

    def _new(self, ip: Ip) -> Address:
        if ip.is_loopback:
            return Address(None, None)
        config = self._config
        return Address(
            Bucket(config.connections_per_s_per_address, self._clock),
            Bucket(config.tokens_per_s_per_address, self._clock),
        )
