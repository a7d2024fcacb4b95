"""Section 13 of docs/TR-TPR.md: one session, value by value, out of the vector files."""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

from tests.vectors.stranger import b64

BEGIN = "<!-- worked example: made by tests/vectors/generate.py -->\n"
END = "<!-- end of the worked example -->\n"
DOCUMENT = Path(__file__).parents[2] / "docs" / "TR-TPR.md"


def put_into(document: str, files: dict[str, Any]) -> str:
    """The document with its worked example made anew."""
    before, _, rest = document.partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + BEGIN + worked_example(files) + END + after


def worked_example(files: dict[str, Any]) -> str:
    """The section's text, in Markdown."""
    vector = files["handshake.json"]["handshakes"][0]
    secrets = vector["secrets"]
    payload = bytes.fromhex(vector["m2_payload"])
    end = 4 + int.from_bytes(payload[:4], "big")
    clear, sealed = payload[4:end], payload[end + 4 :]
    records, contract = files["records.json"]["records"], files["contract.json"]
    pin, track = files["pin.json"], files["track.json"]
    steps: list[tuple[str, list[tuple[str, str]]]] = [
        (
            "M1: the POS begins",
            [
                ("ephemeral private key", vector["initiator"]["ephemeral_private"]),
                ("nonce", vector["initiator"]["nonce"]),
                ("offer", vector["initiator"]["name"]),
                ("payload", bytes.fromhex(vector["m1_payload"]).decode()),
                ("line", vector["m1"].strip()),
            ],
        ),
        (
            "M2: the backend answers",
            [
                ("ephemeral private key", vector["responder"]["ephemeral_private"]),
                ("nonce", vector["responder"]["nonce"]),
                ("second half of the session id", vector["responder"]["name"]),
                ("clear part", clear.decode()),
                ("X25519 result", vector["shared"]),
                ("HKDF salt", sha256(b"TR-AKE/1 X25519-ES256-A256GCM-SHA256").hexdigest()),
                ("PRK", vector["prk"]),
                ("t2", vector["t2"]),
                *[
                    (f"responder {what}", secrets[f"responder {what}"])
                    for what in ("handshake key", "handshake iv", "mac")
                ],
                ("signed bytes", vector["m2_signed"]),
                ("proof, chain left out", _without_chain(vector["m2_proof"])),
                ("sealed part, first 32 bytes", sealed[:32].hex()),
                ("sealed part, tag", sealed[-16:].hex()),
                ("line, first 120 characters", vector["m2"][:120]),
            ],
        ),
        (
            "M3: the POS proves itself",
            [
                ("t3", vector["t3"]),
                *[
                    (f"initiator {what}", secrets[f"initiator {what}"])
                    for what in ("handshake key", "handshake iv", "mac")
                ],
                ("signed bytes", vector["m3_signed"]),
                ("proof, chain left out", _without_chain(vector["m3_proof"])),
                ("payload, first 32 bytes", vector["m3_payload"][:64]),
                ("line, first 120 characters", vector["m3"][:120]),
            ],
        ),
        (
            "The session's keys, and M4",
            [
                ("t4", vector["t4"]),
                *[
                    (f"{side} application {what}", secrets[f"{side} application {what}"])
                    for side in ("initiator", "responder")
                    for what in ("key", "iv")
                ],
                ("pin", secrets["pin"]),
                ("export", secrets["export"]),
                ("additional data of M4", vector["m4"].rpartition(" ")[0]),
                ("nonce of M4", secrets["responder application iv"]),
                ("body of M4", vector["ready"]),
                ("line", vector["m4"].strip()),
            ],
        ),
        (
            "The second record of the POS",
            [
                ("additional data", records[1]["line"].rpartition(" ")[0]),
                ("nonce", _xor(secrets["initiator application iv"], 1)),
                ("body", records[1]["body"]),
                ("line", records[1]["line"].strip()),
            ],
        ),
        (
            "A contract in this session",
            [
                ("salt", contract["salt"]),
                ("PAN", contract["pan"]),
                ("card reference", contract["card_reference"]),
                ("items", _compact({"items": contract["items"]})),
                ("items hash", contract["items_hash"]),
                ("contract", contract["contract"]),
                ("contract hash", contract["contract_hash"]),
                ("signing input", _signing_input(contract)),
                ("signature of the POS", contract["pos_signature"]),
                ("signature of the card", contract["card_signature"]),
            ],
        ),
        (
            "A PIN block in this session",
            [
                ("ephemeral private key", pin["ephemeral_private"]),
                ("context", pin["context"]),
                ("PIN", pin["cases"][0]["pin"]),
                ("clear block", pin["cases"][0]["clear_block"]),
                ("`ephemeral`", pin["cases"][0]["sealed"]["ephemeral"]),
                ("`block`", pin["cases"][0]["sealed"]["block"]),
            ],
        ),
        (
            "A virtual card's sealed track (in its own session, `card to backend`)",
            [
                ("export", track["export"]),
                ("key", track["key"]),
                ("nonce", track["nonce"]),
                ("track 2", track["track2"]),
                ("sealed", _compact(track["sealed"])),
            ],
        ),
    ]
    return "".join(f"\n**{title}**\n\n```text\n{_lines(rows)}```\n" for title, rows in steps)


def _lines(rows: list[tuple[str, str]]) -> str:
    return "".join(f"{name}:\n  {value}\n" for name, value in rows)


def _without_chain(proof: str) -> str:
    return _compact({**json.loads(proof), "chain": ["…", "…"]})


def _compact(value: dict[str, Any]) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _xor(iv: str, sequence: int) -> str:
    return (int(iv, 16) ^ sequence).to_bytes(12, "big").hex()


def _signing_input(contract: dict[str, Any]) -> str:
    header: str = contract["pos_signature"].partition("..")[0]
    return f"{header}.{b64(contract['contract'].encode())}"
