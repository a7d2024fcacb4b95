"""A session with the backend as an operator or auditor: the commands' way through the gateway.

Each command is signed over its exact bytes with the key of the identity folder
`<home>/operators/<name>`. One that got no answer is sent again under the same command id, which
the backend carries out once.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Final, TypeVar
from uuid import UUID, uuid4

from cryptography.hazmat.primitives.asymmetric import ec

from adapters import settings
from adapters.cli.failure import Failure, misconfigured, not_running, refused, unusable
from adapters.cli.output import this_program
from adapters.cli.own_gateway import own_gateway
from devices.exchange import Body, Exchange, Message, NoAnswer, Refused, Unreachable
from devices.identity import Device, IdentityError, load_device
from devices.link import Link
from devices.pos.payment import read_pin_key
from protocol import errors
from protocol.certificates import AUDITOR, OPERATOR
from protocol.detached import TYP_OPERATOR, sign_detached
from protocol.encoding import b64, to_json
from protocol.pin import seal_pin

CONNECT_S: Final = 4.0
SILENCE_S: Final = 15.0
"""The backend gives a sign of life every second while it works."""
ATTEMPTS: Final = 3
PAUSE_S: Final = 0.5
PIECE_BYTES: Final = 32_000
"""Of a command in one line: twice in base64url it stays under 65,536."""
_LATER: Final = frozenset({
    errors.BUSY, errors.INTERNAL, errors.RATE_LIMITED, errors.TIMED_OUT, errors.UNAVAILABLE,
    "in-doubt", "rebuilding",
})  # fmt: skip
"""Codes after which the same request may go well."""
_WRONG_USE: Final = frozenset({"invalid", errors.BAD_BODY})
"""Codes of a field that no state of the ledger would make good."""
_T = TypeVar("_T")
MakeBody = Callable[[bytes, int], Body]
"""The body of a command, for the session's t4 and the milliseconds at which it is signed."""


class Operator:
    """One open link. Methods raise Refused, NoAnswer, Unreachable (`devices.exchange`)."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self.device: Device = link.device

    async def time_ms(self) -> int:
        """Now by the backend's clock, which in a sandbox is not this machine's."""
        await self._link.backend(CONNECT_S)
        return self._link.now_ms()

    async def command(
        self, verb: str, body: Body | MakeBody, command_id: UUID | None = None
    ) -> Body:
        """The result of a command, sent up to three times. `repeated` is in it where the backend
        had carried it out before."""
        named = str(command_id or uuid4())
        for attempt in range(1, ATTEMPTS + 1):
            exchange = await self._link.backend(CONNECT_S)
            try:
                return await self._once(exchange, verb, body, named)
            except (NoAnswer, Unreachable):
                if attempt == ATTEMPTS:
                    raise
            except Refused as error:
                if attempt == ATTEMPTS or error.code not in _LATER:
                    raise
            await asyncio.sleep(PAUSE_S * attempt)
        raise AssertionError("unreachable")

    async def _once(
        self, exchange: Exchange, verb: str, body: Body | MakeBody, command_id: str
    ) -> Body:
        """Signs anew for this session and sends, in as many pieces as it takes."""
        now_ms = self._link.now_ms()
        made = body(exchange.session.t4, now_ms) if callable(body) else body
        raw = to_json({"verb": verb, "command_id": command_id, "issued_ms": now_ms, "body": made})
        device = self.device
        signature = sign_detached(raw, TYP_OPERATOR, device.serial, device.keystore.sign)
        number = exchange.next_id()
        exchange.expect(number)
        pieces = [raw[at : at + PIECE_BYTES] for at in range(0, len(raw), PIECE_BYTES)]
        for piece, part in enumerate(pieces, start=1):
            request: Body = {"id": number, "command": b64(part), "signature": signature}
            if len(pieces) > 1:
                request |= {"piece": piece, "pieces": len(pieces)}
            exchange.post("C", verb, request)
        answer = await exchange.worked_out(number, SILENCE_S)
        result = answer.body.get("result")
        return result if isinstance(result, dict) else {}

    async def set_pin(self, card: str, pan: str, pin: str) -> Body:
        """Sets a card's PIN: sealed here to the HSM, for this session. ValueError for a bad PIN."""

        def sealed(t4: bytes, ms: int) -> Body:
            return {"card": card, **seal_pin(pin, pan, self._pin_key(), t4, 0, ms)}

        return await self.command("PIN", sealed)

    def _pin_key(self) -> ec.EllipticCurvePublicKey:
        """The HSM's key for PINs, as our authority certified it."""
        return read_pin_key(self._link.ready, self.device.trust, self._link.now_ms())

    async def rows(
        self, verb: str, body: Body, tell: Callable[[Body], None] | None = None
    ) -> list[Body]:
        """All rows of D QUERY, D AUDIT or D REHEARSE; `tell` gets the signs of life meanwhile."""
        found: list[Body] = []
        async for message in self._parts(verb, body, tell):
            rows = message.body.get("rows")
            found += rows if isinstance(rows, list) else []
        return found

    async def text(self, body: Body, verb: str = "EXPORT") -> AsyncIterator[str]:
        """The text of D EXPORT or D PROOF, in pieces."""
        async for message in self._parts(verb, body):
            yield str(message.body.get("chunk", ""))

    async def _parts(
        self, verb: str, body: Body, tell: Callable[[Body], None] | None = None
    ) -> AsyncIterator[Message]:
        """The parts of an answer, in order and without a gap."""
        exchange = await self._link.backend(CONNECT_S)
        expected = 1
        async for message in exchange.answers("D", verb, body, SILENCE_S):
            if message.verb != verb:
                if tell is not None:
                    tell(message.body)
                continue  # a sign of life
            if message.body.get("part", expected) != expected:
                raise Unreachable("a part of the answer was lost on the way")
            expected += 1
            yield message


