"""What operators and auditors are told of the HSM: where it is, whether it answers, its keys."""

from adapters.backend.hsm_lane import HsmLane
from adapters.backend.operator_ports import Rows
from adapters.hsm.inventory import inventory
from adapters.hsm.token import Token


class HsmView:
    """`operator_ports.HsmReads` of the token and lane of this process."""

    def __init__(self, token: Token, lane: HsmLane, provider: str) -> None:
        self._token = token
        self._lane = lane
        self._provider = provider

    def status(self) -> Rows:
        """One row, from what is known already: a token that hangs is asked nothing."""
        token, lane = self._token, self._lane
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
            }
        ]

    def keys(self) -> Rows:
        """Each generation of each key, its attributes read just now. Raises HsmUnavailable."""
        return [state.row() for state in inventory(self._token)]
