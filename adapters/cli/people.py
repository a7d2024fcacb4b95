"""Operators and auditors of this machine by the name of their folder, and whose an id is."""

import json
from collections.abc import Mapping
from pathlib import Path

from adapters import settings


def people() -> dict[str, str]:
    """The folders' names by the ids in them."""
    from devices.identity_files import IDENTITY_FILE

    found = {}
    for path in sorted((settings.load().home / "operators").glob(f"*/{IDENTITY_FILE}")):
        id = _id_in(path)
        if id:
            found[id] = path.parent.name
    return found


def who(actor: str, names: Mapping[str, str]) -> str:
    """`operator-1` for `operator:ID:CERTIFICATE` or an id alone, where that folder is here; else
    role and id. A part of the system is `system`, whichever it is."""
    role, colon, rest = actor.partition(":")
    if not colon:
        return names.get(actor, actor)
    if role == "system":
        return role
    subject = rest.partition(":")[0]
    return names.get(subject) or f"{role} {subject}"


def id_of(name: str) -> str:
    """The id of a person by that name, or what was given: an id. Raises typer.BadParameter."""
    import typer

    from adapters.cli.options import an_id

    for id, known in people().items():
        if known == name:
            return id
    try:
        return str(an_id(name))
    except typer.BadParameter:
        raise typer.BadParameter(
            "give the id of a terminal, card or person, or a name such as operator-1 that has a"
            " folder in operators/ here"
        ) from None


def _id_in(path: Path) -> str:
    try:
        return str(json.loads(path.read_bytes())["id"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""
