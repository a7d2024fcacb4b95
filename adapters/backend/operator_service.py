"""Which records of an operator's or auditor's session go where: `sessions.Service` for them."""

from collections.abc import Awaitable, Callable

from adapters.backend.operators import Operators
from adapters.backend.sessions import Peer
from protocol.encoding import from_json
from protocol.errors import BAD_BODY, BodyError
from protocol.line import Line


class OperatorService:
    """`drain(conn)` waits while the gateway link or the operator takes no more."""

    def __init__(self, operators: Operators, drain: Callable[[int], Awaitable[bool]]) -> None:
        self._operators = operators
        self._drain = drain

    def opened(self, peer: Peer) -> None:
        """Nothing is sent unasked."""

    def received(self, peer: Peer, line: Line, body: bytes) -> None:
        """A request of it. Raises BodyError for what is no JSON object."""
        try:
            read = from_json(body)
        except ValueError:
            raise BodyError(BAD_BODY) from None
        self._operators.handle(
            peer.session, line.kind, line.verb, read, peer.reply, lambda: self._drain(peer.conn)
        )

    def closed(self, peer: Peer) -> None:
        """What it commanded goes on; half a command is dropped."""
        self._operators.forget(peer.session)
