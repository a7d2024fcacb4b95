"""Lines that parse and lines that do not, and contracts that nobody may sign."""

import json
from typing import Any

from protocol.line import error_line, parse
from tests.vectors.material import subject_id
from tests.vectors.stranger import b64, compact

Json = dict[str, Any]


def lines() -> Json:
    """Lines that parse, and lines that do not."""
    session, terminal = "0123456789abcdef" * 2, str(subject_id("pos"))
    valid = [
        f"TR1 C HELLO backend {session[:16]} 0 AA",
        f"TR1 C HELLO {terminal} {session[:16]} 0 AAA",
        f"TR1 D HELLO peer {session} 0 _-8",
        f"TR1 C AUTHORIZE backend {session} 1048575 AAAA",
        f"TR1 C PRESENT-PIN backend {session} 17 AAAAAA",
        f"TR1 D AN-UNKNOWN-VERB peer {session} 9 AQ",
        error_line("rate-limited").decode().strip(),
    ]
    bad = [
        "",
        " ",
        "hello",
        "TR1",
        f"TR2 C AUTHORIZE backend {session} 0 AA",
        f"tr1 C AUTHORIZE backend {session} 0 AA",
        f"TR1 X AUTHORIZE backend {session} 0 AA",
        f"TR1 c AUTHORIZE backend {session} 0 AA",
        f"TR1 C A backend {session} 0 AA",
        f"TR1 C authorize backend {session} 0 AA",
        f"TR1 C -AUTHORIZE backend {session} 0 AA",
        f"TR1 C SEVENTEENLETTERSX backend {session} 0 AA",
        f"TR1 C AUTHORIZE gateway {session} 0 AA",
        f"TR1 C AUTHORIZE {terminal.upper()} {session} 0 AA",
        f"TR1 C AUTHORIZE backend {session[:15]} 0 AA",
        f"TR1 C AUTHORIZE backend {session.upper()} 0 AA",
        f"TR1 C AUTHORIZE backend {session}0 0 AA",
        f"TR1 C AUTHORIZE backend {session} -1 AA",
        f"TR1 C AUTHORIZE backend {session} 00 AA",
        f"TR1 C AUTHORIZE backend {session} 01 AA",
        f"TR1 C AUTHORIZE backend {session} +1 AA",
        f"TR1 C AUTHORIZE backend {session} 10000000 AA",
        f"TR1 C AUTHORIZE backend {session} 0",
        f"TR1 C AUTHORIZE backend {session} 0 ",
        f"TR1 C AUTHORIZE backend {session} 0 A",
        f"TR1 C AUTHORIZE backend {session} 0 AA==",
        f"TR1 C AUTHORIZE backend {session} 0 AB",
        f"TR1 C AUTHORIZE backend {session} 0 AAB",
        f"TR1 C AUTHORIZE backend {session} 0 +/+/",
        f"TR1 C AUTHORIZE backend {session} 0 A*AA",
        f"TR1 C AUTHORIZE backend {session} 0 AA AA",
        f"TR1 C AUTHORIZE backend {session} 0 AA ",
        f"TR1  C AUTHORIZE backend {session} 0 AA",
        f" TR1 C AUTHORIZE backend {session} 0 AA",
        f"TR1\tC AUTHORIZE backend {session} 0 AA",
        f"TR1 C AUTHORIZE backend {session} 0 AA\r",
        f"TR1 C AUTHORIZE backend {session} ٣ AA",
        f"TR1 C AUTHORIZE backend {session} 0 AAé",
    ]
    long = f"TR1 C AUTHORIZE backend {session} 0 "
    return {
        "about": "without the line feed; base64url in `payload` is given as hex",
        "valid": [{"line": each, **_fields(each)} for each in valid],
        "refused": [{"line": each, "code": "malformed"} for each in bad]
        + [{"hex": each, "code": "not-utf8"} for each in ("ff", "545231c3280a", "80")],
        "long": {
            "about": "`line`, then `repeat` times A, then a line feed",
            "line": long,
            "accepted": {"repeat": 65535 - len(long), "bytes": 65536},
            "refused": {"repeat": 65537 - len(long), "bytes": 65538, "code": "line-too-long"},
        },
    }


def _fields(text: str) -> Json:
    line = parse(text.encode())
    return {**line._asdict(), "payload": line.payload.hex()}


def bad_contracts(text: str) -> list[tuple[str, str]]:
    """What is wrong, and the contract bytes as text: `text` with one thing changed."""
    good: Json = json.loads(text)
    made = [
        (f"{name} is {value!r}", compact({**good, name: value}).decode())
        for name, values in (
            ("amount_cents", (0, -1, 2**31, 1250.0, "1250", True, None, [1250])),
            ("counter", (0, -1, 2**63, "42", 4.2)),
            ("ms", (0, 2**53, good["expires_ms"], "1")),
            ("expires_ms", (0, good["ms"], good["ms"] - 1)),
            ("currency", ("EUR", "usd", "", None)),
            ("card", ("", "AA", good["card"] + "=", good["card"][:-1], None)),
            ("items", (good["items"] + "AA", 7)),
            ("session", (b64(bytes(31)), b64(bytes(33)))),
            ("shop", (good["shop"].upper(), good["shop"].replace("-", ""), "", 5)),
            ("terminal", ("backend", "{" + good["terminal"] + "}")),
        )
        for value in values
    ]
    made += [
        (f"no {name}", compact({k: v for k, v in good.items() if k != name}).decode())
        for name in good
    ]
    return [
        *made,
        ("another member", compact({**good, "discount_cents": 1}).decode()),
        *(
            (f"more: {more}", compact({**good, **more}).decode())
            for more in (
                {"partial": False},
                {"partial": 1},
                {"tip_cents": 0},
                {"tip_cents": "1"},
                {"group": None},
                {"group": "table 4"},
                {"group": good["shop"], "partial": True},
            )
        ),
        ("a member twice", text.replace("{", '{"amount_cents":1,', 1)),
        ("text behind", text + "{}"),
        ("a list", f"[{text}]"),
        ("empty", ""),
        ("NaN", text.replace("1250", "NaN")),
        ("exponent", text.replace("1250", "125e1")),
        ("byte order mark", "\ufeff" + text),
        ("very long", text.replace("{", "{" + " " * 1024, 1)),
    ]
