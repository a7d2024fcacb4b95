"""The filter never calls a written id new; its memory is bounded, whatever terminals send."""

from hypothesis import given
from hypothesis import strategies as st

from application.recent_ids import FAR_MOST, KEPT_MINUTES, RecentIds
from domain.ids import make_id

NOW_MS = 1_795_478_400_000
MINUTE_MS = 60_000
NEAR = st.integers(NOW_MS - 5 * MINUTE_MS, NOW_MS + 5 * MINUTE_MS)
FREE = st.integers(0, (1 << 62) - 1)


def begun() -> RecentIds:
    """A window at NOW_MS over an empty log."""
    recent = RecentIds()
    recent.begin(NOW_MS)
    return recent


@given(st.lists(st.tuples(NEAR, FREE), max_size=50), st.integers(0, 10 * MINUTE_MS))
def test_a_written_id_is_never_called_new(written: list[tuple[int, int]], later_ms: int) -> None:
    recent = begun()
    ids = [make_id(ms, 1, free) for ms, free in written]
    for id in ids:
        recent.add(id)
    assert not any(recent.surely_new(id, NOW_MS + later_ms) for id in ids)


@given(NEAR, FREE)
def test_an_unwritten_id_near_now_is_new(ms: int, free: int) -> None:
    assert begun().surely_new(make_id(ms, 1, free), NOW_MS)


def test_before_the_window_begins_nothing_is_surely_new() -> None:
    assert not RecentIds().surely_new(make_id(NOW_MS, 1, 1), NOW_MS)


def test_an_id_outside_the_window_is_looked_up() -> None:
    for ms in (NOW_MS - 8 * MINUTE_MS, NOW_MS + 8 * MINUTE_MS):
        assert not begun().surely_new(make_id(ms, 1, 1), NOW_MS)


def test_an_id_written_with_a_clock_far_ahead_is_still_known_when_its_time_comes() -> None:
    recent = begun()
    ahead = make_id(NOW_MS + 30 * MINUTE_MS, 1, 7)
    recent.add(ahead)
    assert not recent.surely_new(ahead, NOW_MS + 29 * MINUTE_MS)


def test_wild_clocks_cannot_fill_the_memory() -> None:
    recent = begun()
    for number in range(1_000):
        recent.add(make_id(NOW_MS + (KEPT_MINUTES + 1 + number) * MINUTE_MS, 1, number))
    assert len(recent._filters) == 0
    for number in range(FAR_MOST + 1):
        recent.add(make_id(NOW_MS + 60 * MINUTE_MS, 2, number))
    assert len(recent._far) <= FAR_MOST
    assert not recent.surely_new(make_id(NOW_MS, 1, 1), NOW_MS)


def test_the_window_moves_on_and_lets_go_of_what_is_old() -> None:
    recent = begun()
    for minute in range(60):
        now_ms = NOW_MS + minute * MINUTE_MS
        id = make_id(now_ms, 1, minute)
        assert recent.surely_new(id, now_ms)
        recent.add(id)
    assert len(recent._filters) <= KEPT_MINUTES + 2
