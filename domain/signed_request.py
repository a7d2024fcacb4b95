"""A device's own words about an earlier payment, kept as they were signed."""

import msgspec


class SignedRequest(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a device asked about an earlier payment, as received, and its signature over the bytes.

    `request_hash` is SHA-256 of the bytes.
    """

    request: bytes
    request_hash: bytes
    signature: str
