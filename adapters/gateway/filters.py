"""Who may knock at all: allow and deny lists of addresses and of fingerprints."""

import hashlib
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Ip = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


def plain_address(text: str) -> Ip:
    """The address a peer has, an IPv4 one also when it arrived on an IPv6 socket."""
    address = ip_address(text.partition("%")[0])
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


class AddressFilter:
    """Networks that may and may not connect; deny wins, an empty allow list allows all.

    Raises ValueError for a text that is no network.
    """

    def __init__(self, allow: Iterable[str], deny: Iterable[str]) -> None:
        self._allow = [ip_network(text) for text in allow]
        self._deny = [ip_network(text) for text in deny]

    def admits(self, address: Ip) -> bool:
        """Whether this address may connect."""
        if _within(address, self._deny):
            return False
        return not self._allow or _within(address, self._allow)


def _within(address: Ip, networks: list[Network]) -> bool:
    return any(address in network for network in networks)


class FingerprintFilter:
    """Fingerprints that may and may not connect; deny wins, an empty allow list allows all."""

    def __init__(self, allow: Iterable[str], deny: Iterable[str]) -> None:
        self._allow = frozenset(text.lower().replace(":", "") for text in allow)
        self._deny = frozenset(text.lower().replace(":", "") for text in deny)

    def admits(self, *fingerprints: str) -> bool:
        """Whether a connection with these fingerprints (lower case) may go on."""
        if not self._deny.isdisjoint(fingerprints):
            return False
        return not self._allow or not self._allow.isdisjoint(fingerprints)


def certificate_fingerprint(der: bytes) -> str:
    """SHA-256 of a certificate, lower-case hex."""
    return hashlib.sha256(der).hexdigest()
