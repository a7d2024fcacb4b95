"""Sentences that POS and phone share."""

_VERDICTS = ("Refused: ", "Not decided: ")


def after_verdict(text: str) -> str:
    """The backend's sentence without its first word, for a line that begins with the verdict."""
    for verdict in _VERDICTS:
        text = text.removeprefix(verdict)
    return text
