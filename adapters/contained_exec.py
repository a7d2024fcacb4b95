"""Replaces itself by a command that cannot outlive its supervisor, where asked in a user namespace.

Run as a plain file, not as a module: `python -I contained_exec.py [--parent PID] [--death-signal N]
[--user-namespace | --account UID:GID] -- COMMAND ARGUMENT...`. It imports nothing of ours so that
it starts fast.

The user namespace is for root: PostgreSQL refuses to run as root, and inside the namespace the
same files belong to `nobody`, without an extra account and without opening any folder's mode.
Where the kernel or a container refuses that, there is the account.
Exit status 126: namespace or account refused; 127: the command cannot be started; 125: usage.
"""

import ctypes
import os
import sys

CLONE_NEWUSER = 0x10000000
PR_SET_PDEATHSIG = 1
NOBODY = 65534
REFUSED = 126


def enter_user_namespace() -> None:
    """Root outside is `nobody` inside, and nothing more. Raises OSError where that is refused.

    Works for a process with one thread.
    """
    user, group = os.geteuid(), os.getegid()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWUSER) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    for name, text in (
        ("setgroups", "deny"),  # the kernel's condition for a group map by its own hand
        ("uid_map", f"{NOBODY} {user} 1"),
        ("gid_map", f"{NOBODY} {group} 1"),
    ):
        with open(f"/proc/self/{name}", "w") as file:  # noqa: PTH123 - no pathlib: it costs 10 ms
            file.write(text)


def become(account: str) -> None:
    """Gives root away for good. Raises OSError."""
    user, group = (int(part) for part in account.split(":"))
    os.setgroups([])
    os.setgid(group)
    os.setuid(user)
    os.chdir("/")  # where we stand may be closed to the account


def die_with_parent(signal_number: int, parent: int | None) -> None:
    """Asks the kernel for a signal when the parent dies (Linux); exits if it is gone already.

    After namespace and account: the kernel forgets the wish when a process's rights change.
    Elsewhere than on Linux it does nothing: the supervisor's own ending must do.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal_number, 0, 0, 0)
    if parent is not None and os.getppid() != parent:
        sys.exit(0)


def main(arguments: list[str]) -> int:
    """Does not return where all went well."""
    options, command = _parsed(arguments)
    if not command:
        print("usage: contained_exec.py [OPTION...] -- COMMAND ARGUMENT...", file=sys.stderr)
        return 125
    try:
        if "--user-namespace" in options:
            enter_user_namespace()
        if "--account" in options:
            become(options["--account"])
    except OSError as error:
        print(f"refused: {error}", file=sys.stderr)
        return REFUSED
    if "--death-signal" in options:
        parent = options.get("--parent")
        die_with_parent(int(options["--death-signal"]), int(parent) if parent else None)
    try:
        os.execvp(command[0], command)
    except OSError as error:
        print(f"cannot start {command[0]}: {error.strerror}", file=sys.stderr)
        return 127


def _parsed(arguments: list[str]) -> tuple[dict[str, str], list[str]]:
    if "--" not in arguments:
        return {}, []
    end = arguments.index("--")
    options: dict[str, str] = {}
    given = iter(arguments[:end])
    for name in given:
        options[name] = "" if name == "--user-namespace" else next(given, "")
    return options, arguments[end + 1 :]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
