"""Which generation of each key is in use: read from the token at the start, changed by a rotation.

One object for a token, asked by whoever uses a key. Making and reading need no lock: a generation
is taken into use by one assignment, after its key and certificate are there.
"""

from typing import Final

FIRST: Final = 1


class Generations:
    """By the key's name, as `K_DB`. A name that was never told has its first generation."""

    def __init__(self) -> None:
        self._newest: dict[str, int] = {}

    def newest(self, name: str) -> int:
        """The one that makes what is new."""
        return self._newest.get(name, FIRST)

    def all(self, name: str) -> tuple[int, ...]:
        """Every one that may still be asked, newest first."""
        return tuple(range(self.newest(name), 0, -1))

    def label(self, name: str) -> str:
        """How the token knows the newest."""
        return labelled(name, self.newest(name))

    def use(self, name: str, generation: int) -> None:
        """Takes one into use."""
        self._newest[name] = generation


def labelled(name: str, generation: int) -> str:
    """How the token knows a generation."""
    return f"{name}/{generation}"
