"""A secret in every form in which it could lie somewhere: as it is, in hex, in base64."""

from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator
from pathlib import Path

LEAST_BYTES = 6
"""Shorter ones are found anywhere by chance."""


def forms(secret: bytes) -> set[bytes]:
    """All byte strings that would show it, whatever stands before and behind it."""
    assert len(secret) >= LEAST_BYTES, "too short to be looked for"
    plain = {secret, secret.upper(), secret.lower(), secret.decode("latin-1").encode("utf-16-le")}
    in_hex = {secret.hex().encode(), secret.hex().upper().encode()}
    return plain | in_hex | set(_in_base64(secret))


def _in_base64(secret: bytes) -> Iterator[bytes]:
    """For each of the three places that it can have in a longer text, without the characters that
    its neighbours share; in both alphabets."""
    for before in range(3):
        text = b64encode(b"\0" * before + secret).rstrip(b"=")
        inner = text[-(-before * 8 // 6) : (before + len(secret)) * 8 // 6]
        yield inner
        yield inner.translate(bytes.maketrans(b"+/", b"-_"))


def found(secrets: dict[str, bytes], places: Iterable[tuple[str, bytes]]) -> list[str]:
    """Which secret shows in which place: for the message of a failed test, without the secret."""
    wanted = {name: forms(secret) for name, secret in secrets.items()}
    return [
        f"{name} in {place}"
        for place, content in places
        for name, each in wanted.items()
        if any(form in content for form in each)
    ]


def files_below(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Every file with its content."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield str(path.relative_to(folder.parent)), path.read_bytes()


def key_bytes(pem: Path) -> bytes:
    """The middle of a private key: the same in every wrapping of it."""
    lines = [line for line in pem.read_text().splitlines() if "-----" not in line]
    return b64decode("".join(lines))[40:64]
