"""What the gateway is told at its start: addresses, filters, and a limit on everything.

Built from the one settings object: a setting `gateway_<field>` there, where there is one, wins over
the default here.
"""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayConfig:
    """Limits and addresses. Times are seconds, sizes bytes; a rate or a number of connections of 0
    means no limit.

    A token is one line or each started 4 KiB of one. Loopback addresses have no limits by address:
    there all devices of a demonstration or a load test share one.
    """

    home: Path
    host: str = "127.0.0.1"
    port: int = 7300
    validation_port: int = 0
    """CRL and OCSP over HTTP, on the same host; 0: not served."""
    backend_host: str = "127.0.0.1"
    backend_port: int = 7301

    # Health and metrics; 0: none.
    monitor_host: str = "127.0.0.1"
    monitor_port: int = 0

    # Filters: networks in CIDR form; fingerprints are JA4 texts or SHA-256 of a certificate in
    # hex. An empty allow list allows all; deny wins.
    allow_addresses: tuple[str, ...] = ()
    deny_addresses: tuple[str, ...] = ()
    allow_fingerprints: tuple[str, ...] = ()
    deny_fingerprints: tuple[str, ...] = ()

    # Connections
    max_connections: int = 10_000
    max_connections_per_address: int = 1_000
    connections_per_s_per_address: float = 20
    tls_timeout_s: float = 5
    bind_timeout_s: float = 10
    line_timeout_s: float = 10
    idle_timeout_s: float = 900

    # Tokens a second; a bucket holds two seconds of them
    tokens_per_s_per_connection: float = 5_000
    tokens_per_s_per_device: float = 10_000
    tokens_per_s_per_address: float = 20_000
    peer_tokens_per_s: float = 500
    handshake_lines_per_s: float = 5
    max_bad_lines: int = 16

    # Relay between devices
    max_peers_of_caller: int = 4
    max_peers_of_terminal: int = 256
    offer_timeout_s: float = 10

    # Readers that do not read
    write_high_water_bytes: int = 256 * 1024
    write_limit_bytes: int = 8 * 1024 * 1024
    slow_reader_timeout_s: float = 10

    # The link to the backend
    link_ping_s: float = 2
    link_timeout_s: float = 10
    link_retry_min_s: float = 0.1
    link_retry_max_s: float = 1.0
    link_high_water_bytes: int = 4 * 1024 * 1024

    status_every_s: float = 2


def gateway_config(settings: Any) -> GatewayConfig:
    """The gateway's part of the settings; what they do not name keeps the default above."""
    found: dict[str, Any] = {"home": settings.home}
    for field in fields(GatewayConfig):
        shared = field.name.startswith("backend_") or field.name == "monitor_host"
        name = field.name if shared else f"gateway_{field.name}"
        value = getattr(settings, name, None)
        if value is not None and field.name != "home":
            found[field.name] = value
    return GatewayConfig(**found)
