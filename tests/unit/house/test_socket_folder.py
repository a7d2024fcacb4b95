"""The folder of a server's socket is short and private."""

import os
from pathlib import Path

import pytest

from adapters.postgres.socket_folder import MAX_SOCKET_PATH, make_private, socket_folder

SOCKET = "/.s.PGSQL.5432"


def test_a_short_folder_is_used_as_it_is() -> None:
    assert socket_folder(Path("/srv/meals/socket")) == Path("/srv/meals/socket")


@pytest.mark.parametrize("wanted", ["/" + "long/" * 20, "/srv/" + "é" * 50, "/a,b", '/a"b', "/@x"])
def test_what_the_kernel_or_libpq_cannot_take_gets_a_short_stand_in(wanted: str) -> None:
    found = socket_folder(Path(wanted))
    assert found != Path(wanted)
    assert len(os.fsencode(f"{found}{SOCKET}")) <= MAX_SOCKET_PATH
    assert found == socket_folder(Path(wanted))


def test_two_places_never_share_a_stand_in() -> None:
    assert socket_folder(Path("/" + "a" * 120)) != socket_folder(Path("/" + "b" * 120))


def test_the_folder_is_made_private(tmp_path: Path) -> None:
    open_folder = tmp_path / "folder"
    open_folder.mkdir(mode=0o755)
    make_private(open_folder)
    assert open_folder.stat().st_mode & 0o777 == 0o700


def test_a_link_that_somebody_put_there_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "folder").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(PermissionError):
        make_private(tmp_path / "folder")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a folder somebody else's")
def test_a_folder_of_somebody_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    os.chown(tmp_path / "folder", 65534, -1)
    with pytest.raises(PermissionError):
        make_private(tmp_path / "folder")
