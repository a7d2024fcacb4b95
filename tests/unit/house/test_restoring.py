"""A restored folder takes its place, also where the place itself cannot be replaced."""

from pathlib import Path

import pytest

from adapters.cli.restoring import put_in_place


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
