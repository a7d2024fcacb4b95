"""The installation that serves, as a ceremony for a new root sees it: `new_root.ServingPort`.

It is asked through the gateway, as an auditor asks. Two operators decide, at their own machines; a
sandbox's are on this one.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import file_digest
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from adapters.ceremony.desk import Abandoned
from adapters.ceremony.new_root import State
from adapters.cli import saving
from adapters.cli.operator_link import Operator, as_operator, as_reader, identity_folder
from adapters.cli.output import this_program
from adapters.cli.proposal_shown import read_proposal
from adapters.hsm.installation import ROOTS_FILE
from adapters.settings import Settings
from domain.aggregates.certificate import AUTHORITY_ROOT

_LOOK_S: Final = 2.0
_RECORDED_S: Final = 20.0
"""So long after a root is in use its record may come: longer, and it was lost in a crash."""
_NOBODY: Final = {"proposal": "", "proposer": "", "command_hash": ""}
_KEY: Final = "CA-ROOT"
_WHY: Final = "root ceremony"


class Serving:
    """Asks as `reader`, an auditor's or operator's folder. Raises Failure where nothing answers.

    `backup_to`: a new file for the backup; None: somebody makes it otherwise.
    """

    def __init__(self, found: Settings, reader: str, backup_to: Path | None) -> None:
        self._found, self._reader, self._backup_to = found, reader, backup_to

    def state(self) -> State:
        """See the port."""
        return as_reader(self._reader, self._state)

    async def _state(self, operator: Operator) -> State:
        rows = await operator.rows("QUERY", {"what": "certificates", "state": "valid"})
        roots = [row for row in rows if row["role"] == AUTHORITY_ROOT]
        roots.sort(key=lambda row: int(row["not_before_ms"]))
        return State(
            generation=await _generation(operator),
            in_force=tuple(str(row["fingerprint"]) for row in roots),
            in_file=_fingerprints(self._found.home / ROOTS_FILE),
        )

    def rotated(self, order: str, generation: int, tell: Callable[[str], None]) -> dict[str, Any]:
        """See the port. Waits as long as it takes. Raises Abandoned when it is interrupted."""
        tell(
            "\nTwo operators, each at a machine with their own key:\n  "
            + this_program("hsm", "rotate", _KEY, "--ceremony", order, "--why", _WHY)
            + "\n  "
            + this_program("proposal", "approve", "PROPOSAL", "--as", "operator-2")
            + "\nThis program waits for it. To go on another time: Ctrl-C."
        )
        return self._wait(order, generation)

    def _wait(self, order: str, generation: int) -> dict[str, Any]:
        until_s = None
        try:
            while True:
                newest, named = as_reader(self._reader, lambda link: _looked(link, order))
                if newest >= generation:
                    until_s = until_s or time.monotonic() + _RECORDED_S
                    if named is not None or time.monotonic() > until_s:
                        return named or dict(_NOBODY)
                time.sleep(_LOOK_S)
        except KeyboardInterrupt:
            raise Abandoned("the operators were not waited for") from None

    def heard(self) -> tuple[str, ...]:
        """See the port: what the reader's own folder holds after a session."""
        as_reader(self._reader, _generation)
        return _fingerprints(identity_folder(self._found.home, self._reader) / "root.pem")

    def backed_up(self, after: datetime) -> dict[str, Any] | None:
        """See the port."""
        from adapters.cli.backup import make_backup

        last = self._last(after)
        if last is None and self._backup_to is not None:
            make_backup(self._found, self._backup_to.expanduser().absolute())
            last = self._last(after)
        return last

    def _last(self, after: datetime) -> dict[str, Any] | None:
        known = saving.last_backup(self._found.home)
        if known is None:
            return None
        made, path = datetime.fromtimestamp(known["created_us"] / 1e6, UTC), Path(known["file"])
        if made < after or not path.is_file():
            return None
        with path.open("rb") as file:
            digest = file_digest(file, "sha256").hexdigest()
        return {"file": path.name, "sha256": digest, "made": made.isoformat(timespec="seconds")}


class SandboxServing(Serving):
    """Both operators of `init` are on this machine, and do at once what is asked."""

    def rotated(self, order: str, generation: int, tell: Callable[[str], None]) -> dict[str, Any]:
        """See the port. What an interruption left is gone on with."""
        tell("The sandbox's operators rotate CA-ROOT …")

        async def propose(operator: Operator) -> str:
            if await _generation(operator) >= generation:
                return ""
            for shown in await _proposals(operator, "waiting", order):
                return str(shown["proposal"])
            body = {"key": _KEY, "generation": generation, "why": _WHY, "ceremony": order}
            return str((await operator.command("ROTATE", body))["proposal"])

        proposal = as_operator("operator-1", propose)
        if proposal:

            async def approve(operator: Operator) -> None:
                shown = await read_proposal(operator, proposal)
                yes = {"proposal": proposal, "approve": True, "command_hash": shown.command_hash}
                await operator.command("APPROVE", yes)

            as_operator("operator-2", approve)
        return self._wait(order, generation)


async def _looked(operator: Operator, order: str) -> tuple[int, dict[str, Any] | None]:
    """The generation in use, and the approved proposal that names the order."""
    named = await _proposals(operator, "approved", order)
    return await _generation(operator), named[0] if named else None


async def _proposals(operator: Operator, status: str, order: str) -> list[dict[str, Any]]:
    rows = await operator.rows("QUERY", {"what": "proposals"})
    found = []
    for row in rows:
        if (row["verb"], row["status"]) == ("ROTATE", status):
            shown = await read_proposal(operator, str(row["proposal"]))
            if shown.command["body"].get("ceremony") == order:
                found.append({
                    "proposal": str(row["proposal"]), "proposer": str(row["proposer"]),
                    "command_hash": shown.command_hash,
                })  # fmt: skip
    return found


async def _generation(operator: Operator) -> int:
    rows = await operator.rows("QUERY", {"what": "hsm-keys"})
    return max(int(row["generation"]) for row in rows if row["key"] == _KEY and row["in_use"])


def _fingerprints(path: Path) -> tuple[str, ...]:
    """Of a file of certificates. Raises OSError, Abandoned."""
    try:
        found = x509.load_pem_x509_certificates(path.read_bytes())
    except ValueError:
        raise Abandoned(f"{path} holds no certificates") from None
    return tuple(each.fingerprint(SHA256()).hex() for each in found)
