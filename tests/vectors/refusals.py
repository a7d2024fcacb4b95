"""Handshake messages that must be refused, each with its code: forged, but well sealed."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any, NamedTuple

from tests.vectors import stranger
from tests.vectors.material import (
    BEGIN,
    ISSUING,
    Holder,
    authority,
    certificate,
    der,
    fixed,
    holder,
    issuing,
    key,
    leaf,
    party,
    role_value,
    signer,
    subject_id,
    usage,
)
from tests.vectors.stranger import Change, b64, same, unb64


class Refusal(NamedTuple):
    """A lie, and what a correct receiver says to it."""

    name: str
    code: str
    line: bytes


def liar(who: Holder, vector: str, clear: Change = same, proof: Change = same) -> stranger.Self:
    """A party that changes its clear object or its proof."""
    random = fixed(vector)
    return stranger.Self(
        who.role,
        who.chain,
        signer(who.name),
        random.ephemeral_private,
        random.nonce,
        random.name,
        change_clear=clear,
        change_proof=proof,
    )


def put(**members: Any) -> Change:
    """Sets members."""
    return lambda body: {**body, **members}


def drop(member: str) -> Change:
    """Removes a member."""
    return lambda body: {name: value for name, value in body.items() if name != member}


def flip(member: str) -> Change:
    """Changes a bit in a base64url member."""

    def change(body: dict[str, Any]) -> dict[str, Any]:
        data = bytearray(unb64(body[member]))
        data[-1] ^= 1
        return {**body, member: b64(bytes(data))}

    return change


LOW_ORDER_POINTS = (
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
)
"""Every X25519 point (RFC 7748) whose product with any key is zero, in all encodings."""


def bad_holders(role: str) -> Iterator[tuple[str, str, Holder]]:
    """Parties of that role whose certificates are wrong in one way each."""
    good = party(role)
    public = key(role).public_key()
    own = str(subject_id(role))
    for name, delta, code in (
        ("expired", -timedelta(days=1), "expired-certificate"),
        ("not yet valid", timedelta(days=400), "expired-certificate"),
    ):
        begin = BEGIN + delta
        end = begin + timedelta(days=1)
        made = certificate(own, public, ISSUING, "issuing", leaf(role, role), begin=begin, end=end)
        yield name, code, Holder(role, role, [der(made), der(issuing())])
    yield "no issuing certificate", "untrusted-certificate", Holder(role, role, good.chain[:1])
    yield "no certificate", "untrusted-certificate", Holder(role, role, [])
    yield "too many certificates", "untrusted-certificate", Holder(role, role, good.chain * 2)
    yield "no DER", "untrusted-certificate", Holder(role, role, [b"\x30\x03abc", good.chain[1]])
    forged = certificate(own, public, ISSUING, "foreign", leaf(role, role))
    yield (
        "foreign issuer",
        "untrusted-certificate",
        Holder(role, role, [der(forged), good.chain[1]]),
    )
    foreign = certificate(
        ISSUING, key("foreign").public_key(), "Test root", "foreign", authority(0)
    )
    yield "foreign root", "untrusted-certificate", Holder(role, role, [der(forged), der(foreign)])
    below = certificate(own, public, str(subject_id("card")), "card", leaf(role, role))
    yield (
        "issued by a device",
        "untrusted-certificate",
        Holder(role, role, [der(below), party("card").chain[0], good.chain[1]]),
    )
    says = list(leaf(role, role))
    for name, extensions in (
        ("no key usage", says[1:]),
        ("key usage of an authority", [(usage("key_cert_sign"), True), *says[1:]]),
        ("no extended key usage", [says[0], *says[2:]]),
        ("no subject id in a URI", [*says[:2], says[3]]),
        ("another subject id in the URI", [*says[:2], leaf("other", role)[2], says[3]]),
        ("an authority", [*authority(None)[:1], *says]),
    ):
        yield name, "untrusted-certificate", holder(role, role, extensions)
    yield "no role", "wrong-role", holder(role, role, says[:3])
    yield "unknown role", "wrong-role", holder(role, role, [*says[:3], (role_value("king"), False)])
    yield "another role", "wrong-role", holder(role, role, [*says[:3], (role_value("card"), False)])
    yield "revoked", "revoked-certificate", holder("revoked", role)


Forge = Callable[[Change, Change, Holder], bytes]


def _proofs(forge: Forge, honest: Holder) -> Iterator[Refusal]:
    """What can be wrong inside the sealed part of M2 and M3 alike."""
    for member in ("chain", "signature", "mac"):
        yield Refusal(f"no {member}", "malformed", forge(same, drop(member), honest))
        for value in (None, 5, "", "A", "+/==", [5]):
            line = forge(same, put(**{member: value}), honest)
            yield Refusal(f"{member} is {value!r}", "malformed", line)
    yield Refusal("unknown member", "malformed", forge(same, put(more=1), honest))
    yield Refusal("wrong signature", "bad-signature", forge(same, flip("signature"), honest))
    zero = forge(same, put(signature=b64(bytes(64))), honest)
    yield Refusal("zero signature", "bad-signature", zero)
    yield Refusal("wrong mac", "bad-mac", forge(same, flip("mac"), honest))
    # Identity misbinding: another party's certificate over the own signature.
    borrowed = put(chain=[b64(each) for each in holder("other", honest.role).chain])
    yield Refusal("another's certificate", "bad-signature", forge(same, borrowed, honest))
    for name, code, who in bad_holders(honest.role):
        yield Refusal(f"certificate: {name}", code, forge(same, same, who))


def refused_by_responder(vector: str) -> Iterator[Refusal]:
    """M1 lines that the backend must refuse."""
    pos = party("pos")

    def m1(clear: Change, to: str = "backend") -> bytes:
        return liar(pos, vector, clear).hello(to)

    for member in ("version", "suite", "role", "ephemeral", "nonce"):
        code = {"version": "unsupported-version", "suite": "unsupported-suite"}.get(
            member, "malformed"
        )
        yield Refusal(f"no {member}", code, m1(drop(member)))
    yield Refusal("unknown member", "malformed", m1(put(more=1)))
    for version in (0, 2, "1", True, None, 1.0):
        yield Refusal(f"version {version!r}", "unsupported-version", m1(put(version=version)))
    yield Refusal("other suite", "unsupported-suite", m1(put(suite="X448-ES256")))
    roles: tuple[object, ...] = ("backend", "king", "", None, 7, [], {})
    for role in roles:
        yield Refusal(f"role {role!r}", "wrong-role", m1(put(role=role)))
    for member in ("ephemeral", "nonce"):
        for value in (
            None,
            5,
            "",
            b64(bytes(range(31))),
            b64(bytes(range(33))),
            b64(bytes(32)) + "=",
        ):
            yield Refusal(f"{member} is {value!r}", "malformed", m1(put(**{member: value})))
    for point in LOW_ORDER_POINTS:
        yield Refusal("low order", "weak-key", m1(put(ephemeral=b64(bytes.fromhex(point)))))
    terminal = str(subject_id("pos"))
    yield Refusal("for a terminal", "wrong-peer", m1(same, terminal))
    offer = fixed(vector).name.hex()
    for name, code, payload in (
        ("no JSON", "malformed", b"hello"),
        ("a list", "malformed", b"[]"),
        ("a member twice", "malformed", b'{"version":1,"version":1}'),
        ("too long", "malformed", b'{"version":1,"more":"' + b"x" * 1024 + b'"}'),
    ):
        yield Refusal(name, code, f"TR1 C HELLO backend {offer} 0 {b64(payload)}\n".encode())
    good = m1(same)
    yield Refusal("other kind", "out-of-turn", good.replace(b" C ", b" D "))
    yield Refusal("other verb", "out-of-turn", good.replace(b"HELLO", b"PROVE"))
    yield Refusal("other sequence", "out-of-turn", good.replace(b" 0 ", b" 1 "))
    yield Refusal("long offer", "wrong-session", good.replace(offer.encode(), offer.encode() * 2))
    yield Refusal("no offer", "wrong-session", good.replace(offer.encode(), b"-"))
    yield Refusal("to the peer", "wrong-session", good.replace(b"backend", b"peer", 1))


def refused_by_initiator(vector: str, m1: bytes) -> Iterator[Refusal]:
    """M2 lines that a POS must refuse after its `m1`."""
    backend = party("backend")

    def m2(
        clear: Change, proof: Change, who: Holder, status: dict[str, Any] | None = None
    ) -> bytes:
        return liar(who, vector, clear, proof).answer(m1, status or {})

    good = m2(same, same, backend)
    session = good.split()[4].decode()
    yield from _proofs(m2, backend)
    revoked = m2(same, same, backend, {"state": "revoked"})
    yield Refusal("status revoked", "revoked-certificate", revoked)
    yield Refusal("no status", "malformed", m2(same, drop("status"), backend))
    yield Refusal("status is a text", "malformed", m2(same, put(status="good"), backend))
    for member in ("session", "role", "ephemeral", "nonce"):
        # Without its own members the responder cannot be honest about the rest.
        yield Refusal(f"no {member}", "malformed", _with_clear(good, drop(member)))
    yield Refusal("unknown member", "malformed", _with_clear(good, put(more=1)))
    yield Refusal("role of a card", "wrong-role", m2(put(role="card"), same, backend))
    # Somebody with a good certificate, but not the backend's, in the backend's place.
    card = m2(put(role="backend"), same, party("card"))
    yield Refusal("a card as backend", "wrong-role", card)
    other = session[:16] + "0" * 16
    yield Refusal("session differs", "wrong-session", m2(put(session=other), same, backend))
    foreign = good.replace(session.encode(), b"0" * 32)
    yield Refusal("foreign session", "wrong-session", foreign)
    yield Refusal(
        "offer only", "wrong-session", good.replace(session.encode(), session[:16].encode())
    )
    yield Refusal("not to the peer", "wrong-session", good.replace(b" peer ", b" backend "))
    for point in LOW_ORDER_POINTS:
        clear = put(ephemeral=b64(bytes.fromhex(point)))
        yield Refusal("low order", "weak-key", _with_clear(good, clear))
    own = json.loads(unb64(m1.decode().split()[6]))["ephemeral"]
    yield Refusal("own key reflected", "weak-key", _with_clear(good, put(ephemeral=own)))
    yield Refusal("other nonce", "bad-tag", _with_clear(good, flip("nonce")))
    yield Refusal("M1 reflected", "out-of-turn", m1)
    yield Refusal("command", "out-of-turn", good.replace(b" D ", b" C "))
    yield Refusal("sequence 1", "out-of-turn", good.replace(b" 0 ", b" 1 "))
    head, _, payload = good.decode().strip().rpartition(" ")
    parts = unb64(payload)
    for name, changed in (
        ("cut", parts[:-1]),
        ("one part", stranger.lp(b"{}")),
        ("bytes after", parts + b"x"),
        ("three bytes", parts[:3]),
        ("long prefix", b"\xff\xff\xff\xff" + parts[4:]),
    ):
        yield Refusal(name, "malformed", f"{head} {b64(changed)}\n".encode())


def refused_at_finish(
    vector: str, m2: bytes, initiator: Callable[[Change, Holder], bytes]
) -> Iterator[Refusal]:
    """M3 lines that the backend must refuse after its `m2`; `initiator` makes an M3."""
    yield from _proofs(lambda _, proof, who: initiator(proof, who), party("pos"))
    good = initiator(same, party("pos"))
    session = m2.split()[4]
    yield Refusal("a card as POS", "wrong-role", initiator(same, party("card")))
    yield Refusal("the backend itself", "wrong-role", initiator(same, party("backend")))
    yield Refusal("foreign session", "wrong-session", good.replace(session, b"0" * 32))
    yield Refusal("to the peer", "wrong-session", good.replace(b" backend ", b" peer "))
    yield Refusal("M2 reflected", "out-of-turn", m2)
    sealed = m2.decode().split()[6]
    head = good.decode().rpartition(" ")[0]
    yield Refusal("M2's proof reflected", "bad-tag", f"{head} {sealed}\n".encode())
    yield Refusal("empty proof", "bad-tag", f"{head} {b64(bytes(16))}\n".encode())
    yield Refusal("short proof", "bad-tag", f"{head} {b64(bytes(3))}\n".encode())


def _with_clear(m2: bytes, change: Change) -> bytes:
    """M2 with its clear part changed after sealing."""
    head, _, payload = m2.decode().strip().rpartition(" ")
    data = unb64(payload)
    length = int.from_bytes(data[:4], "big")
    clear = stranger.compact(change(json.loads(data[4 : 4 + length])))
    return f"{head} {b64(stranger.lp(clear) + data[4 + length :])}\n".encode()
