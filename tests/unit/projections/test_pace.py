"""Projections catch up fast when no payments come, and make room when they do."""

from projections.pace import BUSY_PER_S, BUSY_SHARE, QUIET_SHARE, Pace


class Log:
    def __init__(self) -> None:
        self.now_s, self.position = 100.0, 0

    def passes(self, seconds: float, events: float) -> None:
        self.now_s += seconds
        self.position += int(events)


def test_the_share_follows_the_log() -> None:
    log = Log()
    pace = Pace(lambda: log.position or None, lambda: log.now_s)
    assert pace() == BUSY_SHARE, "before anything is known"
    log.passes(0.5, 0)
    assert pace() == QUIET_SHARE
    log.passes(0.1, 10_000)
    assert pace() == QUIET_SHARE, "looked at twice a second"
    log.passes(0.5, 0)
    assert pace() == BUSY_SHARE
    log.passes(1.0, BUSY_PER_S + 1)
    assert pace() == BUSY_SHARE
    log.passes(1.0, BUSY_PER_S - 1)
    assert pace() == QUIET_SHARE
    log.passes(60.0, 30 * BUSY_PER_S)
    assert pace() == QUIET_SHARE, "what comes now and then is no load"
