"""Times as people read them: by this machine's clock, whose zone is named beside them, or once in
the head of a list."""

from datetime import UTC, datetime


def moment(ms: int) -> str:
    """`2026-11-25 09:30 EST`; empty for none."""
    return f"{_local(ms):%Y-%m-%d %H:%M %Z}" if ms else ""


def under_head(ms: int) -> str:
    """`2026-11-25 09:30` under a head with `zone()`; where the clocks were put forward or back
    since, with its own."""
    if not ms:
        return ""
    at = _local(ms)
    return f"{at:%Y-%m-%d %H:%M}" if f"{at:%Z}" == zone() else f"{at:%Y-%m-%d %H:%M %Z}"


def day(ms: int) -> str:
    """`2026-11-25`, the day on which it is there."""
    return f"{_local(ms):%Y-%m-%d}" if ms else ""


def zone() -> str:
    """What this machine's zone is called now."""
    return f"{datetime.now().astimezone():%Z}"


def _local(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC).astimezone()
