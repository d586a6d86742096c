"""The record of an output folder: which file was made from which picture, and how. Several processes may share it."""

import collections
import hashlib
import json
import os
import pathlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from lapsrn_jax.files import locked, sha256

JOURNAL = ".lapsrn.jsonl"


class Entry(NamedTuple):
    """One result.

    Attributes:
      target: path of the result, relative to the folder of the record.
      source: SHA-256 of the picture.
      settings: the batch's fingerprint.
      result: SHA-256 of the result.
    """

    target: str
    source: str
    settings: str
    result: str


class Record:
    """The results in a folder, kept in a journal that only grows. A line of it is an `Entry` in JSON.

    An entry is added before its result is put in place. A killed process therefore leaves entries without results, but
    never a result without its entry.

    Args:
      folder: the output folder. It need not exist.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self._folder = pathlib.Path(folder).resolve()
        self._entries: dict[str, set[Entry]] = collections.defaultdict(set)  # of each target
        self._end = 0  # of the part of the journal that has been read
        self._reading = threading.Lock()
        self.read()

    def read(self) -> None:
        """Reads the entries that were added to the journal since the last call."""
        with self._reading:
            try:
                with (self._folder / JOURNAL).open("rb") as file:
                    file.seek(self._end)
                    lines = file.read()
            except OSError:  # no journal yet
                return
            complete = lines[: lines.rfind(b"\n") + 1]
            self._end += len(complete)
            for line in complete.splitlines():
                try:
                    self.learn(Entry(**json.loads(line)))
                except (ValueError, TypeError):  # a damaged line only means that its picture is enlarged again
                    continue

    def learn(self, entry: Entry) -> None:
        """Takes in an entry that is in the journal already."""
        self._entries[entry.target].add(entry)

    def name(self, target: str | os.PathLike[str]) -> str:
        """Returns the path of a result as the record has it."""
        target = pathlib.Path(target)
        return os.path.relpath(target.parent.resolve() / target.name, self._folder).replace(os.sep, "/")

    def __contains__(self, entry: Entry) -> bool:
        return entry in self.of(entry.target)

    def of(self, name: str) -> set[Entry]:
        """Returns the entries of the result with this name."""
        return set(self._entries.get(name, ()))

    def made(self, path: str | os.PathLike[str]) -> bool:
        """Whether the file at `path` is a result that has not changed since it was made."""
        results = {entry.result for entry in self.of(self.name(path))}
        return bool(results) and sha256(path) in results

    def add(self, entry: Entry) -> None:
        """Adds an entry to the journal."""
        line = json.dumps(entry._asdict()).encode()
        with locked(self._folder / f"{JOURNAL}.lock"), (self._folder / JOURNAL).open("ab", buffering=0) as file:
            file.write(b"\n" + line + b"\n")  # the first newline ends a line that a full disk has cut off
            os.fsync(file.fileno())

    @contextmanager
    def claimed(
        self, target: str | os.PathLike[str], *, wait: bool, stop: Callable[[], bool] = lambda: False
    ) -> Iterator[bool]:
        """Claims a result for this process, so that others leave it alone.

        Args:
          target: path of the result.
          wait: whether to wait for another process that has claimed it.
          stop: whether to give up waiting.

        Yields:
          Whether this process now has the claim.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        lock = f".{hashlib.sha256(os.fsencode(self.name(target))).hexdigest()[:16]}.lock"
        with locked(self._folder / lock, wait=wait, stop=stop) as held:
            self.read()
            yield held
