"""Which connection is which device, and what happens to them when the backend comes and goes."""

import asyncio
import time

from adapters.gateway.config import GatewayConfig
from adapters.gateway.counters import Counters
from adapters.gateway.device import DeviceConnection
from adapters.gateway.filters import FingerprintFilter, certificate_fingerprint
from adapters.gateway.limits import Bucket
from adapters.gateway.link import BackendLink
from adapters.gateway.log import Log
from adapters.gateway.notices import REFUSALS
from adapters.gateway.peers import PeerRelay
from adapters.tls import peer_class
from adapters.tls_rotation import SupersededList
from protocol.certificates import ROLES_OF_TLS_CLASS
from protocol.errors import FORBIDDEN, UNAVAILABLE, WRONG_CLASS


class Relay:
    """All live connections. `connections` by number, `of_device` by device id, newest last."""

    def __init__(self, config: GatewayConfig, log: Log) -> None:
        self.config = config
        self.log = log
        self.clock = asyncio.get_running_loop().time
        self.now_s = self.clock()
        self.counters = Counters()
        self.connections: dict[bytes, DeviceConnection] = {}
        self.newest: dict[bytes, DeviceConnection] = {}
        self.link = BackendLink(self, config)
        self.peers = PeerRelay(config, self.counters, self.newest)
        self.superseded = SupersededList()
        self._of_device: dict[bytes, list[DeviceConnection]] = {}
        self._fingerprints = FingerprintFilter(config.allow_fingerprints, config.deny_fingerprints)
        self._held_back: set[DeviceConnection] = set()
        self._last_number = 0
        self._empty = asyncio.Event()

    # A connection's life

    def admit(self, connection: DeviceConnection, transport: asyncio.BaseTransport) -> None:
        """After TLS: gives the connection its number and class, or drops it."""
        self._last_number += 1
        connection.number = b"%d" % self._last_number
        connection.prefix = connection.number + b" "
        self.counters.connections += 1
        self.connections[connection.number] = connection
        tls_class = peer_class(transport.get_extra_info("peercert"))
        connection.tls_class = tls_class or "none"
        der = transport.get_extra_info("ssl_object").getpeercert(True)
        if tls_class not in ROLES_OF_TLS_CLASS:
            connection.drop(WRONG_CLASS)
        elif not self._fingerprints.admits(connection.fingerprint, certificate_fingerprint(der)):
            connection.drop(FORBIDDEN)
        elif self.is_superseded(transport):
            connection.drop(FORBIDDEN, "superseded-certificate")
        else:
            self.link.open(connection)

    def is_superseded(self, transport: asyncio.BaseTransport) -> bool:
        """Whether the other side shows a certificate that was replaced, after its window."""
        der = transport.get_extra_info("ssl_object").getpeercert(True)
        return self.superseded.refuses(der, time.time_ns() // 1_000_000)

    def bind(self, connection: DeviceConnection, device_id: bytes, role: str) -> None:
        """The backend says who this is."""
        if connection.closing:
            return
        if role not in ROLES_OF_TLS_CLASS[connection.tls_class]:
            connection.drop(WRONG_CLASS)
            return
        if connection.device_id:
            self._unbind(connection)
        same = self._of_device.setdefault(device_id, [])
        connection.device_bucket = (
            same[0].device_bucket
            if same
            else Bucket(self.config.tokens_per_s_per_device, self.clock)
        )
        same.append(connection)
        self.newest[device_id] = connection
        connection.device_id = device_id
        connection.role = role
        connection.last_line_s = self.now_s
        self.log(
            "bound",
            conn=int(connection.number),
            device=device_id.decode(),
            role=role,
            address=connection.address,
            ja4=connection.fingerprint,
        )

    def closed(self, connection: DeviceConnection) -> None:
        """The connection is no more: peers and backend hear it, all tables forget it."""
        if self.connections.pop(connection.number, None) is None:
            return
        connection.place.give_back()
        self._held_back.discard(connection)
        if not self.connections:
            self._empty.set()
        self.peers.end_all(connection)
        if connection.device_id:
            self._unbind(connection)
        self.link.control(connection, b"@CLOSE")
        self.log(
            "closed",
            conn=int(connection.number),
            tls_class=connection.tls_class,
            address=connection.address,
            why=connection.why,
            lines_to_backend=connection.lines_to_backend,
            lines_to_devices=connection.lines_to_devices,
            ja4=connection.fingerprint,
        )

    async def emptied(self) -> None:
        """Until no connection is left."""
        while self.connections:
            self._empty.clear()
            await self._empty.wait()

    def _unbind(self, connection: DeviceConnection) -> None:
        same = self._of_device[connection.device_id]
        same.remove(connection)
        if same:
            self.newest[connection.device_id] = same[-1]
        else:
            del self._of_device[connection.device_id]
            del self.newest[connection.device_id]

    # The link's life

    def link_found(self) -> None:
        """A backend is there. It knows no session: whoever had one has to come again."""
        self.counters.links += 1
        self.log("link-up", generation=self.link.generation)
        for connection in list(self.connections.values()):
            if connection.introduced:
                connection.drop(UNAVAILABLE)
            elif not connection.closing:
                self.link.open(connection)

    def link_lost(self) -> None:
        """No answer will come to what was asked: whoever has a session hears it at once."""
        self.log("link-down", connections=len(self.connections))
        for connection in list(self.connections.values()):
            if connection.introduced:
                connection.send(REFUSALS[UNAVAILABLE])

    # Flow and time

    def hold_back(self, connection: DeviceConnection) -> None:
        """The link is full: takes no more from this connection until it is not."""
        if connection not in self._held_back:
            self._held_back.add(connection)
            connection.pause_reading()

    def let_go(self) -> None:
        """The link takes more again."""
        held, self._held_back = self._held_back, set()
        for connection in held:
            connection.resume_reading()

    def check_times(self) -> None:
        """Called every second."""
        self.now_s = self.clock()
        for connection in list(self.connections.values()):
            connection.check_time(self.now_s)
