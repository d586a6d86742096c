"""Files and folders that are written completely or not at all, locks between processes, and SHA-256."""

import contextlib
import errno
import hashlib
import os
import pathlib
import secrets
import shutil
from collections.abc import Callable, Iterator

import filelock


@contextlib.contextmanager
def atomic_write(
    path: str | os.PathLike[str], *, on_complete: Callable[[pathlib.Path], None] | None = None
) -> Iterator[pathlib.Path]:
    """Yields a temporary path next to `path`. On success its file is synced and renamed to `path`, else removed.

    Args:
      path: the file to write.
      on_complete: called with the temporary path after the file is synced and before it is renamed.
    """
    path = pathlib.Path(path)
    partial = path.with_name(f"{_prefix(path)}{secrets.token_hex(4)}.partial")
    try:
        yield partial
        with partial.open("r+b") as file:  # Windows cannot sync a file that is open for reading only
            os.fsync(file.fileno())
        if on_complete:
            on_complete(partial)
        partial.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        raise


def lock_of(path: str | os.PathLike[str]) -> pathlib.Path:
    """Returns the hidden file that is locked while `path` is worked on."""
    path = pathlib.Path(path)
    return path.with_name(f"{_prefix(path)}lock")


def working_folder(path: str | os.PathLike[str], key: str) -> pathlib.Path:
    """Returns the hidden folder for the unfinished work on `path` that `key` identifies, and creates it.

    Folders of other work on `path` are removed. No other process may be working on it.
    """
    path = pathlib.Path(path)
    folder = path.with_name(f"{_prefix(path)}{key[:16]}.unfinished")
    for other in path.parent.glob(f"{_prefix(path)}*.unfinished"):
        if other != folder:
            shutil.rmtree(other)
    folder.mkdir(exist_ok=True)
    return folder


def remove_partial(path: str | os.PathLike[str]) -> None:
    """Removes temporary files that killed writers of `path` have left. No other process may be writing `path`."""
    path = pathlib.Path(path)
    for partial in path.parent.glob(f"{_prefix(path)}*.partial"):
        partial.unlink(missing_ok=True)


def _prefix(path: pathlib.Path) -> str:
    """Returns the beginning of temporary names for `path`. It is short, since file systems limit names to 255 bytes."""
    return f".{hashlib.sha256(os.fsencode(path.name)).hexdigest()[:8]}-"


@contextlib.contextmanager
def locked(path: pathlib.Path, *, wait: bool = True, stop: Callable[[], bool] = lambda: False) -> Iterator[bool]:
    """Holds a lock between processes on the file `path`, which exists only while it is locked.

    Args:
      path: the file to lock. Its folder must exist.
      wait: whether to wait until no other process holds the lock.
      stop: called while waiting; whether to give up.

    Yields:
      Whether the lock is held. It always is if `wait` is set, unless `stop` ended the wait.
    """
    lock = filelock.FileLock(path, thread_local=False)  # whichever thread drops it can release it
    try:  # from here on, so that an interrupt right after the acquisition releases the lock
        with contextlib.suppress(filelock.Timeout):
            lock.acquire(blocking=wait, cancel_check=stop)
        yield lock.is_locked
    finally:
        if lock.is_locked:
            with contextlib.suppress(OSError):  # Windows cannot remove an open file
                path.unlink()  # safe before the release: waiting processes notice that their file is gone
            lock.release()


def is_disk_full(error: BaseException) -> bool:
    """Whether an exception, or the one that caused it, means that a disk or a quota is full."""
    return any(getattr(e, "errno", None) in (errno.ENOSPC, errno.EDQUOT) for e in (error, error.__cause__))


@contextlib.contextmanager
def atomic_folder(path: pathlib.Path) -> Iterator[pathlib.Path]:
    """Yields a new temporary folder next to `path`. On success it is renamed to `path`, else removed."""
    partial = path.with_name(f".{path.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)  # left by a killed process
    partial.mkdir(parents=True)
    try:
        yield partial
        os.rename(partial, path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def sha256(path: str | os.PathLike[str]) -> str:
    """Returns the SHA-256 of a file's content in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
