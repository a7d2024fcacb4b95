"""Writes the test vectors of TR-TPR, and the worked example in the document itself.

`python -m tests.vectors.generate`, from the repository. Run it only when the protocol changes; the
tests check the files as they are.
"""

import json
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from protocol.certificates import ROLES
from protocol.contract import (
    TYP_CARD,
    TYP_OPERATOR,
    TYP_POS,
    Contract,
    card_reference,
    contract_hash,
    encode_contract,
    items_hash,
    sign_detached,
)
from protocol.encoding import b64
from protocol.handshake import Initiator, Responder
from protocol.line import parse
from protocol.pin import pin_block, pin_context, seal_pin
from protocol.record import Session
from protocol.sealed_track import seal_track
from tests.vectors import refusals, stranger
from tests.vectors.adjustments import adjustments
from tests.vectors.malformed import bad_contracts, lines
from tests.vectors.material import (
    NOW_MS,
    Holder,
    der,
    fixed,
    holder,
    key,
    octets,
    party,
    pin_key_chain,
    root,
    signer,
    subject_id,
    trust,
)
from tests.vectors.refusals import Refusal, liar
from tests.vectors.stranger import Change
from tests.vectors.worked_example import DOCUMENT, put_into

FOLDER = Path(__file__).parent
PAN = "9840001234567892"
TRACK2 = f";{PAN}=29127250100112345678?"
READY = b'{"limits":{},"time_ms":1795521600000}'
Json = dict[str, Any]


def parties() -> Json:
    """Keys and certificates of all."""

    def private(name: str) -> str:
        numbers = key(name).private_numbers()
        return numbers.private_value.to_bytes(32, "big").hex()

    def described(role: str) -> Json:
        who = party(role)
        return {
            "role": role,
            "subject_id": who.subject_id,
            "serial": who.kid,
            "private": private(role),
            "chain": [each.hex() for each in who.chain],
        }

    pkcs8 = key("pos").private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return {
        "about": "P-256 private keys as 32 bytes hex, certificates DER hex, leaf first",
        "now_ms": NOW_MS,
        "root": der(root()).hex(),
        "parties": [described(role) for role in sorted(ROLES)],
        "pos_pkcs8": pkcs8.hex(),
        "pin_key": {"private": private("pin"), "chain": [each.hex() for each in pin_key_chain()]},
    }


def run(name: str, initiator: Holder, responder: Holder, to: str) -> tuple[Json, Session, Session]:
    """One whole handshake; every value that an implementer wants to compare."""
    left, right = fixed(f"{name} initiator"), fixed(f"{name} responder")
    first = Initiator(initiator.identity, trust(), to, responder.role, NOW_MS, random=left)
    second = Responder(responder.identity, trust(), NOW_MS, status={"state": "good"}, random=right)
    m1 = first.hello()
    m2 = second.answer(parse(m1))
    m3 = first.prove(parse(m2))
    server = second.finish(parse(m3), {initiator.role})
    m4 = server.seal("I", "READY", "peer", READY)
    client, _ = first.ready(parse(m4))
    mirror = liar(initiator, f"{name} initiator")
    mirror.hello(to)
    mirror.prove(m2, to)
    other = liar(responder, f"{name} responder")
    other.answer(m1, {"state": "good"})
    payload = parse(m2).payload
    sealed_m2 = payload[8 + int.from_bytes(payload[:4], "big") :]
    labels: dict[str, bytes] = {
        f"{side} {what}": transcript
        for side, transcript in (("responder", mirror.t2), ("initiator", mirror.t3))
        for what in ("handshake key", "handshake iv", "mac")
    }
    directions = [f"{side} application" for side in ("initiator", "responder")]
    on_t4 = [f"{each} {what}" for each in directions for what in ("key", "iv")]
    labels |= dict.fromkeys((*on_t4, "pin", "export"), mirror.t4)
    vector = {
        "name": name,
        "to": to,
        "initiator": _ends(initiator, left.ephemeral_private, left.nonce, left.name),
        "responder": _ends(responder, right.ephemeral_private, right.nonce, right.name),
        "status": {"state": "good"},
        "m1": m1.decode(),
        "m2": m2.decode(),
        "m3": m3.decode(),
        "m4": m4.decode(),
        "m1_payload": parse(m1).payload.hex(),
        "m2_payload": parse(m2).payload.hex(),
        "m3_payload": parse(m3).payload.hex(),
        "shared": mirror.shared.hex(),
        "prk": mirror.prk.hex(),
        "t2": mirror.t2.hex(),
        "t3": mirror.t3.hex(),
        "t4": mirror.t4.hex(),
        "m2_signed": other.signed.hex(),
        "m2_proof": mirror.open_proof("responder", mirror.t2, sealed_m2).decode(),
        "m3_signed": mirror.signed.hex(),
        "m3_proof": mirror.open_proof("initiator", mirror.t3, parse(m3).payload).decode(),
        "secrets": {
            label: mirror.secret(label, transcript, 12 if label.endswith("iv") else 32).hex()
            for label, transcript in labels.items()
        },
        "ready": READY.decode(),
    }
    return vector, client, server


