"""A second operator gets the signed bytes whole, and what the ids in them stand for."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from adapters.backend.operator_ports import Denied
from adapters.backend.proposal_shown import PIECE_BYTES, proposal_rows
from domain.aggregates import cardholder as cardholders
from domain.aggregates import certificate as certificates
from domain.aggregates import proposal as proposals
from domain.suspicion import DEFAULTS
from protocol.encoding import to_json, unb64
from tests.unit.application.happened import CARDHOLDER, COMPANY
from tests.unit.application.ledger_double import context
from tests.unit.application.test_dual_control import CERTIFICATES, issued
from tests.unit.backend.test_directory_lists import person

ID = UUID(int=77)


class Directory(dict[UUID, Any]):
    """States by their ids."""


def proposing(verb: str, body: dict[str, Any], *states: Any) -> Directory:
    command = {"verb": verb, "command_id": str(uuid4()), "issued_ms": 1, "body": body}
    made = proposals.make(
        context(),
        ID,
        verb=verb,
        summary="s",
        command=to_json(command),
        command_hash=b"h" * 32,
        signature="x",
        proposer_id=UUID(int=1),
    )
    return Directory({ID: proposals.evolve(None, made)} | {each.id: each for each in states})


def about(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row for row in rows if "about" in row]


def test_the_bytes_are_whole_also_of_a_long_command() -> None:
    ids = [str(uuid4()) for _ in range(1_000)]
    directory = proposing("REVOKE", {"certificates": ids, "why": "w"})
    rows = proposal_rows(directory, ID)
    pieces = [unb64(row["piece"]) for row in rows]
    assert b"".join(pieces) == directory[ID].command
    assert len(pieces) == 2
    assert max(map(len, pieces)) == PIECE_BYTES


def test_certificates_are_told_by_their_serials() -> None:
    known = certificates.evolve(None, issued(CERTIFICATES[0]))
    body = {"certificates": [*map(str, CERTIFICATES), "no id"], "why": "w"}
    (row,) = about(proposal_rows(proposing("REVOKE", body, known), ID))
    assert (row["certificate"], row["serial"]) == (str(CERTIFICATES[0]), known.serial)


def test_a_person_is_told_by_name_until_it_is_erased() -> None:
    body = {"cardholder": str(CARDHOLDER), "why": "w"}
    state = cardholders.evolve(None, person())
    (row,) = about(proposal_rows(proposing("ERASE", body, state), ID))
    assert (row["name"], row["company"]) == ("Ana Diaz", str(COMPANY))


def test_the_policy_in_force_is_told() -> None:
    body = {"profiles": [{"role": "pos", "valid_days": 1}], "why": "w"}
    rows = about(proposal_rows(proposing("POLICY", body), ID))
    assert {row["role"] for row in rows} >= {"pos", "card"}
    assert all("valid_days" in row for row in rows)


def test_what_is_no_proposal_is_refused() -> None:
    with pytest.raises(Denied) as denied:
        proposal_rows(Directory(), ID)
    assert denied.value.code == "no-such-proposal"


def test_rules_of_the_watch_stand_beside_those_in_force() -> None:
    (row,) = about(proposal_rows(proposing("WATCH", {"rules": {}, "why": "w"}), ID))
    assert (row["about"], row["burst_count"]) == ("watch", DEFAULTS.burst_count)
