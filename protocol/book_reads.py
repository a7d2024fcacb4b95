"""The body of D BOOKS, by which operators and auditors read the issuer's books (TR-TPR 10.8)."""

from typing import Literal, NotRequired, TypedDict

Books = TypedDict(
    "Books",
    {
        "id": int,
        "what": Literal["trial-balance", "profit", "closings", "journal"],
        "position": NotRequired[int],
        "day": NotRequired[str],
        "from": NotRequired[str],
        "to": NotRequired[str],
    },
)
"""D BOOKS: a trial balance takes `position` or `day`, or neither for now; profit and journal take
`from` and `to`, calendar days, both included."""
