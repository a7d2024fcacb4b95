"""`tls`: what is refused before anything is read or written."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from adapters.cli.failure import Failure
from adapters.cli.main import build
from adapters.cli.tls import seconds
from adapters.settings import PREFIX


def refusal(home: Path, *arguments: str, stdin: str = "") -> str:
    """What a command that must not succeed says."""
    words = ["tls", *arguments]
    environment = {PREFIX + "HOME": str(home)}
    done = CliRunner().invoke(build(words), words, input=stdin, env=environment)
    assert done.exit_code != 0
    return str(done.exception) if isinstance(done.exception, Failure) else done.output


@pytest.mark.parametrize(
    ("text", "value"), [("90s", 90), ("15m", 900), ("12h", 43_200), (" 30d ", 2_592_000)]
)
def test_a_window_is_read(text: str, value: int) -> None:
    assert seconds(text) == value


@pytest.mark.parametrize("text", ["", "30", "d", "-1d", "1.5h", "1y", "9999999s", "٣d"])
def test_what_is_no_window_is_refused(text: str) -> None:
    with pytest.raises(Exception, match="a window looks like"):
        seconds(text)


def test_holders_are_five(tmp_path: Path) -> None:
    for command in ("rotate", "export"):
        arguments = (command, "operator", *([str(tmp_path / "f")] if command == "export" else []))
        assert "the holder is one of" in refusal(tmp_path, *arguments)


def test_a_file_that_exists_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "f.p12").write_bytes(b"mine")
    assert "is there already" in refusal(tmp_path, "export", "pos", str(tmp_path / "f.p12"))
    assert (tmp_path / "f.p12").read_bytes() == b"mine"


def test_without_certificates_nothing_is_made(tmp_path: Path) -> None:
    assert "cannot be read" in refusal(tmp_path, "export", "pos", str(tmp_path / "f.p12"))
    assert "run init first" in refusal(tmp_path, "rotate", "pos")
    assert "run init first" in refusal(tmp_path, "retire")
    assert not (tmp_path / "tls").exists()


def test_a_password_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    arguments = ("install", "x.p12", "--device", str(tmp_path), "--password-file", "gone")
    assert "the password cannot be read from gone" in refusal(tmp_path, *arguments)
