"""The one exception that means "the user can mend this", and how commands report it."""

import sys
from collections.abc import Callable


class UserError(Exception):
    """Bad input. The message is one line that names the thing at fault and the remedy."""


def run(main: Callable[[], None]) -> None:
    """Calls `main`; a `UserError` becomes one line on stderr and exit status 2.

    Every other exception is a bug of ours and keeps its traceback.
    """
    try:
        main()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
