"""A bounded cache that forgets what was not used for longest, in two generations.

Cheaper than a linked list per entry: a full young generation becomes the old one, whatever is
asked for in the old one moves back, and the rest goes with the next turn.
"""

from typing import Any, Generic, TypeVar

_K = TypeVar("_K")
_V = TypeVar("_V")
_MISSING: Any = object()


class Cache(Generic[_K, _V]):
    """Keeps at least the `keep // 2` entries used last, at most `keep`.

    While it is `held` it forgets nothing: whoever set an entry finds it again.
    """

    def __init__(self, keep: int) -> None:
        self._half = max(1, keep // 2)
        self._held = False
        self.turns = 0
        """How often something may have been forgotten."""
        self.young: dict[_K, _V] = {}
        """What was used last, for whoever asks so often that a call counts; only to be read."""
        self._old: dict[_K, _V] = {}

    def __contains__(self, key: _K) -> bool:
        return key in self.young or key in self._old

    def __len__(self) -> int:
        return len(self.young) + len(self._old)

    def get(self, key: _K, default: _V) -> _V:
        """The value, or `default`; a hit counts as use."""
        value: _V = self.young.get(key, _MISSING)
        if value is not _MISSING:
            return value
        value = self._old.get(key, _MISSING)
        if value is _MISSING:
            return default
        self[key] = value
        return value

    def __setitem__(self, key: _K, value: _V) -> None:
        self.young[key] = value
        if len(self.young) >= self._half and not self._held:
            self._turn()

    def hold(self) -> None:
        """Forgets nothing until `release`, however much comes."""
        self._held = True

    def release(self) -> None:
        """Forgets again, and at once if it is time."""
        self._held = False
        if len(self.young) >= self._half:
            self._turn()

    def _turn(self) -> None:
        self.turns += 1
        self._old = self.young
        self.young = {}

    def clear(self) -> None:
        """Forgets everything."""
        self.turns += 1
        self.young = {}
        self._old = {}
