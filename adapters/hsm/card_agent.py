"""The process that asks a smart card: a JSON line in, a JSON line out, until the input ends.

The first line says where the card is: `module`, `token` (label), `key` (label), `pin`. Then come
`{"ask": "public"}` and `{"ask": "ecdh", "point": hex}`, answered `{"value": hex}` or
`{"error": text}`; with `"final": true` where the card must not be asked again.
"""

import json
import sys
from typing import Any

from pkcs11 import KDF, Attribute, KeyType, Mechanism, MechanismFlag, TokenFlag
from pkcs11.exceptions import PinIncorrect, PinLocked, PKCS11Error

from adapters.hsm.library import library
from adapters.hsm.session import KeyMissing, KeySession


class _Refused(Exception):
    """The card does not want the PIN: a few more tries would lock it for good."""


class _Reader:
    """One session with the card; a new one where it was lost."""

    def __init__(self, where: dict[str, str]) -> None:
        self._where = where
        self._library = library(where["module"])
        self._session: KeySession | None = None

    def answer(self, question: dict[str, str]) -> bytes:
        """Raises PKCS11Error, KeyMissing, _Refused."""
        if self._session is not None:
            try:
                return self._ask(self._session, question)
            except (PKCS11Error, KeyMissing):
                self._session = None
        self._session = self._open()
        return self._ask(self._session, question)

    def _open(self) -> KeySession:
        with self._library.gate.alone():
            self._library.start()
        token = self._library.token(self._where["token"])
        if token.flags & TokenFlag.USER_PIN_FINAL_TRY:
            raise _Refused("its PIN has one try left, which is not made here")
        try:
            return KeySession(token.open(user_pin=self._where["pin"]))
        except (PinIncorrect, PinLocked):
            raise _Refused("it refuses the PIN; it is not tried again") from None

    def _ask(self, session: KeySession, question: dict[str, str]) -> bytes:
        if question["ask"] == "public":
            return session.public_point(self._where["key"])
        key = session.private_key(self._where["key"])
        secret = key.derive_key(
            KeyType.GENERIC_SECRET,
            256,
            mechanism=Mechanism.ECDH1_DERIVE,
            mechanism_param=(KDF.NULL, None, bytes.fromhex(question["point"])),
            capabilities=MechanismFlag.SIGN,
            template={Attribute.SENSITIVE: False, Attribute.EXTRACTABLE: True},
        )
        try:
            return bytes(secret[Attribute.VALUE])
        finally:
            secret.destroy()


def _answered(reader: _Reader, line: str) -> dict[str, Any]:
    try:
        return {"value": reader.answer(json.loads(line)).hex()}
    except _Refused as error:
        return {"error": str(error), "final": True}
    except KeyMissing as error:
        return {"error": str(error)}
    except PKCS11Error as error:
        return {"error": f"is not there ({type(error).__name__})"}


def main() -> None:
    """Serves until its input ends."""
    reader = _Reader(json.loads(sys.stdin.readline()))
    for line in sys.stdin:
        print(json.dumps(_answered(reader, line)), flush=True)


if __name__ == "__main__":
    main()