def as_operator(name: str, work: Callable[[Operator], Awaitable[_T]]) -> _T:
    """What `work` returns in a session of that operator. Raises Failure."""
    return _run(name, (OPERATOR,), work)


def as_reader(name: str, work: Callable[[Operator], Awaitable[_T]]) -> _T:
    """The same for an auditor or an operator, who may both read."""
    return _run(name, (AUDITOR, OPERATOR), work)


def identity_folder(home: Path, name: str) -> Path:
    """Where an operator's identity lies. Raises Failure for what is no name."""
    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name, re.ASCII) is None:
        raise misconfigured(f"{name!r} cannot be the name of an operator")
    return home / "operators" / name


def _run(name: str, roles: tuple[str, ...], work: Callable[[Operator], Awaitable[_T]]) -> _T:
    found = settings.load()
    try:
        device = load_device(identity_folder(found.home, name), *roles)
    except IdentityError as error:
        raise misconfigured(f"{error}. `{this_program('init')}` makes the first ones.") from None
    device.gateway = own_gateway(found) or device.gateway

    async def in_session() -> _T:
        async with Link(device) as link:
            return await work(Operator(link))

    try:
        return asyncio.run(in_session())
    except Refused as error:
        raise explained(error) from None
    except (Unreachable, NoAnswer) as error:
        raise not_running(
            f"the backend cannot be reached as {name}: {error}. Does `{this_program('serve')}` run?"
            f" If it does, look whether the certificate of {name} is still good"
            f" (`{this_program('pki', 'list', '--as', 'operator-1')}`), or give another: --as"
        ) from None
    except errors.ProtocolError as error:
        raise refused(str(error)) from None


def explained(error: Refused) -> Failure:
    """A refusal as the end of the command: worth trying later, wrongly used, or final."""
    if error.code in _LATER:
        return not_running(str(error))
    return unusable(str(error)) if error.code in _WRONG_USE else refused(str(error))
