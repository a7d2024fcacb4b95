"""What a server says of itself: whether it can serve, and what somebody should look at."""

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """`live`: it answers at all. `reasons`: why it cannot serve; none: it is ready.

    `warnings`: it serves, and somebody should look. Both by code, with words for people. The codes
    are the rows of the tables in docs/operations.md.
    """

    live: bool = True
    reasons: dict[str, str] = field(default_factory=dict)
    warnings: dict[str, str] = field(default_factory=dict)

    @property
    def ready(self) -> bool:
        """Whether it can serve."""
        return self.live and not self.reasons


Check = Callable[[], Health]
"""Asked for each request, in a thread of the monitor."""
