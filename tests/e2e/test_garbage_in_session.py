"""Garbage in a session: `I ERROR` with a code, and nobody else notices anything."""

import itertools
import os
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from protocol import errors
from protocol.contract import TYP_CARD
from protocol.encoding import b64, to_json
from protocol.line import Line, encode, parse
from tests.e2e.raw_line import RawLine, another_id
from tests.e2e.scene import SESSION, Scene, prove
from tests.e2e.town import Card

# --- Records ---


def _replayed(line: RawLine) -> bytes:
    return line.menu() * 2


def _skipped(line: RawLine) -> bytes:
    line.menu()
    return line.menu()


def _reordered(line: RawLine) -> bytes:
    first, second = line.menu(), line.menu()
    return second + first


def _altered(line: RawLine) -> bytes:
    good = parse(line.menu())
    return encode(good._replace(payload=bytes([good.payload[0] ^ 1]) + good.payload[1:]))


def _renamed(line: RawLine) -> bytes:
    return line.menu().replace(b"MENU", b"REVERSE")


def _padded(line: RawLine) -> bytes:
    return line.menu()[:-1] + b"==\n"


def _cut(line: RawLine) -> bytes:
    good = parse(line.menu())
    return encode(good._replace(payload=good.payload[:-1]))


def _shorter_than_a_tag(line: RawLine) -> bytes:
    return encode(parse(line.menu())._replace(payload=b"x"))


def _of_another_session(line: RawLine) -> bytes:
    return encode(parse(line.menu())._replace(session=SESSION))


def _unsealed(line: RawLine) -> bytes:
    return encode(parse(line.menu())._replace(payload=to_json({"id": 1})))


RECORDS: list[tuple[str, Callable[[RawLine], bytes], str]] = [
    ("replayed", _replayed, "bad-sequence"),
    ("skipped", _skipped, "bad-sequence"),
    ("reordered", _reordered, "bad-sequence"),
    ("altered", _altered, "bad-tag"),
    ("renamed", _renamed, "bad-tag"),
    ("padded", _padded, "malformed"),
    ("cut", _cut, "bad-tag"),
    ("shorter than a tag", _shorter_than_a_tag, "bad-tag"),
    ("unsealed", _unsealed, "bad-tag"),
    ("foreign", _of_another_session, "wrong-session"),
    ("HELLO again", lambda line: line.initiator().hello(), "wrong-session"),
    ("PROVE again", lambda line: prove(line.session.id), "bad-tag"),
]


@pytest.mark.parametrize(("make", "code"), [case[1:] for case in RECORDS],
                         ids=[case[0] for case in RECORDS])  # fmt: skip
def test_a_bad_record_ends_its_own_session(
    scene: Scene, make: Callable[[RawLine], bytes], code: str
) -> None:
    async def scenario() -> None:
        async with RawLine.in_session(scene.device) as line:
            line.write(make(line))
            heard = await line.heard()
            while heard.line.verb == "MENU":  # what came before the fault is answered
                heard = await line.heard()
            assert (heard.code, heard.sealed) == (code, True)
            assert await line.ended()

    scene.play(scenario())


def test_a_record_of_an_earlier_session_is_worth_nothing(scene: Scene) -> None:
    async def scenario() -> None:
        async with RawLine.in_session(scene.device) as earlier:
            old = parse(earlier.authorize(scene.card))
        async with RawLine.in_session(scene.device) as line:
            line.write(encode(old._replace(session=line.session.id)))
            assert (await line.heard()).code == "bad-tag"
            assert await line.ended()

    scene.play(scenario())


def test_two_faults_in_one_breath_are_answered_and_end_one_session(scene: Scene) -> None:
    async def scenario() -> None:
        async with RawLine.in_session(scene.device) as line:
            line.write(_altered(line) + line.menu() + b"\n" + line.authorize(scene.card))
            assert (await line.heard()).code in ("bad-tag", "malformed")
            assert await line.ended()

    scene.play(scenario())


# --- Bodies ---


