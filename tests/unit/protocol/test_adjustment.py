"""Signed requests about earlier payments, and contracts with special terms, against the vectors."""

import pytest

from protocol.adjustment import (
    TYP_ADJUST,
    TYP_DISPUTE,
    encode_adjustment,
    encode_dispute,
    parse_adjustment,
    parse_dispute,
)
from protocol.certificates import Trust
from protocol.contract import TYP_POS, encode_contract, parse_contract, verify_detached
from protocol.errors import BodyError
from tests.unit.protocol.test_vectors import FILES, NOW_MS, ROOT, chain


def test_adjustments_and_disputes() -> None:
    file = FILES["adjustment.json"]
    pos, card = (Trust(ROOT).verify(chain(role), NOW_MS) for role in ("pos", "card"))
    raw, contested = file["adjustment"].encode(), file["dispute"].encode()
    assert encode_adjustment(parse_adjustment(raw)) == raw
    assert encode_dispute(parse_dispute(contested)) == contested
    verify_detached(raw, file["adjustment_signature"], TYP_ADJUST, pos.public_key, pos.kid)
    verify_detached(contested, file["dispute_signature"], TYP_DISPUTE, card.public_key, card.kid)
    with pytest.raises(BodyError, match="wrong-signer"):  # no contract, though a POS signed it
        verify_detached(raw, file["adjustment_signature"], TYP_POS, pos.public_key, pos.kid)


@pytest.mark.parametrize("raw", FILES["adjustment.json"]["refused_adjustments"])
def test_refused_adjustments(raw: str) -> None:
    with pytest.raises(BodyError, match="bad-body"):
        parse_adjustment(raw.encode())


@pytest.mark.parametrize("raw", FILES["adjustment.json"]["refused_disputes"])
def test_refused_disputes(raw: str) -> None:
    with pytest.raises(BodyError, match="bad-body"):
        parse_dispute(raw.encode())


def test_a_contract_with_more_members_is_read_as_written() -> None:
    plain = parse_contract(FILES["contract.json"]["contract"].encode())
    for more in ({"partial": True, "tip_cents": 5}, {"group": plain.shop}, {"tip_cents": 1}):
        contract = plain._replace(**more)
        assert parse_contract(encode_contract(contract)) == contract
