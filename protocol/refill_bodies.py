"""Bodies about refills besides the operators' commands: documents, and what processors told."""

from typing import Literal, TypedDict


class Document(TypedDict):
    """D DOCUMENT: the receipt of refill `of`, or the invoice for its fee: a PDF in b64, in parts as
    D EXPORT."""

    id: int
    what: Literal["receipt", "invoice"]
    of: str


class Webhook(TypedDict):
    """C WEBHOOK, website → backend: what a payment processor sent to the website, as it came.
    `body` is b64 of its bytes, `signature` the header that covers them."""

    id: int
    processor: str
    body: str
    signature: str
