"""Tables that an operator hands in: what would be read as another amount is refused."""

from pathlib import Path

import pytest

from adapters.cli.failure import Failure
from adapters.cli.table_files import read_table


def rows(folder: Path, text: str) -> list[tuple[int, str]]:
    file = folder / "table.csv"
    file.write_text(text)
    return read_table(file, ("account", "amount"), lambda row: row["amount"], 10)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("account,amount\na,2.00\na,1,250.00\n", "Line 3, values: are more than columns"),
        ("account,amount,currency\na,5.00,EUR\n", "Line 2, currency: must be USD"),
    ],
)
def test_a_row_that_means_another_sum_is_refused(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(Failure, match=why):
        rows(tmp_path, text)


def test_other_columns_are_ignored(tmp_path: Path) -> None:
    text = 'account,amount,currency,note\na,"1,250.00",usd,x\nb,2.00,,\nc,3.00\n'
    assert rows(tmp_path, text) == [(2, "1,250.00"), (3, "2.00"), (4, "3.00")]
