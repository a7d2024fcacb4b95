"""The validation port: who sends half a request is not waited for."""

import asyncio
import socket

from adapters.gateway.questions import Questions
from adapters.gateway.validation_http import ValidationServer
from adapters.patient_http import HEAD_S


def test_half_a_request_is_ended_and_others_are_answered() -> None:
    async def scenario() -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        server = ValidationServer(Questions(lambda line: False), "127.0.0.1", port)
        server.start()
        try:
            slow = [await asyncio.open_connection("127.0.0.1", port) for _ in range(100)]
            for _, writer in slow:
                writer.write(b"GET /crl/issuing.crl HTTP/1.1\r\nHost: x")
            assert b" 503 " in await slow[-1][0].read(), "one address has only so many"
            there = await asyncio.open_connection("127.0.0.1", port, local_addr=("127.0.0.2", 0))
            there[1].write(b"GET /nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            async with asyncio.timeout(3):
                assert (await there[0].read()).startswith(b"HTTP/1.1 404 ")
            async with asyncio.timeout(HEAD_S + 2):
                assert (await slow[0][0].read()).startswith(b"HTTP/1.1 408 ")
            for _, writer in (*slow, there):
                writer.close()
        finally:
            await server.stop()

    asyncio.run(scenario())
