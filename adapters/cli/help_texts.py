"""How every command's help is shown: placeholders in capitals, flags without a type, whole lines.

`adapters/cli/main.py` gives these classes to all commands and groups.
"""

import re
from typing import Any, Final

import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

_PLACEHOLDERS: Final = {
    "<str>": "TEXT",
    "<list[str]>": "TEXT",
    "<int>": "NUMBER",
    "<int range>": "NUMBER",
    "<float range>": "NUMBER",
    "<path>": "PATH",
    "<list[Path]>": "PATH",
    "<file>": "FILE",
    "<%Y-%m-%d>": "YYYY-MM-DD",
}
"""Of an option that names none of its own, by what the library would show."""
_BREAK: Final = re.compile(r"(?<!\n)\n(?![\n ]|- )")
"""A line break that the source needed: not between paragraphs, nor before an entry of a list."""


class _Argument(TyperArgument):
    """Its name says what it is."""

    def display_type_rich(self, ctx: Any) -> None:
        """See typer: nothing."""


class _Option(TyperOption):
    """What stands behind it on the command line."""

    def display_type_rich(self, ctx: Any) -> str | None:
        """See typer: nothing for a flag."""
        if self.is_flag:
            return None
        shown = super().display_type_rich(ctx)
        return _PLACEHOLDERS.get(shown, shown) if shown is not None else None


class Command(TyperCommand):
    """A command with such help."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.help = flowing(self.help)
        for each in self.params:
            if isinstance(each, TyperArgument):
                each.__class__ = _Argument
                each.metavar = _name(each)

    def get_params(self, ctx: Any) -> list[Any]:
        """See click."""
        return _even(super().get_params(ctx))

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """See click: an argument that is needed stands bare, as in any manual."""
        pieces = super().collect_usage_pieces(ctx)
        return [re.sub(r"^\{(.*)\}", r"\1", piece) for piece in pieces]


class Group(TyperGroup):
    """A group of commands with such help."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.help = flowing(self.help)

    def get_params(self, ctx: Any) -> list[Any]:
        """See click."""
        return _even(super().get_params(ctx))


def give_to_all(app: typer.Typer) -> None:
    """Its commands and groups are made of these classes, if not of one that is derived of them."""
    for command in app.registered_commands:
        if command.cls is None or not issubclass(command.cls, Command):
            command.cls = Command
    for group in app.registered_groups:
        assert group.typer_instance is not None
        cls = group.typer_instance.info.cls
        if not (isinstance(cls, type) and issubclass(cls, Group)):
            group.cls = Group
        give_to_all(group.typer_instance)


def flowing(text: str | None) -> str | None:
    """Each paragraph as one line: it is broken where the reader's terminal ends."""
    return None if text is None else _BREAK.sub(" ", text)


def _name(argument: TyperArgument) -> str:
    """As it stands in the usage, which puts brackets around what can be left out."""
    if argument.metavar:
        return argument.metavar.strip("[]").removesuffix("...")
    return argument.name.upper().strip("_").replace("_", "-")


def _even(parameters: list[Any]) -> list[Any]:
    """The same; also `--help`, which comes from the library."""
    for each in parameters:
        if type(each) is TyperOption:
            each.__class__ = _Option
    return parameters
