"""Detached JSON web signatures, ES256 (RFC 7515 appendix F; TR-TPR section 7.3).

`<base64url header>..<base64url signature>`: the payload travels beside it, as exact bytes.
"""

from functools import lru_cache
from typing import Final, NamedTuple

from cryptography.hazmat.primitives.asymmetric import ec

from protocol.encoding import b64, b64_bytes, from_json, to_json, unb64
from protocol.errors import BAD_SIGNATURE, WRONG_SIGNER, BodyError
from protocol.signature import SIGNATURE_BYTES, Sign, verifies

TYP_POS: Final = "tr-pos+jws"
TYP_CARD: Final = "tr-card+jws"
TYP_OPERATOR: Final = "tr-operator+jws"
TYP_RECEIPT: Final = "tr-receipt+jws"

_MAX_HEADER: Final = 256
_SIGNATURE_TEXT: Final = 86


def sign_detached(payload: bytes, typ: str, kid: str, sign: Sign) -> str:
    """The signature over `payload`. `kid` is the serial of the signer's certificate in
    lowercase hex (`Peer.kid`); `typ` says what is being signed, and so by whom."""
    header = b64_bytes(to_json({"alg": "ES256", "kid": kid, "typ": typ}))
    signature = sign(header + b"." + b64_bytes(payload))
    return f"{header.decode('ascii')}..{b64(signature)}"


class Detached(NamedTuple):
    """A detached signature, read and not verified: 64 raw bytes over SHA-256 of `message`."""

    signature: bytes
    message: bytes


def verify_detached(
    payload: bytes,
    jws: str,
    typ: str,
    public_key: ec.EllipticCurvePublicKey,
    kid: str | None = None,
) -> None:
    """Returns if `jws` is a signature over exactly these bytes, for `typ`, by `public_key`,
    naming `kid` where that is given.

    Raises BodyError: `bad-signature`, or `wrong-signer` (another `typ` or `kid`).
    """
    if not verifies(public_key, *read_detached(payload, jws, typ, kid)):
        raise BodyError(BAD_SIGNATURE)


def read_detached(payload: bytes, jws: str, typ: str, kid: str | None = None) -> Detached:
    """What is left to verify of `verify_detached`, for who has it done elsewhere. Raises as it."""
    head, _, tail = jws.partition("..")
    if len(tail) != _SIGNATURE_TEXT or len(head) > _MAX_HEADER:
        raise BodyError(BAD_SIGNATURE)
    try:
        signed_typ, signed_kid = _read_header(head)
        signature = unb64(tail)
    except ValueError:
        raise BodyError(BAD_SIGNATURE) from None
    if signed_typ != typ or (kid is not None and signed_kid != kid):
        raise BodyError(WRONG_SIGNER)
    return Detached(signature, head.encode("ascii") + b"." + b64_bytes(payload))


@lru_cache(maxsize=16384)
def _read_header(head: str) -> tuple[str, str]:
    """`typ` and `kid`. Cached: a device signs with the same header for all its life."""
    header = from_json(unb64(head))
    typ, kid = header.get("typ"), header.get("kid")
    if header.keys() != {"alg", "kid", "typ"} or header["alg"] != "ES256":
        raise ValueError("not this signature's header")
    if type(typ) is not str or type(kid) is not str:
        raise ValueError("not this signature's header")
    return typ, kid


assert SIGNATURE_BYTES * 8 <= _SIGNATURE_TEXT * 6 < (SIGNATURE_BYTES + 1) * 8
