"""A supervisor over two small parts, as a process of its own: `fake_serve.py HOME [PORT]`.

The part `steady` listens; `second` waits for it and prints lines; both die of SIGKILL only if
somebody sends it. With a third argument, there is a part of that name that always ends at once:
`broken`, or `altered` with exit status 4.
"""

import os
import sys
from pathlib import Path

from adapters import settings
from adapters.cli.output import say
from adapters.cli.parts import Part, accepts, bound_to_parent, environment
from adapters.cli.supervisor import Supervisor, sole_use

_LISTEN = """
import socket, sys, time
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    server.accept()[0].close()
"""
_PRINT = """
import time
while True:
    print("x" * 1000, flush=True)
    time.sleep(0.001)
"""


_BROKEN = {
    "broken": "import sys; sys.exit('I cannot')",
    "altered": "import sys; print('not what was signed', flush=True); sys.exit(4)",
}


def main(home: Path, port: int, broken: str) -> None:
    found = settings.load({"TICKETRESTAURANT_LOG_MAX_BYTES": "100000"}, home=home)

    def part(name: str, program: str, *after: str) -> Part:
        python = [sys.executable, "-c", program, str(port), str(home)]
        return Part(
            name=name,
            address=f"127.0.0.1:{port}",
            command=bound_to_parent(python, os.getpid()),
            environment=environment(found),
            is_up=lambda pid: name == "second" or accepts(("127.0.0.1", port), pid),
            after=after,
            stop_within_s=2,
        )

    parts = [part("steady", _LISTEN), part("second", _PRINT, "steady")]
    if broken:
        parts.append(part(broken, _BROKEN[broken]))
    with sole_use(found):
        Supervisor(found, parts, announce=say).run()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), "".join(sys.argv[3:]))
