"""Token buckets and places."""

from ipaddress import ip_address
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from adapters.gateway.config import GatewayConfig
from adapters.gateway.limits import BURST_S, Bucket, Place, Places


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_a_bucket_gives_its_burst_and_then_its_rate() -> None:
    clock = Clock()
    bucket = Bucket(10, clock)
    assert [bucket.take() for _ in range(21)] == [True] * 20 + [False]
    clock.now_s += 0.5
    assert [bucket.take() for _ in range(6)] == [True] * 5 + [False]


def test_a_rate_of_zero_is_no_limit() -> None:
    bucket = Bucket(0, Clock())
    assert all(bucket.take(1_000_000) for _ in range(1_000))
    assert bucket.full()


def test_a_refused_take_costs_nothing() -> None:
    bucket = Bucket(10, Clock())
    assert not bucket.take(21)
    assert bucket.take(20)


@given(
    rate=st.floats(0.5, 1000),
    steps=st.lists(st.tuples(st.floats(0, 5), st.integers(1, 20)), max_size=60),
)
def test_never_more_than_two_bursts_above_the_rate(
    rate: float, steps: list[tuple[float, int]]
) -> None:
    clock = Clock()
    bucket = Bucket(rate, clock)
    taken = 0
    for wait_s, tokens in steps:
        clock.now_s += wait_s
        taken += tokens if bucket.take(tokens) else 0
        assert taken <= 2 * max(1.0, rate * BURST_S) + rate * (clock.now_s - 100) + 1e-6


def places(clock: Clock, **limits: float) -> Places:
    config = GatewayConfig(home=Path("unused"), **limits)  # type: ignore[arg-type]
    return Places(config, clock)


def test_an_address_has_its_number_of_connections() -> None:
    inside = places(Clock(), max_connections_per_address=2, connections_per_s_per_address=0)
    first, _ = inside.take(ip_address("192.0.2.1")), inside.take(ip_address("192.0.2.1"))
    assert inside.take(ip_address("192.0.2.1")) == "too-many-of-address"
    assert isinstance(inside.take(ip_address("192.0.2.2")), Place)
    assert isinstance(first, Place)
    first.give_back()
    first.give_back()
    assert inside.taken == 2
    assert isinstance(inside.take(ip_address("192.0.2.1")), Place)


def test_an_address_has_its_speed_and_all_of_a_64_are_one() -> None:
    clock = Clock()
    inside = places(clock, connections_per_s_per_address=1)
    for host in ("2001:db8::1", "2001:db8::2"):
        assert isinstance(inside.take(ip_address(host)), Place)
    assert inside.take(ip_address("2001:db8::3")) == "too-fast-of-address"
    assert isinstance(inside.take(ip_address("2001:db8:0:1::3")), Place)
    clock.now_s += 1
    assert isinstance(inside.take(ip_address("2001:db8::3")), Place)


def test_loopback_is_not_limited_by_address() -> None:
    inside = places(Clock(), connections_per_s_per_address=1, max_connections_per_address=1)
    for host in ("127.0.0.1", "::1"):
        for _ in range(10):
            assert isinstance(inside.take(ip_address(host)), Place)


def test_addresses_that_hold_nothing_are_forgotten() -> None:
    clock = Clock()
    inside = places(clock, connections_per_s_per_address=1)
    place = inside.take(ip_address("192.0.2.1"))
    assert isinstance(place, Place)
    place.give_back()
    inside.forget_idle()
    assert len(inside._addresses) == 1, "its speed is still remembered"
    clock.now_s += 10
    inside.forget_idle()
    assert inside._addresses == {}
