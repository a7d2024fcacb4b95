"""A restored folder takes its place, also where the place itself cannot be replaced."""

import json
from pathlib import Path

import pytest

from adapters.cli.restored_log import set_published_aside
from adapters.cli.restoring import Wanted, _settled, put_in_place


def made(folder: Path) -> Path:
    for name in ("postgres", "hsm"):
        (folder / name).mkdir(parents=True)
    (folder / "settings.json").write_text("{}")
    return folder


@pytest.mark.parametrize("exists", [True, False])
def test_beside_it(tmp_path: Path, exists: bool) -> None:
    home = tmp_path / "home"
    if exists:
        home.mkdir()
    put_in_place(made(tmp_path / "staging"), home)
    assert sorted(path.name for path in home.iterdir()) == ["hsm", "postgres", "settings.json"]
    assert [path.name for path in tmp_path.iterdir()] == ["home"]


def test_within_it(tmp_path: Path) -> None:
    home = tmp_path / "home"
    put_in_place(made(home / "staging"), home)
    assert sorted(path.name for path in home.iterdir()) == ["hsm", "postgres", "settings.json"]


def test_the_databases_go_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    made(home / "staging")
    moved: list[str] = []
    rename = Path.rename

    def noted(path: Path, target: Path) -> Path:
        moved.append(path.name)
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", noted)
    put_in_place(home / "staging", home)
    assert moved[-1] == "postgres"


def test_a_rehearsal_publishes_nowhere(tmp_path: Path) -> None:
    """A copy that signs on must not write over what the original published."""
    staging = made(tmp_path / "staging")
    values = {"publish_folder": str(tmp_path / "mount"), "publish_urls": ["https://a.example/"]}
    (staging / "settings.json").write_text(json.dumps(values))
    found = _settled(staging, tmp_path / "home", Wanted(), {})
    assert found.publish_folder == tmp_path / "mount"
    found = _settled(staging, tmp_path / "home", Wanted(rehearsal=True), {})
    assert (found.publish_folder, found.publish_urls) == (None, ())


def test_published_notes_are_set_aside_and_the_rest_stays(tmp_path: Path) -> None:
    for name in ("checkpoint", "history", "log.pub", "erasures"):
        (tmp_path / name).write_text(name)
    kept = set_published_aside(tmp_path)
    assert kept is not None
    assert sorted(path.name for path in kept.iterdir()) == ["checkpoint", "history"]
    assert {path.name for path in tmp_path.iterdir()} == {"log.pub", "erasures", kept.name}
    assert set_published_aside(tmp_path) is None
