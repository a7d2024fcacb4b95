"""Receipts: what the backend signs of a payment, bound to its events in the log, and the check.

A detached JWS of type `tr-receipt+jws` (TR-TPR section 7.3) by the backend's key in the HSM. It
binds the readable facts to the leaf hashes: the ciphertexts alone tell a stranger nothing.
"""

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

import msgspec

from adapters.audit.note import Checkpoint
from adapters.audit.proof_file import ProofFile, SignedReceipt
from application.merkle_proofs import BadProof
from application.ports import Row
from application.receipt import receipt_facts
from application.states import replay
from domain.aggregates.transaction import Authorized, Declined, Transaction
from domain.event import Event
from protocol.certificates import BACKEND, Trust
from protocol.detached import TYP_RECEIPT, sign_detached, verify_detached
from protocol.encoding import from_json, to_json
from protocol.errors import ProtocolError
from protocol.handshake import Identity


class NoPayment(Exception):
    """The events are not those of a payment that was answered."""


class ReceiptMaker:
    """`adapters.audit.proving.MakeReceipt`. `kid` is the serial of the identity's certificate."""

    def __init__(
        self,
        identity: Identity,
        kid: str,
        open_row: Callable[[Row], Event | None],
        now_us: Callable[[], int],
    ) -> None:
        self._signer = identity, kid
        self._open_row = open_row
        self._now_us = now_us

    def use_identity(self, identity: Identity, kid: str) -> None:
        """Who signs from now on; for any thread."""
        self._signer = identity, kid

    def __call__(
        self, rows: Sequence[Row], leaves: Sequence[bytes], checkpoint: Checkpoint
    ) -> SignedReceipt:
        """Raises NoPayment, `application.ports.Unavailable`."""
        events = [event for row in rows if (event := self._open_row(row)) is not None]
        answer = next((each for each in events if isinstance(each, Authorized | Declined)), None)
        if answer is None:
            raise NoPayment
        now = replay(events)
        assert isinstance(now, Transaction), "an answered payment"
        payload = to_json(
            {
                **receipt_facts(answer, now),
                "origin": checkpoint.origin,
                "positions": [row.position for row in rows],
                "leaf_hashes": [base64.b64encode(leaf).decode() for leaf in leaves],
                "tree_size": checkpoint.size,
                "issued_ms": self._now_us() // 1000,
            }
        )
        identity, kid = self._signer
        signature = sign_detached(payload, TYP_RECEIPT, kid, identity.sign)
        return SignedReceipt(
            payload=payload.decode(), signature=signature, chain=list(identity.chain_der)
        )


class _Bound(msgspec.Struct):
    """What binds a receipt to the proof around it."""

    transaction: UUID
    origin: str
    positions: list[int]
    leaf_hashes: list[str]
    issued_ms: int


def check_receipt(file: ProofFile, *roots_der: bytes) -> dict[str, Any]:
    """What the receipt says, once it is the backend's own and of the events in the file, which
    `check_proof` saw. Raises BadProof.

    The certificates are verified for the time that the receipt says it was made at.
    """
    receipt = file.receipt
    if receipt is None:
        raise BadProof("there is no receipt in it")
    payload = receipt.payload.encode("utf-8", "replace")
    try:
        bound = msgspec.json.decode(payload, type=_Bound)
        said: dict[str, Any] = from_json(payload)
        peer = Trust(*roots_der).verify(receipt.chain, bound.issued_ms)
        verify_detached(payload, receipt.signature, TYP_RECEIPT, peer.public_key, peer.kid)
    except (msgspec.DecodeError, ValueError, RecursionError, OverflowError):
        raise BadProof("what its receipt says cannot be read") from None
    except ProtocolError as error:
        raise BadProof(f"its receipt cannot be believed: {error.text}") from None
    if peer.role != BACKEND:
        raise BadProof(f"its receipt was signed by a {peer.role}, not by the backend")
    events = [(each.position, each.leaf_hash, each.stream, file.origin) for each in file.events]
    try:
        leaves = [base64.b64decode(leaf, validate=True) for leaf in bound.leaf_hashes]
    except (binascii.Error, ValueError):
        leaves = []
    if events != [
        (position, leaf, bound.transaction, bound.origin)
        for position, leaf in zip(bound.positions, leaves, strict=False)
    ] or len(bound.positions) != len(leaves):
        raise BadProof("its receipt is of other events")
    return said