def _ends(who: Holder, ephemeral: bytes, nonce: bytes, name: bytes) -> Json:
    return {
        "role": who.role,
        "ephemeral_private": ephemeral.hex(),
        "nonce": nonce.hex(),
        "name": name.hex(),
    }


def refused() -> Json:
    """Handshake messages that must be refused, at each of the three ends."""

    def listed(found: Any) -> list[Json]:
        return [
            {"name": each.name, "code": each.code, "line": each.line.decode()}
            for each in found
            if isinstance(each, Refusal)
        ]

    pos, backend = party("pos"), party("backend")
    left, right = fixed("refused initiator"), fixed("refused responder")
    m1 = liar(pos, "refused initiator").hello("backend")
    m2 = liar(backend, "refused responder").answer(m1, {})

    def m3(proof: Change, who: Holder) -> bytes:
        forger = liar(pos, "refused initiator")
        forger.hello("backend")
        forger.role, forger.chain, forger.sign = who.role, who.chain, signer(who.name)
        forger.change_proof = proof
        return forger.prove(m2, "backend")

    return {
        "about": "each line alone, to a fresh end in the state after the lines before it",
        "revoked": holder("revoked", "pos").kid,
        "also_revoked": holder("revoked", "backend").kid,
        "initiator": _ends(pos, left.ephemeral_private, left.nonce, left.name),
        "responder": _ends(backend, right.ephemeral_private, right.nonce, right.name),
        "status": {},
        "m1": m1.decode(),
        "m2": m2.decode(),
        "bad_m1": listed(refusals.refused_by_responder("refused initiator")),
        "bad_m2": listed(refusals.refused_by_initiator("refused responder", m1)),
        "bad_m3": listed(refusals.refused_at_finish("refused initiator", m2, m3)),
    }


def records(client: Session, server: Session) -> Json:
    """Records in both directions, and what must be refused instead of the second one."""
    sent = [
        ("initiator", client, "C", "MENU", "backend", '{"id":1}'),
        ("initiator", client, "C", "BALANCE", "backend", '{"id":2,"é":"€"}'),
        ("responder", server, "D", "MENU", "peer", '{"items":[],"re":1}'),
        ("initiator", client, "C", "HISTORY", "backend", ""),
    ]
    made = [
        {
            "from": side,
            "body": body,
            "line": session.seal(kind, verb, to, body.encode()).decode(),
        }
        for side, session, kind, verb, to, body in sent
    ]
    first, second, fourth = made[0]["line"], made[1]["line"], made[3]["line"]
    head, _, box = second.strip().rpartition(" ")
    data = stranger.unb64(box)
    other = "0" * 32
    bad = [
        ("replayed", "bad-sequence", first),
        ("reordered", "bad-sequence", fourth),
        ("reflected", "bad-tag", made[2]["line"].replace(" peer ", " backend ")),
        ("a bit of the text", "bad-tag", f"{head} {b64(bytes([data[0] ^ 1]) + data[1:])}"),
        ("a bit of the tag", "bad-tag", f"{head} {b64(data[:-1] + bytes([data[-1] ^ 128]))}"),
        ("cut", "bad-tag", f"{head} {b64(data[:-1])}"),
        ("one byte", "bad-tag", f"{head} {b64(data[:1])}"),
        ("other kind", "bad-tag", second.replace(" C ", " D ")),
        ("other verb", "bad-tag", second.replace("BALANCE", "HISTORY")),
        ("other addressee", "bad-tag", second.replace(" backend ", " peer ")),
        ("other sequence", "bad-sequence", second.replace(" 1 ", " 2 ")),
        ("other session", "wrong-session", second.replace(head.split()[4], other)),
    ]
    return {
        "about": "in the session `pos to backend` of handshake.json, after its m4",
        "records": made,
        "refused_instead_of_the_second": [
            {"name": name, "code": code, "line": line.strip() + "\n"} for name, code, line in bad
        ],
    }


