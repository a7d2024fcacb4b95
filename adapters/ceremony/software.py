"""What ran the ceremony: the machine, the program's version and a hash over all its files."""

import platform
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

_PACKAGES: Final = (
    "adapters", "application", "devices", "domain", "migrations", "projections", "protocol",
)  # fmt: skip
_SOURCES: Final = frozenset({".py", ".sql", ".html", ".css", ".xsd"})


def machine() -> dict[str, Any]:
    """Machine and operating system, as they name themselves."""
    return {
        "machine": platform.node(),
        "system": f"{platform.system()} {platform.release()} ({platform.machine()})",
        "python": platform.python_version(),
    }


def program() -> dict[str, Any]:
    """Version of this program and of what makes the shares, and SHA-256 over all source files."""
    return {
        "version": _version("ticketrestaurant-us"),
        "sha256": source_sha256(Path(__file__).parents[2]),
        "shamir-mnemonic": _version("shamir-mnemonic"),
        "cryptography": _version("cryptography"),
    }


def source_sha256(root: Path) -> str:
    """SHA-256 over the lines `<sha256 of a file>  <its path>`, sorted by path.

    The same as `sha256sum` of all source files below `root`, sorted, through `sha256sum` again.
    """
    lines = [
        f"{sha256(path.read_bytes()).hexdigest()}  {path.relative_to(root).as_posix()}\n"
        for package in _PACKAGES
        for path in (root / package).rglob("*")
        if path.suffix in _SOURCES and path.is_file()
    ]
    return sha256("".join(sorted(lines, key=lambda line: line[66:])).encode()).hexdigest()


def file_sha256(path: Path) -> str:
    """SHA-256 of a file: of the PKCS#11 module that was used."""
    return sha256(path.read_bytes()).hexdigest()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
