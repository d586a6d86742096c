"""The one exception that means "the user can mend this", and how commands report it."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


class UserError(Exception):
    """Bad input. The message is one line that names the thing at fault and the remedy."""


@contextmanager
def reported() -> Iterator[None]:
    """Turns a `UserError` into one line on stderr and exit status 2; other exceptions are bugs and keep tracebacks."""
    try:
        yield
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)


def run_with_flags(main: Callable[[], None], required: list[str]) -> None:
    """Runs the `main` of a script whose absl flags are defined, after parsing them; bad flags are `UserError`s too."""
    from absl import app, flags, logging

    def parse(argv: list[str]) -> Any:
        try:
            rest = flags.FLAGS(argv)
        except (AttributeError, KeyError, ValueError) as error:  # ml_collections, on a key that is not there
            reason = " ".join(str(error.args[0]).splitlines())
            raise UserError(f"the config does not take this override: {reason}") from None
        except OSError as error:
            path = next((a.split("=", 1)[-1] for a in argv if a.startswith("--config=")), None)
            path = path or argv[argv.index("--config") + 1]
            raise UserError(f"cannot read the config {path}: {error.strerror or 'no such file'}") from None
        except flags.Error as error:
            raise UserError(f"{error} (--help lists the flags)".replace("\n", " ")) from None
        if len(rest) > 1:
            raise UserError(f"what is {rest[1]!r}? Flags begin with -- (--help lists them)")
        if not flags.FLAGS["verbosity"].present:
            logging.set_verbosity(logging.WARNING)  # orbax and JAX tell much at the level of INFO
        return rest

    for name in required:
        flags.mark_flag_as_required(name)
    with reported():
        app.run(lambda _: main(), flags_parser=parse)
