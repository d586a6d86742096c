"""Files that appear whole or not at all."""

import contextlib
import os
import pathlib
from collections.abc import Iterator


@contextlib.contextmanager
def appearing(path: str | os.PathLike[str]) -> Iterator[pathlib.Path]:
    """A path beside `path` to write to; it becomes `path` at the end, on the disk, or vanishes on an error."""
    path = pathlib.Path(path)
    partial = path.with_name(f".{path.name}.partial")
    try:
        yield partial
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        partial.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        raise
