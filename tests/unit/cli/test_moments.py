"""Moments as people write them."""

import pytest
import typer

from adapters.cli.options import a_moment


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("2026-11-24T12:30:00Z", 1_795_523_400_000),
        ("2026-11-24 07:30-05:00", 1_795_523_400_000),
        ("2026-11-24 12:30:00.250+00:00", 1_795_523_400_250),
    ],
)
def test_moments_with_an_offset(text: str, ms: int) -> None:
    assert a_moment(text) == ms


def test_a_day_means_its_end() -> None:
    assert a_moment("2026-11-24") + 1 == a_moment("2026-11-25 00:00")


@pytest.mark.parametrize(
    "text", ["", "noon", "2026-13-01", "24.11.2026", "1890-01-01T00:00Z", "0001-01-01"]
)
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        a_moment(text)
