"""Five in a day for one operator, ten for all of them: then two decide."""

from uuid import UUID

import pytest
from msgspec.structs import replace

from domain.aggregates import lone_revocation as lone
from domain.aggregates.lone_revocation import ALL_MOST, EACH_MOST, WINDOW_US, LoneRevocations
from tests.unit.domain.material import context, id_of

ANN, BEN, CAL = UUID(int=1), UUID(int=2), UUID(int=3)
START_US = 1_790_000_000_000_000


def record(*done: tuple[int, UUID]) -> LoneRevocations | None:
    """After revocations at these times after the start, by these operators."""
    state = None
    for at_us, who in done:
        at = replace(context(), recorded_at_us=START_US + at_us)
        state = lone.evolve(state, lone.note(at, state, operator_id=who, certificate_id=id_of(1)))
    return state


FIVE = [(n, ANN) for n in range(EACH_MOST)]
TEN = [*FIVE, *((n, BEN) for n in range(EACH_MOST))]


@pytest.mark.parametrize(
    ("done", "who", "at_us", "said"),
    [
        ([], ANN, 0, ""),
        (FIVE[1:], ANN, 9, ""),
        (FIVE, ANN, 9, "You revoked 5"),
        (FIVE, BEN, 9, ""),
        (FIVE, ANN, WINDOW_US - 1, "You revoked 5"),
        (FIVE, ANN, WINDOW_US, ""),
        (TEN, CAL, 9, "10 certificates"),
        (TEN, CAL, WINDOW_US, ""),
        ([(n * WINDOW_US // 5, ANN) for n in range(20)], ANN, 19 * WINDOW_US // 5, "You revoked"),
        ([(n * WINDOW_US // 4, ANN) for n in range(20)], ANN, 19 * WINDOW_US // 4, ""),
        ([(100, ANN)] * EACH_MOST, ANN, 0, "You revoked 5"),
    ],
)
def test_the_window_rolls(done: list[tuple[int, UUID]], who: UUID, at_us: int, said: str) -> None:
    told = lone.why_not(record(*done), operator_id=who, now_us=START_US + at_us)
    assert told.startswith(said) if said else told == ""


def test_what_is_kept_is_what_counts() -> None:
    state = record(*((n * WINDOW_US, ANN) for n in range(100)))
    assert state is not None
    assert (state.version, len(state.lately)) == (100, 1)
    assert EACH_MOST < ALL_MOST, "nobody uses up alone what the others need"
