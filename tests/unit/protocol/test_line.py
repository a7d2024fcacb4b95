"""Lines: whatever is encoded parses to the same; whatever else arrives is refused by code."""

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from protocol.encoding import b64, from_json, lp, split_lp, to_json, unb64
from protocol.errors import LineError, ProtocolError
from protocol.line import MAX_LINE, Line, encode, error_line, parse, read_error

VERBS = st.from_regex(r"[A-Z][A-Z-]{1,15}", fullmatch=True)
HEX = st.sampled_from("0123456789abcdef")
SESSIONS = st.one_of(
    st.just("-"), st.text(HEX, min_size=16, max_size=16), st.text(HEX, min_size=32, max_size=32)
)
LINES = st.builds(
    Line,
    kind=st.sampled_from("IDC"),
    verb=VERBS,
    to=st.one_of(st.just("backend"), st.just("peer"), st.uuids().map(str)),
    session=SESSIONS,
    sequence=st.integers(0, 2**20),
    payload=st.binary(min_size=1, max_size=300),
)


@given(LINES)
def test_a_line_survives_the_wire(line: Line) -> None:
    assert parse(encode(line)) == line


@given(LINES, st.data())
def test_a_changed_line_is_another_line_or_refused(line: Line, data: st.DataObject) -> None:
    raw = bytearray(encode(line))
    at = data.draw(st.integers(0, len(raw) - 1))
    raw[at] ^= data.draw(st.integers(1, 255))
    found = code = None
    try:
        found = parse(bytes(raw))
    except LineError as error:
        code = error.code
    if found is None:
        assert code in ("malformed", "not-utf8")
    else:
        # Two texts never mean one line.
        assert found != line
        assert encode(found).rstrip(b"\n") == bytes(raw).rstrip(b"\n")


@given(st.binary(max_size=400))
@example(b"\n")
@example(b"\xff" * 200)
def test_garbage_is_refused(raw: bytes) -> None:
    with pytest.raises(LineError) as caught:
        parse(raw)
    assert caught.value.code in ("malformed", "not-utf8")


def test_too_long_says_so_whatever_it_is() -> None:
    for raw in (b"A" * (MAX_LINE + 1), b"\xff" * (MAX_LINE + 1)):
        with pytest.raises(LineError, match="line-too-long"):
            parse(raw)
    with pytest.raises(LineError, match="line-too-long"):
        encode(Line("C", "MENU", "backend", "-", 0, bytes(50_000)))


@pytest.mark.parametrize(
    "line",
    [
        Line("X", "MENU", "backend", "-", 0, b"x"),
        Line("C", "menu", "backend", "-", 0, b"x"),
        Line("C", "MENU", "me", "-", 0, b"x"),
        Line("C", "MENU", "backend", "- 0", 0, b"x"),
        Line("C", "MENU", "backend", "-", -1, b"x"),
        Line("C", "MENU", "backend", "-", 0, b""),
    ],
)
def test_a_bad_line_is_not_written(line: Line) -> None:
    with pytest.raises(LineError, match="malformed"):
        encode(line)


def test_an_unsealed_error_is_read_and_cleaned() -> None:
    assert read_error(parse(error_line("busy"))) == ("busy", "too much work at once; try again")
    long = error_line("busy", "\x1b[2J\n" + "x" * 300)
    assert read_error(parse(long)) == ("busy", "[2J" + "x" * 197)
    assert read_error(Line("C", "MENU", "backend", "-", 0, b"x")) is None


@pytest.mark.parametrize("payload", [b"x", b"[]", b"{}", b'{"code":5}', b'{"code":"<b>"}'])
def test_an_unreadable_error_is_malformed(payload: bytes) -> None:
    with pytest.raises(LineError, match="malformed"):
        read_error(Line("I", "ERROR", "peer", "-", 0, payload))


@given(st.binary(max_size=100))
def test_base64url_has_one_text_for_each_value(data: bytes) -> None:
    assert unb64(b64(data)) == data


@given(st.text("ABYZabyz0189-_+/= \n", max_size=12))
def test_base64url_accepts_only_that_text(text: str) -> None:
    try:
        data = unb64(text)
    except ValueError:
        return
    assert b64(data) == text


@given(st.lists(st.binary(max_size=20), max_size=4))
def test_length_prefixes(pieces: list[bytes]) -> None:
    raw = b"".join(map(lp, pieces))
    assert split_lp(raw, len(pieces)) == pieces
    for wrong in (len(pieces) + 1, len(pieces) - 1):
        if wrong >= 0:
            with pytest.raises(ValueError):
                split_lp(raw, wrong)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=5), JSON, max_size=4))
def test_json_survives(value: dict[str, Any]) -> None:
    assert from_json(to_json(value)) == value


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b"5",
        b"null",
        b"{} {}",
        b"{'a':1}",
        b'{"a":NaN}',
        b'{"a":-Infinity}',
        b'{"a":1,"a":1}',
        b'{"a":{"b":1,"b":2}}',
        b'{"a":"\\ud800"}',
        b'{"a":"\xff"}',
        b'\xef\xbb\xbf{"a":1}',
        b'{"a":' + b"9" * 21 + b"}",
        b'{"a":' + b"[" * 20_000 + b"]" * 20_000 + b"}",
    ],
    ids=lambda raw: str(raw[:20]),
)
def test_json_that_could_be_read_in_two_ways_is_refused(raw: bytes) -> None:
    with pytest.raises(ValueError):
        from_json(raw)


def test_errors_say_code_and_text() -> None:
    assert str(ProtocolError("busy")) == "busy: too much work at once; try again"
    assert str(ProtocolError("new-code")) == "new-code"
