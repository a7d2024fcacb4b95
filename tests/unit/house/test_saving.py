"""A serving installation is copied in an order in which the parts fit each other."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from adapters import settings
from adapters.cli import saving
from adapters.cli.saving import KeysDestroyed, copy_evidence, gather
from adapters.cli.settled import NeverSettled, settled_copy


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = tmp_path / "home"
    for name in ("hsm/tokens", "tls", "secrets", "checkpoints"):
        (home / name).mkdir(parents=True)
    (home / "hsm" / "tokens" / "key").write_text("key")
    return home


def played(
    home: Path, monkeypatch: pytest.MonkeyPatch, meanwhile: Any = lambda name: None
) -> list[str]:
    """What is copied, in order."""
    order: list[str] = []

    def base_backup(cluster: Any, target: Path, **_: Any) -> str:
        order.append(cluster.name)
        target.mkdir()
        meanwhile(cluster.name)
        return "000000010000000000000001"

    def evidence(source: Path, target: Path) -> None:
        order.append("evidence")
        shutil.copytree(source, target)

    def small(source: Path, target: Path) -> None:
        order.append(source.name)
        settled_copy(source, target)

    monkeypatch.setattr(saving, "base_backup", base_backup)
    monkeypatch.setattr(saving, "copy_evidence", evidence)
    monkeypatch.setattr(saving, "settled_copy", small)
    monkeypatch.setattr(saving, "_events", lambda dsn: 7)
    gathered = gather(settings.load({}, home), home.parent / "staging", lambda _: None, None)
    assert gathered.facts["events_at_least"] == 7
    return order


def test_each_part_is_no_newer_than_what_it_needs(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = played(home, monkeypatch)
    assert order[:3] == ["website", "evidence", "ledger"]
    assert set(order[3:]) == {"hsm", "secrets", "tls"}, "keys last: all that seal the others"


def test_keys_that_are_destroyed_meanwhile_end_the_backup(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def destroy(name: str) -> None:
        if name == "ledger":
            (home / "hsm" / "tokens" / "key").unlink()

    with pytest.raises(KeysDestroyed):
        played(home, monkeypatch, destroy)


def test_evidence_is_copied_so_that_what_is_signed_is_in_the_leaves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "source"
    (source / "later").mkdir(parents=True)
    for name in ("leaves", "checkpoint", "history", "frontier", "log.pub", "later/x", "a.new"):
        (source / name).write_text(name)
    order: list[str] = []
    copy = saving._copy_growing

    def noted(source: Path, target: Path) -> None:
        order.append(source.name)
        copy(source, target)

    monkeypatch.setattr(saving, "_copy_growing", noted)
    copy_evidence(source, tmp_path / "target")
    assert order[:2] == ["history", "checkpoint"]
    assert order[-1] == "leaves"
    assert sorted(order) == ["checkpoint", "frontier", "history", "leaves", "log.pub", "x"]


def test_files_that_change_while_they_are_copied_are_copied_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.cli.settled._PAUSE_S", 0)
    source = tmp_path / "source"
    source.mkdir()
    (source / "a.pem").write_text("old")
    (source / "z.key").write_text("old")
    copyfileobj, rounds = shutil.copyfileobj, []

    def renewing(file: Any, out: Any) -> None:
        copyfileobj(file, out)
        rounds.append(1)
        if len(rounds) == 1:  # a pair is renewed between the copies of its two files
            (source / "a.pem").write_text("new pair")
            (source / "z.key").write_text("new pair")

    monkeypatch.setattr(shutil, "copyfileobj", renewing)
    settled_copy(source, tmp_path / "target")
    assert (tmp_path / "target" / "a.pem").read_text() == "new pair"
    assert (tmp_path / "target" / "z.key").read_text() == "new pair"


def test_files_that_never_stand_still_are_no_backup(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.cli.settled._PAUSE_S", 0)
    source = tmp_path / "source"
    source.write_text("x")
    copyfileobj = shutil.copyfileobj

    def busy(file: Any, out: Any) -> None:
        copyfileobj(file, out)
        source.write_text(source.read_text() + "x")

    monkeypatch.setattr(shutil, "copyfileobj", busy)
    with pytest.raises(NeverSettled):
        settled_copy(source, tmp_path / "target")
    assert not (tmp_path / "target").exists()
