"""Who acted: `<role>:<subject id>:<certificate serial>`, or `system:<part>`."""


def person_of(actor: str) -> str:
    """Who that is, whichever certificate was used; a part of the system as it is written."""
    parts = actor.split(":")
    return parts[1] if len(parts) == 3 else actor


def serial_of(actor: str) -> str:
    """Of the certificate that was used, in lowercase hex; empty for a part of the system."""
    parts = actor.split(":")
    return parts[2] if len(parts) == 3 else ""
