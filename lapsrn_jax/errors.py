"""The one exception that means "the user can mend this", and how commands report it."""

import itertools
import pathlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any


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


def run_with_flags(main: Callable[[], None]) -> None:
    """Runs the `main` of a script whose absl flags are defined, after parsing them; bad flags are `UserError`s too."""
    from absl import app, flags, logging

    def parse(argv: list[str]) -> Any:
        for flag, after in itertools.pairwise([*argv, ""]):  # ml_collections would notice a missing file much later
            name, given, path = flag.partition("=")
            path = (path if given else after).split(":")[0]  # the rest is an argument of the config's
            if name in ("--config", "-config") and not pathlib.Path(path).is_file():
                raise UserError(f"no such config: {path}" if path else "--config needs the path of a config")
        try:
            rest = flags.FLAGS(argv)
        except flags.Error as error:
            raise UserError(f"{_one_line(error)} (--help lists the flags)") from None
        except Exception as error:  # a config is code: anything can go wrong in it, and in an override of its keys
            kind = type(error).__name__
            raise UserError(f"the config, or an override of it, is not right: {kind}: {_one_line(error)}") from None
        if len(rest) > 1:
            raise UserError(f"what is {rest[1]!r}? Flags begin with -- (--help lists them)")
        if not flags.FLAGS["verbosity"].present:
            logging.set_verbosity(logging.WARNING)  # orbax and JAX tell much at the level of INFO
        return rest

    with reported():
        app.run(lambda _: main(), flags_parser=parse)


def _one_line(error: Exception) -> str:
    text = str(error.args[0] if error.args else error).replace("\\n", " ").replace("\\", "").strip()
    if "Traceback" in text:  # absl quotes the traceback of a failed parser: its last line says what it was
        text = text.splitlines()[-1]
    text = " ".join(text.split())
    return text[1:-1] if text[:1] == text[-1:] == "'" else text
