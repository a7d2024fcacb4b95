"""Rotating keys without an HSM."""

from adapters.backend.operator_ports import Denied, Rotated


class RotationDouble:
    """Rotates K_CVV and K_DB without any limit, once a generation."""

    def __init__(self) -> None:
        self.made: list[tuple[str, int]] = []
        self.asked = 0
        self.ceremony = ""

    def check(self, name: str, generation: int, ceremony: str = "") -> None:
        if name not in ("K_CVV", "K_DB"):
            raise Denied("not-rotated-here", "Not here.")

    def rotate(self, name: str, generation: int, ceremony: str = "") -> Rotated:
        self.check(name, generation)
        self.ceremony = ceremony
        self.asked += 1
        if (name, generation) not in self.made:
            self.made.append((name, generation))
        return Rotated()
