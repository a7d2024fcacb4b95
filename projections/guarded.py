"""Reads of projections that notice a change by somebody else, and have it mended.

A read model holds nothing that is not in the log: one that does not fit is emptied and built anew.
Until it met the head of the log again nothing is read from it.
"""

import logging
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from application.ports import Rebuilding
from projections.ports import ReadModelChanged
from projections.runner import REBUILT_BECAUSE, Runner

log = logging.getLogger(__name__)
_T = TypeVar("_T")


class Guarded:
    """Reads in any thread; raises `application.ports.Rebuilding`."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    def read(self, name: str, read: Callable[[], _T]) -> _T:
        """What `read` returns from the projection of that name."""
        if self._runner.is_rebuilding(name):
            raise Rebuilding(name)
        try:
            return read()
        except ReadModelChanged as changed:
            raise self._rebuilt(changed) from changed

    def pieces(self, name: str, pieces: Iterable[_T]) -> Iterator[_T]:
        """The same for what is read piece by piece."""
        if self._runner.is_rebuilding(name):
            raise Rebuilding(name)
        try:
            yield from pieces
        except ReadModelChanged as changed:
            raise self._rebuilt(changed) from changed

    def _rebuilt(self, changed: ReadModelChanged) -> Rebuilding:
        name = self._runner.projection_of(changed.table)
        log.critical(REBUILT_BECAUSE, name, changed)
        self._runner.rebuild(name)
        return Rebuilding(name)
