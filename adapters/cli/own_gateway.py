"""Which gateway the commands of a state folder call: that of the same folder, of no other.

The identities of operators name a gateway too. In a copy of the folder (a restore, a rehearsal)
that is still the original's, with the same keys: a command there would act on the original.
"""

import json
from typing import Any, Final

from adapters.cli.failure import not_running
from adapters.cli.output import this_program
from adapters.settings import Settings
from devices.identity import parse_address

_HERE: Final = {"127.0.0.1": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::1": "::1", "::": "::1"}  # noqa: S104 - how such a listener is reached
_LOOPBACK: Final = frozenset({"localhost", *_HERE})


def own_gateway(settings: Settings) -> tuple[str, int] | None:
    """Host and port of the gateway to call; None where the folder is no installation.

    There, on an operator's or auditor's own computer, the address in the identity holds. A gateway
    of this machine is found by what runs from this folder, whatever port it was given; one that is
    set to listen elsewhere by the settings. Raises Failure where this folder serves nothing.
    """
    if not is_installation(settings):
        return None
    if settings.gateway_host not in _LOOPBACK:
        return settings.gateway_host, settings.gateway_port
    address = _supervised(settings) or _on_its_own(settings)
    if address is None:
        raise not_running(
            f"nothing is being served from {settings.home}: start it with: {this_program('serve')}"
        )
    host, port = parse_address(address)
    return _HERE.get(host, host), port


def gateway_by_settings(settings: Settings) -> tuple[str, int] | None:
    """The same for a server, which runs beside the gateway and with the same settings."""
    if not is_installation(settings):
        return None
    host = settings.gateway_host
    return _HERE.get(host, host), settings.gateway_port


def is_installation(settings: Settings) -> bool:
    """Whether the folder is that of the servers, not only of an operator's identity."""
    return (settings.home / "pki" / "backend.pem").is_file()


def _supervised(settings: Settings) -> str | None:
    from adapters.cli.supervisor import read_status

    status: dict[str, Any] = read_status(settings) or {}
    address = status.get("parts", {}).get("gateway", {}).get("address")
    return str(address) if address else None


def _on_its_own(settings: Settings) -> str | None:
    """Where a service manager runs the gateway alone: what it shows while it runs."""
    import psutil

    try:
        shown = json.loads((settings.run / "gateway.json").read_bytes())
        process = psutil.Process(shown["pid"])
        # Else its number went to another process since.
        if process.create_time() * 1000 <= shown["started_ms"] + 1000:
            return str(shown["address"])
    except (OSError, ValueError, KeyError, TypeError, psutil.Error):
        pass
    return None
