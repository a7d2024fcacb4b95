"""The rules over a payment: each a pure function of the request, None or a `Refusal`.

`order` puts them in their order; `instead` says what would pass in place of what was refused.
"""
