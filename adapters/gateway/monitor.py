"""What the gateway tells about itself: whether it has a backend, what passed and was refused."""

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING

from prometheus_client.core import Metric

from adapters.monitoring import families
from adapters.monitoring.health import Health
from adapters.monitoring.server import Monitor, loop_answers
from adapters.monitoring.surroundings import certificate_days, expiring, restarts

if TYPE_CHECKING:
    from adapters.gateway.server import Gateway

FULL = 0.9
_TOTALS = {
    "connections": "Connections that passed TLS.",
    "links": "How often a backend was found.",
    "lines_to_backend": "Lines from devices to the backend.",
    "lines_to_devices": "Lines from the backend to devices.",
    "lines_between_devices": "Lines from device to device.",
    "keep_alives": "Keep-alives answered here.",
    "bytes_from_devices": "Bytes from devices, inside TLS.",
    "bytes_from_backend": "Bytes from the backend, inside TLS.",
}


def gateway_monitor(gateway: "Gateway", loop: asyncio.AbstractEventLoop) -> Monitor:
    """The gateway's health and metrics, ready to start."""
    config = gateway.config
    tls = config.home / "tls"
    days = certificate_days({"tls-gateway": tls / "gateway.pem", "tls-authority": tls / "ca.pem"})

    def health() -> Health:
        live, reasons = loop_answers(loop), {}
        if not live:
            reasons["loop"] = "the event loop does not answer"
        if not gateway.relay.link.up:
            reasons["backend"] = "no backend: devices are told `unavailable`"
        warnings = expiring(days())
        taken, most = gateway.places_taken, config.max_connections
        if 0 < most * FULL < taken:
            warnings["connections"] = f"{taken:,} of {most:,} connections are taken"
        return Health(live=live, reasons=reasons, warnings=warnings)

    def collect() -> Iterator[Metric]:
        counters = gateway.relay.counters
        yield families.gauge(
            "backend_link_up", "1 while a backend is connected.", gateway.relay.link.up
        )
        yield families.gauge("connections_open", "Places that are taken.", gateway.places_taken)
        yield families.gauges("bound", "Sessions by role.", "role", _bound(gateway))
        for name, text in _TOTALS.items():
            yield families.counter(f"gateway_{name}", text, getattr(counters, name))
        yield families.counters(
            "gateway_refusals", "What was refused, by reason.", "reason", dict(counters.refused)
        )
        yield families.gauges(
            "certificate_expiry_days", "Days until a certificate expires.", "certificate", days()
        )
        yield families.counters(
            "restarts",
            "How often the supervisor started a part again.",
            "part",
            restarts(config.home, ("gateway",)),
        )

    return Monitor(config.monitor_host, config.monitor_port, health, collect)


def _bound(gateway: "Gateway") -> dict[str, float]:
    found: dict[str, float] = {}
    for connection in list(gateway.relay.connections.values()):
        if connection.role:
            found[connection.role] = found.get(connection.role, 0) + 1
    return found
