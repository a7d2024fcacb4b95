"""The wire contract TR-TPR, version 1: lines, handshake, records, contract, PIN, bodies.

No I/O, no clock, no state outside the objects; imports only the standard library and
`cryptography`. `docs/TR-TPR.md` is the specification, `tests/vectors/` its worked examples.
"""
