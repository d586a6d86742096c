"""The exception for errors that the user can fix, and how commands report it."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class UserError(Exception):
    """An error that the user can fix. The message is one line that names the cause and the remedy."""


@contextmanager
def reported() -> Iterator[None]:
    """Reports a `UserError` or `OSError` as one line on stderr with exit status 2.

    Any other exception is a bug and keeps its traceback.
    """
    try:
        yield
    except UserError as error:
        say(f"error: {error}")
        sys.exit(2)
    except OSError as error:  # a name too long, a folder in place of a file, a full disk, ...
        place = f"{error.filename}: " if error.filename else ""
        say(f"error: {place}{error.strerror or error}")
        sys.exit(2)
    except KeyboardInterrupt:
        say("interrupted")
        sys.exit(130)


def say(line: str) -> None:
    """Writes a line to stderr if that works: it may be a file on a full disk, or a pipe that nobody reads any more.

    The line and its end are one write, so that the lines of several processes do not run into each other: `print`
    makes two of them where PYTHONUNBUFFERED is set.
    """
    with suppress(OSError):
        if sys.stderr is not None:  # None where it was closed before the start
            sys.stderr.write(f"{line}\n")