Made = Callable[[RawLine, Card], bytes]
BODIES: list[tuple[str, Made, str]] = [
    ("an unknown verb", lambda line, card: line.seal("DANCE", {"id": 1}), "unknown-verb"),
    ("a verb of a phone", lambda line, card: line.seal("BALANCE", {"id": 1}), "forbidden"),
    ("a verb of an operator", lambda line, card: line.seal("REFILL", {"id": 1}), "forbidden"),
    ("an error", lambda line, card: line.seal("ERROR", {"code": "x"}, "I"), "forbidden"),
    ("another kind", lambda line, card: line.seal("AUTHORIZE", {"id": 1}, "D"), "unknown-verb"),
    ("no JSON", lambda line, card: line.seal("AUTHORIZE", os.urandom(50)), "bad-body"),
    ("nothing", lambda line, card: line.seal("AUTHORIZE", b""), "bad-body"),
    ("a list", lambda line, card: line.seal("REVERSE", b"[1]"), "bad-body"),
    ("a key twice", lambda line, card: line.seal("REVERSE", b'{"id":1,"id":2}'), "bad-body"),
    ("nested", lambda line, card: line.seal("MENU", b'{"id":' + b"[" * 20_000), "bad-body"),
    ("half a surrogate", lambda line, card: line.seal(
        "REVERSE", b'{"id":1,"why":"\\ud800"}'), "bad-body"),
    ("a PIN block without form", lambda line, card: line.seal(
        "PRESENT-PIN", {"id": 1, "counter": 1}), "bad-body"),
    ("no contract", lambda line, card: line.authorize(card, contract=""), "bad-signature"),
    ("a contract in another alphabet", lambda line, card: line.authorize(card, contract="+/=="),
     "bad-body"),
    ("no signature", lambda line, card: line.authorize(card, signature=""), "bad-signature"),
    ("a signature of noise", lambda line, card: line.authorize(
        card, signature=f"{b64(b'{}')}..{b64(os.urandom(64))}"), "bad-signature"),
    ("a signature over something else", lambda line, card: line.authorize(
        card, signature=line.sign(b"{}")), "bad-signature"),
    ("a signature as a card", lambda line, card: line.authorize(
        card, signature=line.sign(b"{}", TYP_CARD)), "wrong-signer"),
    ("a signature of another key", lambda line, card: line.authorize(
        card, signature=line.sign(b"{}", kid="1f")), "wrong-signer"),
    ("no salt", lambda line, card: line.authorize(card, salt=""), "bad-body"),
    ("another salt", lambda line, card: line.authorize(card, salt=b64(bytes(16))), "bad-body"),
    ("a PIN that was not presented", lambda line, card: line.authorize(card, pin=True), "bad-body"),
    ("no track", lambda line, card: line.authorize(card, track2=""), "bad-track"),
    ("a track without end", lambda line, card: line.authorize(
        card, track2=card.stripe.track2[:-1]), "bad-track"),
    ("half a virtual card", lambda line, card: line.authorize(
        card, consent="a..b", track={"session": SESSION}), "bad-body"),
    ("a virtual card that is not there", lambda line, card: line.by_phone(
        card, SESSION), "wrong-peer"),
    ("a terminal as a virtual card", lambda line, card: line.by_phone(
        card, line.session.id), "wrong-peer"),
    ("a track of another type", lambda line, card: line.authorize(card, track=7), "bad-body"),
    ("an amount of nothing", lambda line, card: line.authorize(
        card, {"amount_cents": 0}), "bad-contract"),
    ("too large an amount", lambda line, card: line.authorize(
        card, {"amount_cents": 1 << 31}), "bad-contract"),
    ("a fraction", lambda line, card: line.authorize(
        card, {"amount_cents": 1.5}), "bad-contract"),
    ("a counter out of range", lambda line, card: line.authorize(
        card, {"counter": 1 << 63}), "bad-contract"),
    ("a time that no id can hold", lambda line, card: line.authorize(
        card, {"ms": 1 << 48, "expires_ms": (1 << 48) + 1}), "bad-contract"),
    ("another member", lambda line, card: line.authorize(card, {"tip": 1}), "bad-contract"),
    ("another terminal's contract", lambda line, card: line.authorize(
        card, {"terminal": str(another_id())}), "wrong-peer"),
    ("a reversal before all counting", lambda line, card: line.reverse(
        card, counter=-1), "bad-body"),
    ("a reversal beyond all counting", lambda line, card: line.reverse(
        card, counter=1 << 63), "bad-body"),
    ("a reversal before all time", lambda line, card: line.reverse(card, ms=-1), "bad-body"),
    ("a reversal after all time", lambda line, card: line.reverse(card, ms=1 << 48), "bad-body"),
    ("a reversal of no contract", lambda line, card: line.reverse(
        card, contract_hash=b64(b"x")), "bad-body"),
    ("a reversal of no card", lambda line, card: line.reverse(card, pan="x" * 9000), "bad-body"),
    ("a reversal of no phone", lambda line, card: line.reverse(card, card_id="x"), "bad-body"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "code"), [case[1:] for case in BODIES],
                         ids=[case[0] for case in BODIES])  # fmt: skip
