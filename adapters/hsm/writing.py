"""Writing into the token while the backend serves, whose own session may not.

A second session, open for as long as the writing takes, in the same login: PKCS#11 logs in a
process, not a session. The backend's session stays read-only, so that no other code of it can
make or change a stored object.
"""

from collections.abc import Callable
from typing import Protocol, TypeVar

from adapters.hsm.session import KeySession
from adapters.hsm.token import Token

_T = TypeVar("_T")


class Runs(Protocol):
    """What runs operations in a session: a `Token`, or what `written` gives."""

    def run(self, operation: Callable[[KeySession], _T]) -> _T: ...


class _Writing:
    """Each operation in a writable session of its own: a lost token is found again by `Token`."""

    def __init__(self, token: Token) -> None:
        self._token = token

    def run(self, operation: Callable[[KeySession], _T]) -> _T:
        """See `Token.run`."""

        def in_writable_session(keys: KeySession) -> _T:
            session = keys.pkcs11.token.open(rw=True)
            try:
                return operation(KeySession(session))
            finally:
                session.close()

        return self._token.run(in_writable_session)


def written(token: Token) -> Runs:
    """The token for operations that write. They may run twice, as all of `Token.run`."""
    return _Writing(token)
