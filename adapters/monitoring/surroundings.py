"""What a server's files say of it: certificates' expiry, restarts, the last backup.

Asked at each scrape, so each reads a small file or two; certificates are read once a minute.
"""

import json
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509

Expiries = Callable[[], Mapping[str, float]]
"""Days until each certificate expires, by a name that is no individual's."""
SOON_DAYS = 30.0
BACKUP_OLD_S = 26 * 3600.0
"""A daily backup that is two hours late."""
_KEPT_S = 60.0
_DAY_S = 86_400.0


def certificate_days(files: Mapping[str, Path]) -> Expiries:
    """Days to the expiry of the first certificate in each PEM file; negative: it has expired.

    A file that is missing or unreadable is left out: the server that needs it says so itself.
    """
    known: dict[str, datetime] = {}
    read_at = [-_KEPT_S]

    def days() -> dict[str, float]:
        if time.monotonic() - read_at[0] >= _KEPT_S:
            read_at[0] = time.monotonic()
            known.clear()
            known.update({name: at for name, path in files.items() if (at := _expiry(path))})
        now = datetime.now(UTC)
        return {name: (at - now).total_seconds() / _DAY_S for name, at in known.items()}

    return days


def expiring(days: Mapping[str, float]) -> dict[str, str]:
    """The warning about certificates, if one is due."""
    due = {name: left for name, left in days.items() if left < SOON_DAYS}
    if not due:
        return {}
    told = ", ".join(
        f"{name} has expired" if left < 0 else f"{name} in {left:.0f} days"
        for name, left in sorted(due.items())
    )
    return {"certificates": f"certificates expire: {told}"}


def restarts(home: Path, names: tuple[str, ...]) -> dict[str, float]:
    """How often the supervisor started these parts again; empty without one."""
    try:
        parts = json.loads((home / "run" / "status.json").read_bytes())["parts"]
        return {name: float(parts[name]["restarts"]) for name in names if name in parts}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def backup_age_s(home: Path) -> float | None:
    """How old the last backup is, None where none was made."""
    try:
        created_us = int(json.loads((home / "last-backup.json").read_bytes())["created_us"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return max(0.0, time.time() - created_us / 1e6)


def _expiry(path: Path) -> datetime | None:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes()).not_valid_after_utc
    except (OSError, ValueError):
        return None
