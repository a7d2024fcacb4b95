"""What operators and auditors are told of the HSM: where it is, whether it answers, its keys."""

from collections.abc import Callable

from adapters.backend.hsm_lane import HsmLane
from adapters.backend.operator_ports import Rows
from adapters.hsm.inventory import key_rows
from adapters.hsm.token import Token


class HsmView:
    """`operator_ports.HsmReads` of the token and lane of this process."""

    def __init__(
        self,
        token: Token,
        lane: HsmLane,
        provider: str,
        resealing: Callable[[], tuple[int, int]],
        made_ms: int,
    ) -> None:
        """`resealing`: data keys that K_DB seals, and how many an older generation still does.

        `made_ms`: when the first generations were made, which is with the authorities.
        """
        self._token = token
        self._lane = lane
        self._provider = provider
        self._resealing = resealing
        self._made_ms = made_ms

    def status(self) -> Rows:
        """One row, from what is known already: a token that hangs is asked nothing."""
        token, lane = self._token, self._lane
        data_keys, left = self._resealing()
        return [
            {
                "provider": self._provider,
                "answers": lane.healthy,
                "trouble": lane.trouble,
                "module": token.module,
                "token": token.label,
                "serial": token.serial,
                "slot": token.slot_id,
                "threads": lane.threads,
                "overlaps": token.overlaps,
                "waiting": lane.waiting,
                "data_keys": data_keys,
                "data_keys_left": left,
            }
        ]

    def keys(self) -> Rows:
        """Each generation of each key, its attributes read just now. Raises HsmUnavailable."""
        return key_rows(self._token, self._made_ms)
