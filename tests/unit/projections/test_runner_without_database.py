"""A runner whose database is away: it waits, neither spinning nor giving up."""

import time
from typing import Any, cast

import pytest

from application.ports import Unavailable
from projections.ports import LogReader, ProjectionStore
from projections.runner import Runner


class Away:
    """Log and store at once; counts how often it was asked."""

    def __init__(self, error: Exception) -> None:
        self.error = error
        self.asked = 0

    def head(self) -> int:
        self.asked += 1
        raise self.error

    def close(self) -> None:
        """Nothing was opened."""


@pytest.mark.parametrize("error", [Unavailable("the database"), ZeroDivisionError()])
def test_it_does_not_spin_though_it_was_woken_before(error: Exception) -> None:
    away: Any = Away(error)
    runner = Runner(cast(LogReader, away), cast(ProjectionStore, away), [], lambda: 0, poll_s=0.01)
    runner.wake()  # the last commit before the database went
    runner.start()
    time.sleep(0.5)
    runner.wake()
    runner.stop()
    assert 1 <= away.asked <= 6
