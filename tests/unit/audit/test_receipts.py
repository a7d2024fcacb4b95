"""A receipt says what a payment is worth, is the backend's own, and is of the events beside it."""

import json
import time
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from msgspec.structs import replace

from adapters.audit.proof_file import ProofFile, SignedReceipt, check_proof, read_proof, to_text
from adapters.audit.receipts import NoPayment, ReceiptMaker, check_receipt
from application.merkle_proofs import BadProof
from application.ports import Row
from devices.identity import load_device
from domain.event import Event, decode, encode
from protocol.detached import TYP_CARD, sign_detached
from tests.integration.ledger.town import Town
from tests.unit.audit.log_double import KEY, SmallLog
from tests.unit.devices.authority import Authority


def opened(row: Row) -> Event:
    return decode(row.topic, row.state)


class Payments:
    """A log with a payment that was approved and corrected, and one that was declined."""

    def __init__(self, folder: Path) -> None:
        (folder / "pki").mkdir()
        self.authority = Authority(folder / "pki")
        self.identity, trust = self.authority.backend()
        self.kid = trust.verify(self.identity.chain_der, time.time_ns() // 1_000_000).kid
        town = Town()
        company, events = town.company()
        shop, more = town.shop()
        till, tills = town.terminal(shop)
        (card,), cards = town.person(company)
        events += more + tills + cards + town.refill(company, card)
        self.paid, more = town.payment(till, card, 4_500)
        events += more + town.correction(self.paid, 450)
        self.declined, more = town.payment(till, card, 90_000_000)
        self.log = SmallLog(folder / "checkpoints", 0)
        for event in events + more:
            self.log.add_row(
                event.originator_id, event.originator_version, event.TOPIC, encode(event)
            )
        self.log.signed()
        self.card = card

    @property
    def root(self) -> bytes:
        return self.authority.root.public_bytes(Encoding.DER)

    def proof(self, stream: UUID) -> ProofFile:
        now_us = time.time_ns() // 1_000
        maker = ReceiptMaker(self.identity, self.kid, opened, lambda: now_us)
        text = to_text(self.log.prover(maker).of_stream(stream, receipt=True))
        proof = read_proof(text.encode())
        check_proof(proof, KEY.public_key())
        return proof

    def resigned(self, proof: ProofFile, **members: Any) -> ProofFile:
        """By the backend's key, about something else."""
        receipt = proof.receipt
        assert receipt is not None
        payload = json.dumps(json.loads(receipt.payload) | members)
        signature = sign_detached(payload.encode(), "tr-receipt+jws", self.kid, self.identity.sign)
        return replace(proof, receipt=SignedReceipt(
            payload=payload, signature=signature, chain=receipt.chain
        ))  # fmt: skip


@pytest.fixture(scope="module")
def payments(tmp_path_factory: pytest.TempPathFactory) -> Payments:
    return Payments(tmp_path_factory.mktemp("receipts"))


def test_a_receipt_says_what_the_payment_is_worth_now(payments: Payments) -> None:
    said = check_receipt(payments.proof(payments.paid), payments.root)
    assert (said["status"], said["code"]) == ("approved", "00")
    assert (said["amount_cents"], said["net_cents"], said["currency"]) == (4_500, 450, "USD")
    assert said["transaction"] == str(payments.paid)
    assert said["card"].startswith("636012******")
    assert "Wilhelmina" not in json.dumps(said)


def test_a_refusal_has_a_receipt_too(payments: Payments) -> None:
    said = check_receipt(payments.proof(payments.declined), payments.root)
    assert (said["status"], said["net_cents"]) == ("declined", 0)


def test_only_payments_have_receipts(payments: Payments) -> None:
    with pytest.raises(NoPayment):
        payments.proof(payments.card)


@pytest.mark.parametrize(
    "changed",
    [{"transaction": str(UUID(int=7))}, {"positions": [1]}, {"positions": [], "leaf_hashes": []},
     {"leaf_hashes": []}, {"leaf_hashes": ["AAAA", "AAAA"]}, {"leaf_hashes": ["?", "?"]},
     {"origin": "other.test/log"}, {"issued_ms": 0}, {"issued_ms": 10**18}, {"issued_ms": "x"},
     {"positions": None}],
)  # fmt: skip
def test_a_receipt_of_something_else_is_refused(
    payments: Payments, changed: dict[str, Any]
) -> None:
    proof = payments.proof(payments.paid)
    assert check_receipt(payments.resigned(proof), payments.root)
    with pytest.raises(BadProof):
        check_receipt(payments.resigned(proof, **changed), payments.root)


def test_a_receipt_that_was_altered_or_moved_is_refused(payments: Payments) -> None:
    proof, other = payments.proof(payments.paid), payments.proof(payments.declined)
    receipt = proof.receipt
    assert receipt is not None
    for wrong in (
        replace(receipt, payload=receipt.payload.replace('"net_cents":450', '"net_cents":950')),
        replace(receipt, payload="{}"),
        replace(receipt, payload="[" * 60_000),
        replace(receipt, signature=receipt.signature[:-4] + "AAAA"),
        replace(receipt, signature=""),
        replace(receipt, chain=[]),
        replace(receipt, chain=[b"x", b"y"]),
        other.receipt,
        None,
    ):
        with pytest.raises(BadProof):
            check_receipt(replace(proof, receipt=wrong), payments.root)


def test_only_the_backend_of_this_pki_makes_receipts(payments: Payments, tmp_path: Path) -> None:
    proof = payments.proof(payments.paid)
    stranger = Authority(tmp_path).root.public_bytes(Encoding.DER)
    with pytest.raises(BadProof, match="chain does not lead"):
        check_receipt(proof, stranger)
    folder = payments.authority.device("pos", "a till")
    device = load_device(folder, "pos")
    receipt = proof.receipt
    assert receipt is not None
    for typ in ("tr-receipt+jws", TYP_CARD):
        signature = sign_detached(
            receipt.payload.encode(), typ, device.serial, device.keystore.sign
        )
        chain = list(device.identity.chain_der)
        wrong = replace(receipt, signature=signature, chain=chain)
        with pytest.raises(BadProof, match=r"signed by a pos|names another"):
            check_receipt(replace(proof, receipt=wrong), payments.root)
