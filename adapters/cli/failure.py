"""How a command ends other than well: what the user reads, and the exit status."""

from adapters.cli import exit_codes


class Failure(Exception):
    """Ends the command with an exit status of `exit_codes` and one message on standard error."""

    def __init__(self, text: str, status: int) -> None:
        super().__init__(text)
        self.status = status


def in_words(error: OSError) -> str:
    """What the system said and of which file, without its number."""
    said = error.strerror or str(error) or type(error).__name__
    return f"{error.filename}: {said}" if error.filename else said


def refused(text: str) -> Failure:
    """The answer is no, and stays no."""
    return Failure(text, exit_codes.REFUSED)


def unusable(text: str) -> Failure:
    """What the command was given cannot be what it needs: a wrong file, a wrong combination."""
    return Failure(text, exit_codes.USAGE)


def not_running(text: str) -> Failure:
    """Something that must run does not, or cannot be reached."""
    return Failure(text, exit_codes.NOT_RUNNING)


def integrity_broken(text: str) -> Failure:
    """The log or a backup is not what was written."""
    return Failure(text, exit_codes.INTEGRITY_BROKEN)


def misconfigured(text: str) -> Failure:
    """A setting, a file or an installed part is wrong or missing."""
    return Failure(text, exit_codes.CONFIGURATION)
