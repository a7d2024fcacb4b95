"""Structured log lines: what happened to which connection, never what a line contained."""

import json
import sys
import time
from typing import Any, Final, TextIO

MAX_LINES_PER_S: Final = 50
"""More than this is counted, not written: a flood must not fill the disk."""


class Log:
    """One JSON object a line: `ms` (since 1970 UTC), `part`, `event`, then the facts."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._second = 0
        self._written = 0
        self._suppressed = 0

    def __call__(self, event: str, **facts: Any) -> None:
        now_ms = time.time_ns() // 1_000_000
        if now_ms // 1000 != self._second:
            suppressed, self._suppressed = self._suppressed, 0
            self._second, self._written = now_ms // 1000, 0
            if suppressed:
                self._write(now_ms, "log-suppressed", {"lines": suppressed})
        if self._written >= MAX_LINES_PER_S:
            self._suppressed += 1
            return
        self._written += 1
        self._write(now_ms, event, facts)

    def _write(self, now_ms: int, event: str, facts: dict[str, Any]) -> None:
        line = {"ms": now_ms, "part": "gateway", "event": event, **facts}
        try:
            self._stream.write(json.dumps(line) + "\n")
            self._stream.flush()
        except OSError:
            # A full disk or a gone terminal must not stop payments.
            self._suppressed += 1
