"""Accepts connections: address and count first, then the ClientHello, then TLS.

What is refused before TLS costs no cryptography and hears nothing but the end of its connection.
"""

import asyncio
import errno
import socket
import ssl
from typing import Final

from adapters.gateway.device import DeviceConnection
from adapters.gateway.filters import AddressFilter, FingerprintFilter, plain_address
from adapters.gateway.fingerprint import NotTlsError, ja4, peek_hello
from adapters.gateway.limits import Place, Places
from adapters.gateway.relay import Relay

_BACKLOG: Final = 1024
_ACCEPTS_A_TURN: Final = 32
_REST_S: Final = 0.1
_TLS_SHUTDOWN_S: Final = 1
_KEEPALIVE: Final = {"TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 15, "TCP_KEEPCNT": 4}
_TLS_REASONS: Final = {
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": "no-certificate",
    "CERTIFICATE_VERIFY_FAILED": "untrusted-certificate",
    "UNSUPPORTED_PROTOCOL": "tls-version",
}


class Listener:
    """The door. `stop` closes it; connections already inside are not its business."""

    def __init__(self, relay: Relay, context: ssl.SSLContext) -> None:
        config = relay.config
        self._relay = relay
        self._config = config
        self.context = context
        """What the next handshake uses: replaced while serving."""
        self._loop = asyncio.get_running_loop()
        self._filter = AddressFilter(config.allow_addresses, config.deny_addresses)
        self._denied_programs = FingerprintFilter((), config.deny_fingerprints)
        self._places = Places(config, self._loop.time)
        self._tasks: set[asyncio.Task[None]] = set()
        self._socket: socket.socket | None = None

    def start(self) -> int:
        """Listens; returns the port, for a configuration that asked for any (0). Raises OSError."""
        family = socket.AF_INET6 if ":" in self._config.host else socket.AF_INET
        address = (self._config.host, self._config.port)
        self._socket = socket.create_server(address, family=family, backlog=_BACKLOG)
        self._socket.setblocking(False)
        self._loop.add_reader(self._socket.fileno(), self._accept)
        return int(self._socket.getsockname()[1])

    def stop(self) -> None:
        """Lets nobody in any more."""
        if self._socket is not None:
            self._loop.remove_reader(self._socket.fileno())
            self._socket.close()
            self._socket = None
        for task in self._tasks:
            task.cancel()

    @property
    def places_taken(self) -> int:
        """Connections, those still in the TLS handshake included."""
        return self._places.taken

    def check_times(self) -> None:
        """Called every second."""
        self._places.forget_idle()

    def _accept(self) -> None:
        assert self._socket is not None
        for _ in range(_ACCEPTS_A_TURN):
            try:
                sock, peer = self._socket.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                    self._rest()
                    return
                continue
            sock.setblocking(False)
            self._knock(sock, peer)

    def _rest(self) -> None:
        """Out of descriptors or memory: those who wait stay in the kernel's queue for a moment."""
        assert self._socket is not None
        self._loop.remove_reader(self._socket.fileno())
        self._loop.call_later(_REST_S, self._go_on)
        self._relay.log("accept-paused")

    def _go_on(self) -> None:
        if self._socket is not None:
            self._loop.add_reader(self._socket.fileno(), self._accept)

    def _knock(self, sock: socket.socket, peer: tuple[str, int]) -> None:
        ip = plain_address(peer[0])
        where = f"[{ip}]:{peer[1]}" if ip.version == 6 else f"{ip}:{peer[1]}"
        place = self._places.take(ip) if self._filter.admits(ip) else "address"
        if isinstance(place, str):
            sock.close()
            self._refuse(place, where)
            return
        task = self._loop.create_task(self._secure(sock, place, where))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _secure(self, sock: socket.socket, place: Place, where: str) -> None:
        """From the first byte to a connection in the relay, or out."""
        connection = DeviceConnection(self._relay, where, place)
        try:
            async with asyncio.timeout(self._config.tls_timeout_s):
                connection.fingerprint = ja4(await peek_hello(sock))
            if not self._denied_programs.admits(connection.fingerprint):
                raise PermissionError
            _set_options(sock)
            await self._loop.connect_accepted_socket(
                lambda: connection,
                sock,
                ssl=self.context,
                ssl_handshake_timeout=self._config.tls_timeout_s,
                ssl_shutdown_timeout=_TLS_SHUTDOWN_S,
            )
        except (OSError, NotTlsError) as error:
            self._refuse(_reason(error), where)
        finally:
            if not connection.connected:
                sock.close()
                place.give_back()

    def _refuse(self, why: str, where: str) -> None:
        self._relay.counters.refused[why] += 1
        self._relay.log("refused", address=where, why=why)


def _set_options(sock: socket.socket) -> None:
    """No delay for small lines; a peer that vanished is found out within two minutes."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEPALIVE.items():
        if hasattr(socket, name):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _reason(error: BaseException) -> str:
    """Why a connection did not come to be: a short word of a fixed set, for log and counters."""
    if isinstance(error, ssl.SSLError):
        return _TLS_REASONS.get(error.reason or "", "tls")
    if isinstance(error, NotTlsError):
        return "not-tls"
    if isinstance(error, PermissionError):
        return "fingerprint"
    if isinstance(error, (TimeoutError, ConnectionAbortedError)):
        return "tls-timeout"
    return "gone"
