"""The installation under the demo: made where it is missing, served, stopped if we started it."""

import contextlib
import os
import signal
import subprocess
import time
from typing import Final

from adapters import settings as settings_
from adapters.ceremony.open_secrets import FILE as OPEN_FILE
from adapters.ceremony.transcript import FOLDER
from adapters.cli.background import start_in_background, stop
from adapters.cli.demo.narration import Narrator
from adapters.cli.init import with_settings
from adapters.cli.parts import SERVERS, accepts, environment, program, server_address
from adapters.cli.supervisor import read_status
from adapters.processors.choice import NONE
from adapters.processors.sandbox import NAME as SANDBOX
from adapters.settings import PREFIX, Settings

_READY_S: Final = 60.0
_END_S: Final = 60.0


class Servers:
    """Databases, backend, gateway and website of one state folder.

    `keep`: they go on without us. Else they end with us, in whatever way that happens.
    """

    def __init__(self, settings: Settings, narrator: Narrator, *, keep: bool) -> None:
        self._settings, self._narrator, self._keep = settings, narrator, keep
        self.ours = False

    def start(self) -> None:
        """Returns when all are up. Raises narration.Broken."""
        settings, narrator = self._settings, self._narrator
        narrator.section("The installation")
        narrator.told("folder", str(settings.home))
        if read_status(settings) is not None:
            with narrator.step("the servers run already: they are used, and left running"):
                return
        self._charge_nobody()
        self._hold_ceremony()
        with narrator.step("state folder, keys in the HSM, certificates, databases"):
            _check_ports_are_free(settings)
            self._run("init")
        with narrator.step(
            "PostgreSQL, backend, gateway and website are up, a process each"
        ) as step:
            self.ours = True
            start_in_background(settings, within_s=_READY_S, die_with_us=not self._keep)
            for name in SERVERS:
                host, port = server_address(settings, name)
                step.note(f"{name:<9} {host}:{port}")

    def stop(self) -> None:
        """Stops them if we started them. Raises background.NotReady."""
        if self.ours:
            self.ours = False
            stop(self._settings)

    def _charge_nobody(self) -> None:
        """A new installation charges cards in the sandbox, unless it was told otherwise."""
        if not settings_.file_of(self._settings.home).exists() and self._settings.processor == NONE:
            with_settings(self._settings, {"processor": SANDBOX})

    def _hold_ceremony(self) -> None:
        """With people who do not exist, where there are no keys yet or it was interrupted.

        Another HSM than the software token is its owner's: nothing is made in it without being
        asked for.
        """
        home = self._settings.home
        made = (home / "hsm" / "serial").exists() and not (home / FOLDER / OPEN_FILE).exists()
        if made or self._settings.pkcs11_module or self._settings.hsm_pin_file:
            return
        with self._narrator.step("key ceremony: keys, PIN and shares, by people of a sandbox") as s:
            self._run("ceremony", "--sandbox", quiet=True)
            s.note("2 of 3 custodians gave the PIN back; everything signed by the root key:")
            s.note(str(home / FOLDER / "transcript.pdf"))

    def _run(self, *arguments: str, quiet: bool = False) -> None:
        """Runs a command, whose own lines say what it makes. Raises RuntimeError."""
        process = subprocess.Popen(
            program(*arguments),
            env=environment(self._settings),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        said: list[str] = []
        try:
            assert process.stderr is not None
            for line in process.stderr:
                said.append(line.rstrip())
                if "✓" in line and not quiet:
                    self._narrator.line(f"    {line.rstrip()}", "dim")
            process.wait()
        finally:
            _end_with_children(process)
        if process.returncode:
            raise RuntimeError(
                "\n".join([f"{arguments[0]}: status {process.returncode}", *said[-12:]])
            )


def _end_with_children(leader: "subprocess.Popen[str]") -> None:
    """Ends the leader of a session with all that it started: initdb has children of its own."""
    deadline_s = time.monotonic() + _END_S
    if leader.poll() is None:
        leader.terminate()
        leader.wait(_END_S)
    with contextlib.suppress(ProcessLookupError):
        while time.monotonic() < deadline_s:
            os.killpg(leader.pid, signal.SIGTERM)
            time.sleep(0.02)


def _check_ports_are_free(settings: Settings) -> None:
    for name in SERVERS:
        host, port = server_address(settings, name)
        if accepts((host, port)):
            raise RuntimeError(
                f"another program listens at {host}:{port}, where our {name} should.\n"
                f"Set {PREFIX}PORT_BASE to a free range, for example 9300."
            )
