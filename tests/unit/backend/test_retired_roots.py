"""The files of the roots follow a retirement; a full disk does not stop what comes of it."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from adapters import key_rotation
from adapters.hsm.roots import Roots

ROOTS = cast(Roots, SimpleNamespace(all=[SimpleNamespace(serial_number=each) for each in (7, 8)]))


@pytest.mark.parametrize(("serials", "written"), [({7, 99}, 1), ({99}, 0)])
def test_they_are_written_anew_where_a_root_was_revoked(
    serials: set[int], written: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[Any] = []
    monkeypatch.setattr(key_rotation, "write_roots", lambda *of: calls.append(of))
    key_rotation.write_retired(tmp_path, ROOTS, frozenset(serials))
    assert calls == [(tmp_path, ROOTS)] * written


def test_a_full_disk_is_logged_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(key_rotation, "write_roots", full)
    key_rotation.write_retired(tmp_path, ROOTS, frozenset({7}))
    assert "No space left on device" in caplog.text
