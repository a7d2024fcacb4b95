"""Tamper evidence: a Merkle tree over the stored rows, signed checkpoints, verification."""
