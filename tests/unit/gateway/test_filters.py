"""Addresses, fingerprints, settings."""

import struct
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.gateway.config import gateway_config
from adapters.gateway.filters import AddressFilter, FingerprintFilter, plain_address
from adapters.gateway.fingerprint import NotTlsError, ja4


@pytest.mark.parametrize(
    ("allow", "deny", "address", "admitted"),
    [
        ([], [], "192.0.2.1", True),
        ([], ["192.0.2.0/24"], "192.0.2.1", False),
        ([], ["192.0.2.0/24"], "::ffff:192.0.2.1", False),
        (["192.0.2.0/24"], [], "198.51.100.1", False),
        (["192.0.2.0/24"], [], "192.0.2.7", True),
        (["192.0.2.0/24"], ["192.0.2.7"], "192.0.2.7", False),
        (["2001:db8::/32"], [], "2001:db8::1%eth0", True),
        (["2001:db8::/32"], [], "192.0.2.1", False),
    ],
)
def test_address_lists(allow: list[str], deny: list[str], address: str, admitted: bool) -> None:
    assert AddressFilter(allow, deny).admits(plain_address(address)) is admitted


def test_a_list_that_is_no_network_is_refused() -> None:
    with pytest.raises(ValueError):
        AddressFilter(["192.0.2.1/24"], [])


def test_fingerprint_lists() -> None:
    assert FingerprintFilter([], []).admits("a", "b")
    assert not FingerprintFilter([], ["AA:BB"]).admits("t13", "aabb")
    assert FingerprintFilter(["aabb"], []).admits("t13", "aabb")
    assert not FingerprintFilter(["ccdd"], []).admits("t13", "aabb")


# The example of the JA4 specification (a Chrome), its lists in the order of a real hello.
CIPHERS = [
    0x1A1A, 0x1301, 0x1302, 0x1303, 0xC02B, 0xC02F, 0xC02C, 0xC030, 0xCCA9, 0xCCA8, 0xC013, 0xC014,
    0x009C, 0x009D, 0x002F, 0x0035,
]  # fmt: skip
SIGNATURES = [0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601]
OTHERS = [
    0x001B, 0x0033, 0x0017, 0x0005, 0x000A, 0x000B, 0x0012, 0x0015, 0x0023, 0x002D, 0x4469, 0xFF01,
]  # fmt: skip
JA4 = "t13d1516h2_8daaf6152771_e5627efa2ab1"


def _vector(numbers: list[int], size: int) -> bytes:
    raw = struct.pack(f">{len(numbers)}H", *numbers)
    return len(raw).to_bytes(size, "big") + raw


def client_hello() -> bytes:
    extensions = {
        0x2A2A: b"",
        0x0000: b"\x00\x07\x00\x00\x04host",
        0x0010: b"\x00\x0c\x02h2\x08http/1.1",
        0x002B: _vector([0x3A3A, 0x0304, 0x0303], 1),
        0x000D: _vector(SIGNATURES, 2),
        **dict.fromkeys(OTHERS, b""),
    }
    block = b"".join(struct.pack(">HH", k, len(v)) + v for k, v in extensions.items())
    body = (
        b"\x03\x03" + bytes(32) + b"\x20" + bytes(32) + _vector(CIPHERS, 2) + b"\x01\x00"
        + len(block).to_bytes(2, "big") + block
    )  # fmt: skip
    message = b"\x01" + len(body).to_bytes(3, "big") + body
    return b"\x16\x03\x01" + len(message).to_bytes(2, "big") + message


def test_the_example_of_the_ja4_specification() -> None:
    assert ja4(client_hello()) == JA4


@given(st.data())
def test_a_broken_hello_has_a_fingerprint_or_is_refused(data: st.DataObject) -> None:
    hello = bytearray(client_hello())
    for _ in range(data.draw(st.integers(1, 4))):
        hello[data.draw(st.integers(5, len(hello) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(hello)))
    try:
        assert ja4(bytes(hello[:cut]))
    except NotTlsError:
        pass


def test_settings_fill_the_gateways_part() -> None:
    settings = SimpleNamespace(
        home=Path("state"), backend_port=1, gateway_port=2, gateway_idle_timeout_s=3, website_port=4
    )
    config = gateway_config(settings)
    assert (config.home, config.backend_port, config.port) == (Path("state"), 1, 2)
    assert (config.idle_timeout_s, config.bind_timeout_s) == (3, 10)
