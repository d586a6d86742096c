"""The one exception that means "the user can mend this", and how commands report it."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class UserError(Exception):
    """Bad input. The message is one line that names the thing at fault and the remedy."""


@contextmanager
def reported() -> Iterator[None]:
    """Turns a `UserError` or `OSError` into a line on stderr and exit status 2; others are bugs: tracebacks."""
    try:
        yield
    except UserError as error:
        _say(f"error: {error}")
        sys.exit(2)
    except OSError as error:  # a name that is too long, a folder where a file should be, a full disk, ...
        place = f"{error.filename}: " if error.filename else ""
        _say(f"error: {place}{error.strerror or error}")
        sys.exit(2)
    except KeyboardInterrupt:
        _say("interrupted")
        sys.exit(130)


def _say(line: str) -> None:
    with suppress(OSError):  # a log on the disk that is full: the exit status still tells
        print(line, file=sys.stderr)
