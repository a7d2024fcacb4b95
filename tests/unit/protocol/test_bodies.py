"""Bodies have the members that their verb needs, of the right type, or are `bad-body`."""

from typing import Any, is_typeddict

import pytest

from protocol import messages
from protocol.bodies import fitting, read, shape_of_request, write
from protocol.certificates import ENROLLEE, ROLES
from protocol.errors import BodyError
from protocol.messages import REQUESTS, Authorize, Decision, Export, Order

AUTHORIZE: dict[str, Any] = {
    "id": 5,
    "contract": "e30",
    "signature": "h..s",
    "salt": "AAAAAAAAAAAAAAAAAAAAAA",
    "pin": False,
    "track2": ";1=2?",
}
DECISION: dict[str, Any] = {
    "re": 5,
    "counter": 1,
    "ms": 1,
    "transaction": "t",
    "approved": True,
    "code": "00",
    "reason": "approved",
    "amount_cents": 1,
    "would_pass_cents": None,
    "text": "yes",
    "decided_ms": 1,
    "duplicate": False,
}


def test_a_body_is_read_as_written() -> None:
    assert read(write(AUTHORIZE), Authorize) == AUTHORIZE
    assert read(write(DECISION), Decision) == DECISION


def test_unknown_members_are_ignored() -> None:
    assert read(write({**AUTHORIZE, "tip_cents": 5}), Authorize)["id"] == 5


@pytest.mark.parametrize("member", sorted(AUTHORIZE.keys() - {"salt", "track2"}))
def test_a_missing_member_is_refused(member: str) -> None:
    body = {name: value for name, value in AUTHORIZE.items() if name != member}
    with pytest.raises(BodyError, match="bad-body"):
        read(write(body), Authorize)


@pytest.mark.parametrize(
    ("shape", "body", "changes"),
    [
        (Authorize, AUTHORIZE, {"id": "5"}),
        (Authorize, AUTHORIZE, {"id": 5.0}),
        (Authorize, AUTHORIZE, {"id": True}),
        (Authorize, AUTHORIZE, {"id": 2**63}),
        (Authorize, AUTHORIZE, {"id": None}),
        (Authorize, AUTHORIZE, {"pin": 0}),
        (Authorize, AUTHORIZE, {"contract": 5}),
        (Authorize, AUTHORIZE, {"track2": None}),
        (Authorize, AUTHORIZE, {"track": {}}),
        (Authorize, AUTHORIZE, {"track": {"session": "s", "nonce": "n", "box": 1}}),
        (Decision, DECISION, {"would_pass_cents": "5"}),
        (Order, {"id": 1, "items": [], "card": "c"}, {"items": {}}),
        (Order, {"id": 1, "items": [], "card": "c"}, {"items": [1]}),
        (Order, {"id": 1, "items": [], "card": "c"}, {"items": [{"item": "x"}]}),
    ],
)
def test_a_wrong_member_is_refused(
    shape: type[Any], body: dict[str, Any], changes: dict[str, Any]
) -> None:
    assert read(write(body), shape) == body
    with pytest.raises(BodyError, match="bad-body"):
        read(write({**body, **changes}), shape)


@pytest.mark.parametrize("raw", [b"", b"[]", b"{", b'{"id":1,"id":2}', b"\xff"])
def test_what_is_no_object_is_refused(raw: bytes) -> None:
    with pytest.raises(BodyError, match="bad-body"):
        read(raw, messages.Ask)


def test_literals_are_checked() -> None:
    export = {"id": 1, "what": "settlements", "from": "f", "to": "t", "format": "csv"}
    assert read(write(export), Export) == export
    wrong: list[dict[str, Any]] = [{"format": "pdf"}, {"what": "all"}, {"format": ["csv"]}]
    for changes in wrong:
        with pytest.raises(BodyError):
            read(write({**export, **changes}), Export)


def test_every_shape_can_be_checked() -> None:
    for shape in vars(messages).values():
        if is_typeddict(shape) and shape.__required_keys__:
            with pytest.raises(BodyError):
                fitting({}, shape)


def test_each_role_has_its_own_verbs() -> None:
    assert REQUESTS.keys() <= ROLES | {ENROLLEE}
    assert shape_of_request("pos", "C", "AUTHORIZE") is Authorize
    assert shape_of_request("pos", "C", "MENU") is messages.Ask
    assert shape_of_request("operator", "C", "MENU") is messages.SignedCommand
    for role, kind, verb, code in (
        ("card", "C", "AUTHORIZE", "forbidden"),
        ("auditor", "C", "REFILL", "forbidden"),
        ("backend", "C", "MENU", "forbidden"),
        ("pos", "D", "AUTHORIZE", "unknown-verb"),
        ("pos", "C", "FLY", "unknown-verb"),
    ):
        with pytest.raises(BodyError, match=code):
            shape_of_request(role, kind, verb)
