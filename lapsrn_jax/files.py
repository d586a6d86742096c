"""Files and folders that appear whole or not at all, and the SHA-256 of a file."""

import contextlib
import hashlib
import os
import pathlib
import shutil
from collections.abc import Iterator


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[pathlib.Path]:
    """Yields a path beside `path` to write to. The file is synced and renamed to `path`, or removed on an error."""
    path = pathlib.Path(path)
    partial = path.with_name(f".{path.name}.partial")
    try:
        yield partial
        with partial.open("r+b") as file:  # Windows cannot sync a file that is open for reading only
            os.fsync(file.fileno())
        partial.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def atomic_folder(path: pathlib.Path) -> Iterator[pathlib.Path]:
    """Yields a new folder beside `path` to fill. It is renamed to `path` at the end, or removed on an error."""
    partial = path.with_name(f".{path.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)  # of a process that was killed
    partial.mkdir(parents=True)
    try:
        yield partial
        os.rename(partial, path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def sha256(path: str | os.PathLike[str]) -> str:
    """The SHA-256 of a file's content, in hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
