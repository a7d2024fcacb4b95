"""What the gateway counts, and the small file that shows it (`<home>/run/gateway.json`)."""

import json
from collections import Counter
from pathlib import Path
from typing import Any


class Counters:
    """Running totals since the process started. Lines and bytes are those inside TLS."""

    __slots__ = (
        "bytes_from_backend",
        "bytes_from_devices",
        "connections",
        "keep_alives",
        "lines_between_devices",
        "lines_to_backend",
        "lines_to_devices",
        "links",
        "refused",
    )

    def __init__(self) -> None:
        self.connections = 0
        self.links = 0
        self.lines_to_backend = 0
        self.lines_to_devices = 0
        self.lines_between_devices = 0
        self.keep_alives = 0
        self.bytes_from_devices = 0
        self.bytes_from_backend = 0
        self.refused: Counter[str] = Counter()

    def as_json(self) -> dict[str, Any]:
        """The totals by name; `refused` by reason."""
        totals = {name: getattr(self, name) for name in self.__slots__ if name != "refused"}
        return {**totals, "refused": dict(sorted(self.refused.items()))}


class StatusFile:
    """A JSON file of mode 0600, replaced as a whole so that a reader never sees half of it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._next = path.with_suffix(".json.new")
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)

    def write(self, status: dict[str, Any]) -> None:
        """Shows `status` from now on. Raises OSError, for instance on a full disk."""
        self._next.touch(mode=0o600)
        self._next.write_text(json.dumps(status), encoding="utf-8")
        self._next.replace(self._path)

    def remove(self) -> None:
        """Shows nothing: the gateway is not running."""
        self._path.unlink(missing_ok=True)
