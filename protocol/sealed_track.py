"""A virtual card's track 2 on its way through the POS, sealed to the backend (TR-TPR section 9).

The key comes from the card's own session with the backend, the additional data is the
contract: the POS can neither read the track nor use it for another purchase.
"""

import os
import re
from typing import Final, TypedDict

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from protocol.contract import SALT_BYTES
from protocol.encoding import b64, unb64
from protocol.errors import BAD_TRACK, BodyError
from protocol.key_schedule import expand

_INFO: Final = b"TR-AKE/1 track"
_NONCE_BYTES: Final = 12
_MAX_TRACK: Final = 40
_TAG_BYTES: Final = 16
_SESSION: Final = re.compile("[0-9a-f]{32}", re.ASCII)


class SealedTrack(TypedDict):
    """As it stands in a body. `session` is the id of the card's session with the backend."""

    session: str
    nonce: str
    box: str


def seal_track(
    track2: str,
    salt: bytes,
    contract: bytes,
    session_id: str,
    export: bytes,
    *,
    nonce: bytes | None = None,
) -> SealedTrack:
    """`track2` (with its sentinels, at most 40 characters) and the 16-byte salt of the card
    reference, for one contract: the salt would let the POS try card numbers. `session_id` and
    `export` are of the card's session with the backend; `nonce` is for test vectors only."""
    if not 0 < len(track2) <= _MAX_TRACK:
        raise ValueError("a track 2 has 1 to 40 characters")
    if len(salt) != SALT_BYTES:
        raise ValueError("a salt has 16 bytes")
    own = nonce or os.urandom(_NONCE_BYTES)
    box = AESGCM(expand(export, _INFO)).encrypt(own, salt + track2.encode("ascii"), contract)
    return {"session": session_id, "nonce": b64(own), "box": b64(box)}


def open_track(sealed: SealedTrack, contract: bytes, export: bytes) -> tuple[str, bytes]:
    """The track and the salt. `export` is of the session that `sealed` names, which must be the
    session of the card that signed. Raises BodyError `bad-track`."""
    try:
        nonce, box = unb64(sealed["nonce"]), unb64(sealed["box"])
        if len(nonce) != _NONCE_BYTES or not 0 < len(box) - SALT_BYTES - _TAG_BYTES <= _MAX_TRACK:
            raise ValueError("wrong size")
        if _SESSION.fullmatch(sealed["session"]) is None:
            raise ValueError("no session id")
        clear = AESGCM(expand(export, _INFO)).decrypt(nonce, box, contract)
        return clear[SALT_BYTES:].decode("ascii"), clear[:SALT_BYTES]
    except (ValueError, InvalidTag):
        raise BodyError(BAD_TRACK) from None
