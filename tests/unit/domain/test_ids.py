"""Ids carry their time and partition; what a message names has one id for ever."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain import ids

MS, PARTITION = st.integers(0, (1 << 48) - 1), st.integers(0, 4095)
TERMINAL = UUID(int=7)


@given(MS, PARTITION, st.integers(0, (1 << 62) - 1))
def test_an_id_tells_its_time_and_partition(ms: int, partition: int, free: int) -> None:
    made = ids.make_id(ms, partition, free)
    assert (made.version, made.variant) == (8, "specified in RFC 4122")
    assert ids.milliseconds_of(made) == ms
    assert ids.partition_of(made) == partition


@given(MS, MS)
def test_ids_sort_by_time(one: int, two: int) -> None:
    a, b = ids.make_id(one, 4095, 0), ids.make_id(two, 0, 0)
    assert (a < b) == (one < two) or one == two


def test_the_same_message_names_the_same_transaction() -> None:
    named = ids.transaction_id(TERMINAL, 1, 1_000, 5)
    assert named == ids.transaction_id(TERMINAL, 1, 1_000, 5)
    others = {
        ids.transaction_id(UUID(int=8), 1, 1_000, 5),
        ids.transaction_id(TERMINAL, 2, 1_000, 5),
        ids.transaction_id(TERMINAL, 1, 1_001, 5),
        ids.transaction_id(TERMINAL, 1, 1_000, 6),
    }
    assert len(others | {named}) == 5


@pytest.mark.parametrize(("ms", "partition"), [(-1, 0), (1 << 48, 0), (0, 4096), (0, -1)])
def test_what_does_not_fit_is_refused(ms: int, partition: int) -> None:
    with pytest.raises(ValueError, match="48 bits"):
        ids.make_id(ms, partition, 0)
