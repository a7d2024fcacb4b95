"""How the value of a setting is read, from file or environment. ValueError says what is needed."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit


def text(value: Any) -> str:
    """Any text without NUL."""
    if not isinstance(value, str) or "\0" in value:
        raise ValueError("a text is needed")
    return value


def texts(value: Any) -> tuple[str, ...]:
    """A list, or texts separated by commas."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return tuple(value)
    raise ValueError("a list of texts is needed")


def path(value: Any) -> Path:
    """An absolute path; `~` is the home folder."""
    found = Path(text(value)).expanduser()
    if not found.is_absolute():
        raise ValueError("an absolute path is needed")
    return found


def whole(value: Any, least: int, most: int) -> int:
    """A whole number of a range, also as a text of digits."""
    number = int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else value
    if type(number) is not int or not least <= number <= most:
        raise ValueError(f"a whole number from {least} to {most} is needed")
    return number


def positive(value: Any) -> int:
    """A whole number from 1."""
    return whole(value, 1, 2**40)


def port(value: Any) -> int:
    """A TCP port."""
    return whole(value, 1, 65_535)


def https_urls(value: Any) -> tuple[str, ...]:
    """HTTPS addresses without a password in them."""
    found = texts(value)
    for each in found:
        parts = urlsplit(each)
        plain = each.isascii() and each.isprintable() and " " not in each
        if not plain or parts.scheme != "https" or not parts.hostname or parts.fragment:
            raise ValueError("addresses like https://example.com/path are needed")
        if parts.username is not None or parts.password is not None:
            raise ValueError("an address must not hold a password: use publish_token_file")
        _ = parts.port  # raises ValueError
    return found


def method(value: Any) -> str:
    """How a checkpoint is published."""
    if value not in ("PUT", "POST"):
        raise ValueError("PUT or POST is needed")
    return str(value)


_BY_NAME: dict[str, Callable[[Any], Any]] = {"publish_urls": https_urls, "publish_method": method}
_BY_TYPE: dict[Any, Callable[[Any], Any]] = {
    int: positive,
    int | None: positive,
    str: text,
    str | None: text,
    tuple[str, ...]: texts,
    Path | None: path,
}


def converter(name: str, type_: Any, ranges: Mapping[str, tuple[int, int]]) -> Callable[[Any], Any]:
    """How the setting of that name and type is read; `ranges` of whole numbers by name."""
    if name in _BY_NAME:
        return _BY_NAME[name]
    if name.endswith("_port"):
        return port
    if name in ranges:
        return lambda value: whole(value, *ranges[name])
    return _BY_TYPE[type_]
