"""Gateway and backend in one thread: real TLS, real sessions, the real `Operators`, no HSM.

`home` is a state folder as `init` leaves it: identities of operator-1, operator-2 and auditor-1.
"""

import asyncio
import contextlib
import secrets
import threading
import time
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from adapters.backend.operator_ports import Certified, DrawnCard
from adapters.backend.operators import Operators
from application.register import IssuedCertificate
from domain import pan as pans
from protocol.encoding import b64, from_json, to_json
from protocol.handshake import Responder
from protocol.line import parse
from protocol.pin import open_pin, pin_block
from protocol.record import Session
from tests.unit.backend.operator_double import HsmDouble, Outside
from tests.unit.devices.authority import Authority

PEOPLE = {"operator-1": "operator", "operator-2": "operator", "auditor-1": "auditor"}


class SystemClock:
    def now_us(self) -> int:
        return time.time_ns() // 1000


class SoftwareHsm(HsmDouble):
    """Real certificates, readable stripes; `pins` has the clear PIN block of each reference."""

    def __init__(self, authority: Authority) -> None:
        super().__init__()
        self._authority = authority
        self.pins: dict[bytes, bytes] = {}

    def draw_card(self, first_name: str, last_name: str, now_us: int) -> DrawnCard:
        pan = pans.make("984000", secrets.randbelow(10**9))
        rest = "291172710112345678"
        return DrawnCard(
            pan,
            sha256(pan.encode()).digest(),
            pans.mask(pan),
            "2911",
            f"%B{pan}^DIAZ/ANA^{rest}?",
            f";{pan}={rest}?",
        )

    def certify(self, request_der: bytes, subject_id: UUID, role: str) -> Certified:
        key = x509.load_der_x509_csr(request_der).public_key()
        assert isinstance(key, ec.EllipticCurvePublicKey)
        record = IssuedCertificate(
            role=role, serial="2a", fingerprint=b"f" * 32, not_before_us=0, not_after_us=1
        )
        return Certified(self._authority.leaf(role, subject_id, key), record)

    def pin_reference(
        self, ephemeral: bytes, block: bytes, t4: bytes, ms: int, pin_key: int
    ) -> bytes:
        clear = open_pin(b64(ephemeral), b64(block), self._authority.pin_key, t4, 0, ms)
        reference = sha256(clear).digest()
        self.pins[reference] = clear
        return reference

    def holds(self, reference: bytes, pin: str, pan: str) -> bool:
        """Whether a reference was made from this PIN for this card."""
        return self.pins[reference] == pin_block(pin, pan)


class BackendDouble:
    """Serves while it is entered. `lose_answers`: so many answers are swallowed, and the
    connection with them. `sign_with_answer`: a sign of life comes in the same segment as each
    answer to a command. `outside` is everything around `Operators`."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.authority = Authority(home / "authority")
        self.authority.folder.mkdir()
        self.outside = Outside()
        self.hsm = self.outside.hsm = SoftwareHsm(self.authority)
        self.outside.clock = SystemClock()
        self.outside.ledger.now_us = self.outside.clock.now_us()
        self.lose_answers = 0
        self.sign_with_answer = False
        self.ready: dict[str, Any] = {}
        self.lines = 0
        self._identity, self._trust = self.authority.backend()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> "BackendDouble":
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(10)
        self._write_home()
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self.stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _start(self) -> None:
        self._operators = Operators(self.outside.surroundings())
        self._server = await asyncio.start_server(
            self._serve, "127.0.0.1", 0, ssl=self.authority.server_tls(), limit=65536
        )
        self.authority.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        self._server.close()
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _write_home(self) -> None:
        self.authority.folder = self.home / "operators"
        for name, role in PEOPLE.items():
            self.authority.device(role, name)
        for folder in ("tls", "pki"):
            (self.home / folder).mkdir()
        for tls_class in ("pos", "card"):
            files = self.authority.tls_files(tls_class)
            (self.home / "tls" / "ca.pem").write_bytes(files.authority_pem)
            (self.home / "tls" / f"{tls_class}.pem").write_bytes(files.certificate_pem)
            (self.home / "tls" / f"{tls_class}.key").write_bytes(files.key_pem)
        root = self.authority.root.public_bytes(Encoding.PEM)
        (self.home / "pki" / "root.pem").write_bytes(root)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            now_ms = time.time_ns() // 1_000_000
            responder = Responder(self._identity, self._trust, now_ms)
            writer.write(responder.answer(parse(await reader.readuntil())))
            session = responder.finish(
                parse(await reader.readuntil()), {"operator", "auditor", "website"}
            )
            key = self.authority.pin_key.public_key()
            der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
            chain = self.ready.get("pin_certificate", map(b64, self.authority.pin_chain()))
            ready = {"time_ms": now_ms, "limits": {}, "pin_key": b64(der)}
            if chain is not None:
                ready["pin_certificate"] = list(chain)
            writer.write(session.seal("I", "READY", "peer", to_json(ready)))
            await self._requests(reader, writer, session)
        writer.close()

    async def _requests(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, session: Session
    ) -> None:
        def reply(kind: str, verb: str, body: Any) -> None:
            if self.lose_answers:
                self.lose_answers -= 1
                writer.transport.abort()
                return
            said = [dict(body)]
            if self.sign_with_answer and verb == "STATUS":
                said.insert(0, {"re": body["re"], "state": "working", "done": 1, "of": 0})
            sealed = (session.seal(kind, verb, "peer", to_json(each)) for each in said)
            writer.write(b"".join(sealed))

        async def drain() -> bool:
            await writer.drain()
            return True

        while not reader.at_eof():
            raw = await reader.readuntil()
            line = parse(raw)
            self.lines += 1
            body = from_json(session.open(line))
            self._operators.handle(session, line.kind, line.verb, body, reply, drain)