def test_a_bad_body_is_refused_and_the_session_goes_on(scene: Scene, make: Made, code: str) -> None:
    async def scenario() -> None:
        async with RawLine.in_session(scene.device) as line:
            line.write(make(line, scene.card))
            heard = await line.heard()
            assert (heard.code, heard.sealed) == (code, True)
            assert await line.still_serves()

    scene.play(scenario())


def test_a_pin_block_of_noise_is_refused(scene: Scene) -> None:
    async def scenario() -> None:
        async with RawLine.in_session(scene.device) as line:
            block = {"id": line.next_id(), "counter": 77, "ms": 1, "ephemeral": b64(os.urandom(65)),
                     "block": b64(os.urandom(40))}  # fmt: skip
            line.write(line.seal("PRESENT-PIN", block))
            line.write(line.authorize(scene.card, {"counter": 77}, pin=True))
            assert (await line.heard()).code == "bad-pin-block"
            assert await line.still_serves()

    scene.play(scenario())


def test_a_contract_of_another_session_is_refused_by_a_decision(scene: Scene) -> None:
    async def scenario() -> None:
        async with RawLine.in_session(scene.device) as line:
            line.write(line.authorize(scene.card, {"session": b64(os.urandom(32))}))
            body = (await line.heard()).body
            assert (body["code"], body["reason"]) == ("12", "foreign-session")
            assert await line.still_serves()

    scene.play(scenario())


def test_lines_to_others_are_not_passed_on(scene: Scene) -> None:
    """A terminal may call nobody, and knows no session but its own."""
    own = scene.bystander.device.id

    async def scenario() -> None:
        async with RawLine.in_session(scene.device) as line:
            for to, session, code in (
                (str(own), SESSION[:16], "forbidden"),
                (str(own), SESSION, "no-such-peer"),
                (str(another_id()), SESSION[:16], "forbidden"),
                ("peer", SESSION, "no-such-peer"),
                ("peer", "-", "no-such-peer"),
            ):
                verb = "HELLO" if len(session) == 16 else "ORDER"
                line.write(encode(Line("C", verb, to, session, 0, b"x" * 40)))
                assert (await line.heard()).code == code, (to, session)
            assert await line.still_serves()

    scene.play(scenario())


def test_more_at_once_than_is_allowed_is_refused_as_busy_or_decided(scene: Scene) -> None:
    many = 200

    async def scenario() -> None:
        async with RawLine.in_session(scene.device) as line:
            line.write(b"".join(line.authorize(scene.card) for _ in range(many)))
            answers = [await line.heard() for _ in range(many)]
            assert {each.line.verb for each in answers} <= {"DECISION", "ERROR"}
            refused = {each.code for each in answers if each.line.verb == "ERROR"}
            assert refused <= {"busy"}
            assert await line.still_serves()

    scene.play(scenario())


# --- Whatever else ---

FAULTS = ("noise", "flip", "cut", "grow", "twice", "skip", "swap", "good")


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(FAULTS), st.integers(0, 2000), st.binary(min_size=1, max_size=40)
        ),
        min_size=1,
        max_size=6,
    )
)
def test_no_garbage_is_ever_taken_for_a_payment(
    scene: Scene, steps: list[tuple[str, int, bytes]]
) -> None:
    """Payments damaged on the way are never approved, and each is answered by a known code."""

    good = len(list(itertools.takewhile(lambda step: step[0] == "good", steps)))
    most = good + (steps[good:] != [] and steps[good][0] == "twice")

    async def scenario() -> None:
        async with RawLine.in_session(scene.device) as line:
            for fault, at, noise in steps:
                line.write(_damaged(line, scene.card, fault, at, noise))
            line.write(b"\n")  # whatever was begun ends here
            decided = 0
            while (heard := await line.heard()).line.verb != "ERROR":
                assert heard.line.verb == "DECISION"
                decided += 1
            assert heard.code in errors.TEXTS
            assert decided <= most, "a damaged payment was decided"

    scene.play(scenario())


def _damaged(line: RawLine, card: Card, fault: str, at: int, noise: bytes) -> bytes:
    raw = line.authorize(card)
    at %= len(raw) - 1
    match fault:
        case "noise":
            return noise
        case "flip":
            return raw[:at] + bytes([raw[at] ^ 1 << noise[0] % 8]) + raw[at + 1 :]
        case "cut":
            return raw[:at] + b"\n"
        case "grow":
            return raw[:at] + noise + raw[at:]
        case "twice":
            return raw + raw
        case "skip":
            return line.authorize(card)
        case "swap":
            return line.authorize(card) + raw
    return raw
