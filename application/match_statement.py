"""Recording which entries of a bank statement are which expected money."""

from typing import Any
from uuid import UUID

from application.command import Command, Origin, Refused, other_command
from application.states import States
from application.work import Outcome
from domain.aggregates import reconciliation
from domain.aggregates.reconciliation import (
    RECONCILIATION_ID,
    MatchedLine,
    Reconciliation,
    StatementMatched,
)
from domain.event import Context

MOVED_ON = "reconciled-meanwhile"


class MatchStatement(Command):
    """`lines` were matched by looking at `seen_version` of the reconciliation; at least one."""

    makes = (StatementMatched,)

    def __init__(
        self,
        origin: Origin,
        deadline_us: int,
        *,
        seen_version: int,
        statement: str,
        file_sha256: str,
        lines: tuple[MatchedLine, ...],
    ) -> None:
        super().__init__(origin, deadline_us)
        self._seen_version, self._statement = seen_version, statement
        self._file_sha256, self._lines = file_sha256, lines

    def reads(self) -> list[UUID]:
        """The reconciliation."""
        return [RECONCILIATION_ID]

    def execute(self, states: States, context: Context) -> Outcome:
        """Records the matches, unless another statement was matched since they were looked for."""
        before = states.get(RECONCILIATION_ID, Reconciliation)
        if (before.version if before is not None else 0) != self._seen_version:
            text = "Another statement was reconciled meanwhile. Give the command again."
            return Outcome(Refused(MOVED_ON, text))
        event = reconciliation.match_statement(
            context,
            before,
            statement=self._statement,
            file_sha256=self._file_sha256,
            lines=self._lines,
        )
        return Outcome({"matched": len(self._lines)}, [event])

    def repeated(self, states: States, made: UUID) -> Any:
        """They are recorded, unless that command matched another statement."""
        for event in states.stored_by(self.origin.command_id, made):
            if isinstance(event, StatementMatched) and event.file_sha256 != self._file_sha256:
                return other_command()
        return {"repeated": True}
