"""The programs that the demo drives: commands that end, and devices that talk in JSON lines.

Nothing secret is given as an argument: card data and PINs go over standard input.
"""

import asyncio
import contextlib
import json
import os
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from typing import Any, BinaryIO, Final, Self, TypeVar

from adapters.cli.demo.narration import masked
from adapters.cli.parts import bound_to_parent, environment, program
from adapters.settings import Settings

COMMAND_S: Final = 60.0
ANSWER_S: Final = 30.0
_END_S: Final = 5.0
_LINE_BYTES: Final = 1 << 20
Answer = dict[str, Any]
_T = TypeVar("_T")


class Failed(Exception):
    """A program did not do what it was asked; the message says which, and what it said."""


class Ahead:
    """Work that is started before its turn in the story; what is still running at the end of the
    block is ended with it."""

    def __init__(self) -> None:
        self._tasks: list[asyncio.Task[Any]] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def start(self, work: Coroutine[Any, Any, _T]) -> asyncio.Task[_T]:
        """Await what this returns when its turn has come."""
        task = asyncio.create_task(work)
        self._tasks.append(task)
        return task


class Ticketrestaurant:
    """The command-line program `ticketrestaurant`, for one installation."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._environment = environment(settings)

    async def text(self, *arguments: str) -> str:
        """What the command prints. Raises Failed unless its exit status is 0."""
        process = await self._start(*arguments, stdin=DEVNULL, stderr=PIPE)
        try:
            async with asyncio.timeout(COMMAND_S):
                out, err = await process.communicate()
        except TimeoutError:
            raise Failed(f"{_shown(arguments)}: not done after {COMMAND_S:.0f} s") from None
        finally:
            await _end(process)
        if process.returncode:
            said = err.decode(errors="replace").strip() or out.decode(errors="replace").strip()
            raise Failed(
                f"{_shown(arguments)}: exit status {process.returncode}\n{masked(said[-2000:])}"
            )
        return out.decode()

    async def json(self, *arguments: str) -> Any:
        """What the command prints with --json. Raises Failed."""
        printed = await self.text(*arguments, "--json")
        try:
            return json.loads(printed)
        except ValueError:
            raise Failed(f"{_shown(arguments)} --json printed no JSON") from None

    @contextlib.asynccontextmanager
    async def device(self, kind: str, folder: Path) -> AsyncIterator["Device"]:
        """A `pos` or `card` that runs until the end of the block, with its session open."""
        with _for_its_owner(self.settings.logs / "demo-devices.log") as log:
            process = await self._start(
                kind, "script", "--device", str(folder), stdin=PIPE, stderr=log
            )
        device = Device(kind, process)
        try:
            await device.hear("ready")
            yield device
        finally:
            await device.hang_up()

    async def _start(self, *arguments: str, stdin: int, stderr: Any) -> Process:
        return await asyncio.create_subprocess_exec(
            *bound_to_parent(program(*arguments), os.getpid()),
            stdin=stdin,
            stdout=PIPE,
            stderr=stderr,
            env=self._environment,
            limit=_LINE_BYTES,
            start_new_session=True,  # Ctrl-C is for us: we end what we started, in order
        )


class Device:
    """A running device program: one JSON line in, one out."""

    def __init__(self, kind: str, process: Process) -> None:
        self._kind, self._process = kind, process
        self._turn = asyncio.Lock()

    async def ask(self, do: str, **members: Any) -> Answer:
        """The answer to a command. Raises Failed where it is an error."""
        answer = await self.ask_softly(do, **members)
        if "error" in answer:
            raise Failed(f"{self._kind} {do}: {answer['error']}: {answer.get('text', '')}")
        return answer

    async def ask_softly(self, do: str, **members: Any) -> Answer:
        """The answer to a command, an error included."""
        stdin = self._process.stdin
        assert stdin is not None
        async with self._turn:
            stdin.write(json.dumps({"do": do, **members}).encode() + b"\n")
            with contextlib.suppress(ConnectionError):  # then it says nothing, either
                await stdin.drain()
            return await self.hear(do)

    async def hear(self, do: str) -> Answer:
        """The next line, which must belong to that command. Raises Failed."""
        stdout = self._process.stdout
        assert stdout is not None
        try:
            async with asyncio.timeout(ANSWER_S):
                line = await stdout.readline()
        except TimeoutError:
            raise Failed(f"{self._kind} {do}: no answer in {ANSWER_S:.0f} s") from None
        try:
            answer: Answer = json.loads(line)
        except ValueError:
            raise Failed(f"{self._kind} {do}: the program ended") from None
        if answer.get("do") != do:
            raise Failed(f"{self._kind} {do}: {answer.get('text') or 'something else answered'}")
        return answer

    async def hang_up(self) -> None:
        """Ends the program as its user would: by the end of its input."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            async with asyncio.timeout(_END_S):
                await self._process.wait()
        except TimeoutError:
            pass
        finally:
            await _end(self._process)


async def _end(process: Process) -> None:
    """Makes sure that it is gone, also where we are being cancelled."""
    if process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(_END_S):
            await process.wait()
    except (TimeoutError, asyncio.CancelledError):
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def _shown(arguments: tuple[str, ...]) -> str:
    return "ticketrestaurant " + " ".join(arguments)


def _for_its_owner(path: Path) -> BinaryIO:
    """The file, to be appended to; nobody else may read it."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab")
