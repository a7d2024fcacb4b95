"""The list of erased persons: what was confirmed is read back, what was altered is noticed."""

from pathlib import Path
from uuid import UUID

import pytest

from adapters.audit.erasures import NAME, Erasure, Erasures, ErasuresBroken

ANNA = Erasure(UUID(int=1), 1_764_000_000_000_001)
BEN = Erasure(UUID(int=2), 1_764_000_000_000_002)


def test_what_was_added_is_read_in_order(tmp_path: Path) -> None:
    erasures = Erasures(tmp_path)
    assert erasures.read() == []
    erasures.add([ANNA])
    erasures.add([BEN])
    assert Erasures(tmp_path).read() == [ANNA, BEN]
    assert (tmp_path / NAME).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("kept", [1, 20, -2])
def test_a_line_that_a_crash_tore_is_passed_over_and_ended(tmp_path: Path, kept: int) -> None:
    erasures = Erasures(tmp_path)
    erasures.add([ANNA])
    whole = (tmp_path / NAME).read_bytes()
    (tmp_path / NAME).write_bytes(whole + whole[:kept])
    assert erasures.read() == [ANNA]
    erasures.add([BEN])
    assert erasures.read() == [ANNA, BEN]


def test_a_line_that_lacks_its_end_only_counts(tmp_path: Path) -> None:
    Erasures(tmp_path).add([ANNA, BEN])
    whole = (tmp_path / NAME).read_bytes()
    (tmp_path / NAME).write_bytes(whole[:-1])
    assert Erasures(tmp_path).read() == [ANNA, BEN]
    Erasures(tmp_path).add([])
    assert (tmp_path / NAME).read_bytes() == whole


@pytest.mark.parametrize("lost", [1, 5, 60])
def test_only_the_last_line_may_be_torn(tmp_path: Path, lost: int) -> None:
    Erasures(tmp_path).add([ANNA])
    torn = (tmp_path / NAME).read_bytes()[: -1 - lost]
    Erasures(tmp_path).add([BEN])
    last = (tmp_path / NAME).read_bytes()[-len(torn) - 1 - lost :]
    (tmp_path / NAME).write_bytes(torn + b"\n" + last)
    with pytest.raises(ErasuresBroken, match=r"line 1 .* was altered\. Put the file back"):
        Erasures(tmp_path).read()


@pytest.mark.parametrize("line", ["x" * 200, "1 not-an-id 00000000000000001 0123456789abcdef" * 3])
def test_a_line_that_is_not_ours_is_an_alarm(tmp_path: Path, line: str) -> None:
    (tmp_path / NAME).write_text(line + "\n")
    with pytest.raises(ErasuresBroken, match="line 1"):
        Erasures(tmp_path).read()


def test_another_person_in_a_line_is_an_alarm(tmp_path: Path) -> None:
    Erasures(tmp_path).add([ANNA])
    text = (tmp_path / NAME).read_text()
    (tmp_path / NAME).write_text(text.replace(str(ANNA.subject), str(BEN.subject)))
    with pytest.raises(ErasuresBroken):
        Erasures(tmp_path).read()


def test_bytes_are_an_alarm(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ErasuresBroken):
        Erasures(tmp_path).read()
