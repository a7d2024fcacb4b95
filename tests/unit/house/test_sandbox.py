"""A sandbox's clock: only there, only forward, seen by a running backend."""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from adapters import settings
from adapters.clock import SandboxClock, SystemClock, clock_of, system_now_us
from adapters.ledger_core import issuer_id
from adapters.settings import SettingsError

DAY_S = 24 * 3600


def write(home: Path, **values: Any) -> settings.Settings:
    path = settings.file_of(home)
    new = path.with_suffix(".new")
    new.write_text(json.dumps(values))
    os.utime(new, ns=(time.time_ns(), time.time_ns()))
    new.replace(path)
    return settings.load({}, home)


@pytest.fixture
def clock(tmp_path: Path) -> Iterator[SandboxClock]:
    made = clock_of(write(tmp_path, issuer_name="SANDBOX Acme", sandbox_clock_ahead_s=DAY_S))
    assert isinstance(made, SandboxClock)
    made.start()
    yield made
    made.stop()


def ahead_s(clock: SandboxClock) -> int:
    return round((clock.now_us() - system_now_us()) / 1e6)


def test_outside_a_sandbox_the_setting_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="is for sandboxes"):
        write(tmp_path, issuer_name="Acme SANDBOX", sandbox_clock_ahead_s=1)
    with pytest.raises(SettingsError, match="is for sandboxes"):
        write(tmp_path, issuer_name="SANDBOXES Inc", sandbox_clock_ahead_s=1)
    assert isinstance(clock_of(write(tmp_path)), SystemClock)


def test_it_follows_the_setting_forward_and_never_back(clock: SandboxClock, tmp_path: Path) -> None:
    told: list[int] = []
    clock.on_moved(lambda: told.append(ahead_s(clock)))
    assert ahead_s(clock) == DAY_S
    write(tmp_path, issuer_name="SANDBOX Acme", sandbox_clock_ahead_s=2 * DAY_S)
    deadline = time.monotonic() + 5
    while not told and time.monotonic() < deadline:
        time.sleep(0.02)
    assert told == [2 * DAY_S]
    write(tmp_path, issuer_name="SANDBOX Acme", sandbox_clock_ahead_s=5)
    time.sleep(0.6)
    assert (ahead_s(clock), told) == (2 * DAY_S, [2 * DAY_S])


def test_an_installation_does_not_become_a_sandbox_later(tmp_path: Path) -> None:
    """Its name is in the origin of its checkpoints, and another origin stops the backend."""
    before = issuer_id(settings.load({}, tmp_path))
    assert issuer_id(write(tmp_path, issuer_name="SANDBOX TicketRestaurant US")) != before
