"""Asks a running server how it is, over its monitor port on this machine."""

import http.client
import json
from typing import Any, Final

_WAIT_S: Final = 4.0
_MOST_BYTES: Final = 65_536


def ask_health(address: str, pid: int | None) -> dict[str, Any] | None:
    """What `/health` says; None where nobody is asked there, or another process than `pid` answers.

    A process that takes the call and says nothing stands still: it is neither live nor ready.
    """
    connection = http.client.HTTPConnection(address, timeout=_WAIT_S)
    try:
        connection.request("GET", "/health")
        found = json.loads(connection.getresponse().read(_MOST_BYTES))
        if pid is not None and found["pid"] != pid:
            return None
        return {key: found[key] for key in ("live", "ready", "reasons", "warnings")}
    except TimeoutError:
        silent = f"it does not answer within {_WAIT_S:.0f} s"
        return {"live": False, "ready": False, "reasons": {"silent": silent}, "warnings": {}}
    except (OSError, ValueError, KeyError, TypeError, http.client.HTTPException):
        return None
    finally:
        connection.close()
