"""Every command's help looks alike: placeholders in capitals, flags bare, no torn lines."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from adapters.cli.help_texts import flowing
from adapters.cli.main import COMMANDS, build


def every(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, typer.Context]]:
    """Each command and group with the context in which its help is shown."""
    yield " ".join(path), typer.Context(command, info_name=" ".join(path) or "ticketrestaurant")
    for name, inner in getattr(command, "commands", {}).items():
        yield from every(inner, (*path, name))


ALL = dict(every(typer.main.get_command(build(list(COMMANDS)))))
PIECE = re.compile(r"\[OPTIONS\]|COMMAND \[ARGS\]\.\.\.|\[?[A-Z][A-Z,-]*\]?(\.\.\.)?")


@pytest.mark.parametrize("name", sorted(ALL))
def test_what_is_to_be_given_stands_in_capitals(name: str) -> None:
    context = ALL[name]
    pieces = context.command.collect_usage_pieces(context)
    assert [piece for piece in pieces if not PIECE.fullmatch(piece)] == []
    parameters: list[Any] = context.command.get_params(context)
    for each in parameters:
        shown = each.display_type_rich(ctx=context)
        if each.param_type_name == "argument" or each.is_flag:
            assert shown is None, each.name
        else:
            assert shown and not re.search("[<>{}]", shown), each.name


@pytest.mark.parametrize("name", sorted(ALL))
def test_paragraphs_are_broken_by_the_terminal_alone(name: str) -> None:
    text = ALL[name].command.help or ""
    assert text == flowing(text)


def test_a_list_keeps_its_lines() -> None:
    assert flowing("One\nline.\n\nA list:\n- one\n  more") == "One line.\n\nA list:\n- one\n  more"
