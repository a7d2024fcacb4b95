"""Lines that the gateway itself says to a device. Unsealed: nobody may take one as a decision."""

from typing import Final

from protocol import errors
from protocol.encoding import to_json
from protocol.line import Line, encode

PEER_GONE_TEXT: Final = "the other end went away"


def notice(kind: str, verb: str, body: dict[str, str]) -> bytes:
    """A line outside any session, with its line feed."""
    return encode(Line(kind, verb, "peer", "-", 0, to_json(body)))


def refusal(code: str, session: bytes = b"", text: str = "") -> bytes:
    """`I ERROR`. `session`: the relayed session or offer it is about, if it is about one."""
    body = {"code": code, "text": text or errors.TEXTS.get(code, code)}
    if session:
        body["session"] = session.decode("ascii")
    return notice("I", "ERROR", body)


REFUSALS: Final = {code: refusal(code) for code in errors.TEXTS}

KEEP_ALIVE: Final = b"TR1 I STATUS backend - "
"""How a keep-alive begins. It is answered here and never relayed."""

LINK_UP: Final = notice("I", "STATUS", {"link": "up"})
LINK_DOWN: Final = notice("I", "STATUS", {"link": "down"})
