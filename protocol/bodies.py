"""Reading and writing the JSON bodies: every member checked before anybody uses it.

Unknown members are ignored, so that version 1 can grow; missing or wrong ones are `bad-body`.
"""

from collections.abc import Callable, Mapping
from functools import cache
from types import NoneType, UnionType
from typing import (
    Any,
    Literal,
    TypeVar,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

from protocol.encoding import from_json, to_json
from protocol.errors import BAD_BODY, FORBIDDEN, UNKNOWN_VERB, BodyError
from protocol.messages import REQUESTS

T = TypeVar("T")
_Fits = Callable[[Any], bool]
_MAX_INTEGER = 2**63 - 1


def write(body: Mapping[str, Any]) -> bytes:
    """The bytes of a body: compact JSON with sorted keys."""
    return to_json(dict(body))


def read(raw: bytes, shape: type[T]) -> T:
    """The body in `raw` as `shape`, a TypedDict of `messages`. Raises BodyError `bad-body`."""
    try:
        body = from_json(raw)
    except ValueError:
        raise BodyError(BAD_BODY) from None
    return fitting(body, shape)


def fitting(body: Any, shape: type[T]) -> T:
    """`body` itself, if it has the members of `shape`. Raises BodyError `bad-body`."""
    if not _has(body, shape):
        raise BodyError(BAD_BODY)
    checked: T = body
    return checked


def shape_of_request(role: str, kind: str, verb: str) -> type[Any]:
    """What the body of this request to the backend must be. Raises BodyError: `forbidden`
    if another role may send it, else `unknown-verb`."""
    name = f"{kind} {verb}"
    shape = REQUESTS.get(role, {}).get(name)
    if shape is not None:
        return shape
    known = any(name in requests for requests in REQUESTS.values())
    raise BodyError(FORBIDDEN if known else UNKNOWN_VERB)


def _has(body: Any, shape: Any) -> bool:
    return _fits(shape)(body)


@cache
def _fits(shape: Any) -> _Fits:
    if is_typeddict(shape):
        return _members_fit(shape)
    origin, arguments = get_origin(shape), get_args(shape)
    if origin is Literal:
        return lambda value: type(value) is str and value in arguments
    if origin is UnionType:
        checks = tuple(_fits(each) for each in arguments)
        return lambda value: any(check(value) for check in checks)
    if origin is list:
        check = _fits(arguments[0])
        return lambda value: type(value) is list and all(map(check, value))
    if origin is dict or shape is Any:
        return lambda value: shape is Any or type(value) is dict
    if shape is int:
        return lambda value: type(value) is int and -_MAX_INTEGER <= value <= _MAX_INTEGER
    if shape in (str, bool, NoneType):
        return lambda value: type(value) is shape
    raise TypeError(f"no check for {shape}")


def _members_fit(shape: Any) -> _Fits:
    hints = get_type_hints(shape)
    required = tuple((key, _fits(hints[key])) for key in hints if key in shape.__required_keys__)
    optional = tuple((key, _fits(hints[key])) for key in hints if key in shape.__optional_keys__)

    def fits(value: Any) -> bool:
        if type(value) is not dict:
            return False
        for key, check in required:
            if key not in value or not check(value[key]):
                return False
        return all(key not in value or check(value[key]) for key, check in optional)

    return fits