def contracts(t4: bytes) -> Json:
    """A contract with both signatures, and what must be refused."""
    salt = octets("salt", 16)
    items: list[Json] = [
        {"item": "soup", "name": "Soup of the day", "price_cents": 650, "quantity": 1},
        {"item": "water", "name": "Eau gazeuse é", "price_cents": 200, "quantity": 3},
    ]
    contract = Contract(
        amount_cents=1250,
        card=card_reference(salt, PAN),
        counter=42,
        currency="USD",
        expires_ms=NOW_MS + 120_000,
        items=items_hash(items),
        ms=NOW_MS,
        session=t4,
        shop=subject_id("shop"),
        terminal=subject_id("pos"),
    )
    raw = encode_contract(contract)
    pos, card = party("pos"), party("card")
    by_pos = sign_detached(raw, TYP_POS, pos.kid, signer("pos"))
    by_card = sign_detached(raw, TYP_CARD, card.kid, signer("card"))
    none = sign_detached(raw, "JWT", pos.kid, signer("pos"))
    text = raw.decode()
    return {
        "pan": PAN,
        "salt": salt.hex(),
        "card_reference": contract.card.hex(),
        "items": items,
        "items_hash": contract.items.hex(),
        "contract": text,
        "contract_hash": contract_hash(raw).hex(),
        "pos_signature": by_pos,
        "card_signature": by_card,
        "refused_contracts": [{"name": name, "contract": bad} for name, bad in bad_contracts(text)],
        "refused_as_pos_signature": [
            {"name": "the card's", "code": "wrong-signer", "jws": by_card},
            {"name": "other type", "code": "wrong-signer", "jws": none},
            {"name": "cut", "code": "bad-signature", "jws": by_pos[:-1]},
            {"name": "padded", "code": "bad-signature", "jws": by_pos + "=="},
            {"name": "attached", "code": "bad-signature", "jws": by_pos.replace("..", ".e30.")},
            {"name": "signature of zeros", "code": "bad-signature", "jws": _zeros(by_pos)},
            {"name": "algorithm none", "code": "bad-signature", "jws": _header(by_pos, alg="none")},
            {
                "name": "more in the header",
                "code": "bad-signature",
                "jws": _header(by_pos, b64=False),
            },
            {"name": "other key id", "code": "wrong-signer", "jws": _header(by_pos, kid="1")},
        ],
    }


def _zeros(jws: str) -> str:
    return jws.partition("..")[0] + ".." + b64(bytes(64))


def _header(jws: str, **members: Any) -> str:
    head, _, tail = jws.partition("..")
    header = {**json.loads(stranger.unb64(head)), **members}
    return b64(stranger.compact(header)) + ".." + tail


def pins(t4: bytes) -> Json:
    """Sealed PIN blocks."""
    ephemeral = key("pin ephemeral")
    cases = []
    for pin in ("1234", "00000", "123456789012"):
        sealed = seal_pin(pin, PAN, key("pin").public_key(), t4, 42, NOW_MS, ephemeral=ephemeral)
        block = pin_block(pin, PAN).hex()
        cases.append({"pin": pin, "clear_block": block, "sealed": sealed})
    return {
        "pan": PAN,
        "t4": t4.hex(),
        "counter": 42,
        "ms": NOW_MS,
        "ephemeral_private": key("pin ephemeral")
        .private_numbers()
        .private_value.to_bytes(32, "big")
        .hex(),
        "context": pin_context(t4, 42, NOW_MS).hex(),
        "cases": cases,
        "refused_pins": ["", "123", "1234567890123", "12a4", "١٢٣٤", "12 34", "+1234"],
    }


def tracks(card: Session, contract: str) -> Json:
    """A virtual card's sealed track, in the session `card to backend`."""
    nonce, salt = octets("track nonce", 12), octets("salt", 16)
    sealed = seal_track(TRACK2, salt, contract.encode(), card.id, card.export, nonce=nonce)
    key_hex = stranger.hkdf_expand(card.export, b"TR-AKE/1 track", 32).hex()
    return {
        "about": "in the session `card to backend` of handshake.json, for contract.json",
        "export": card.export.hex(),
        "key": key_hex,
        "nonce": nonce.hex(),
        "track2": TRACK2,
        "salt": salt.hex(),
        "sealed": sealed,
    }


def commands() -> Json:
    """An operator's signed command."""
    command = {
        "verb": "CORRECT",
        "command_id": str(subject_id("command")),
        "issued_ms": NOW_MS,
        "body": {
            "lines": [
                {
                    "transaction": str(subject_id("transaction")),
                    "amount_cents": 1150,
                    "from_cents": 1250,
                    "version": 1,
                }
            ],
            "why": "keyed in wrong",
            "evidence": "bill 17 of the shop",
        },
    }
    raw = stranger.compact(command)
    operator = party("operator")
    jws = sign_detached(raw, TYP_OPERATOR, operator.kid, signer("operator"))
    body = {"id": 3, "command": b64(raw), "signature": jws}
    return {"command": raw.decode(), "signature": jws, "body": stranger.compact(body).decode()}


def everything() -> dict[str, Json]:
    """All files by name."""
    pos, backend, card = party("pos"), party("backend"), party("card")
    payment, client, server = run("pos to backend", pos, backend, "backend")
    phone, card_client, _ = run("card to backend", card, backend, "backend")
    relayed, _, _ = run("card to pos", card, pos, pos.subject_id)
    contract = contracts(client.t4)
    return {
        "parties.json": parties(),
        "lines.json": lines(),
        "handshake.json": {"handshakes": [payment, phone, relayed]},
        "handshake-refused.json": refused(),
        "records.json": records(client, server),
        "contract.json": contract,
        "pin.json": pins(client.t4),
        "track.json": tracks(card_client, contract["contract"]),
        "command.json": commands(),
        "adjustment.json": adjustments(),
    }


def main() -> None:
    files = everything()
    for name, content in files.items():
        text = json.dumps(content, indent=1, ensure_ascii=False)
        (FOLDER / name).write_text(text + "\n", encoding="utf-8")
    document = DOCUMENT.read_text("utf-8")
    DOCUMENT.write_text(put_into(document, files), encoding="utf-8")


if __name__ == "__main__":
    main()
