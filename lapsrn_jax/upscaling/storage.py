"""Pictures and results at fsspec addresses, such as s3://bucket/folder.

Object stores have no locks, and their objects do not grow. The record there is therefore an object for each result,
`.lapsrn/NAME.jsonl`, which holds the lines that a journal would have. Only the worker that makes the result writes it.
"""

import collections
import contextlib
import json
import os
import pathlib
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import fsspec
from fsspec.implementations.local import LocalFileSystem

from lapsrn_jax.errors import UserError
from lapsrn_jax.files import atomic_write
from lapsrn_jax.images.formats import FORMAT_OF_SUFFIX, is_video
from lapsrn_jax.upscaling.batch import Outcome, one_line
from lapsrn_jax.upscaling.jobs import Job, distinct, unsupported
from lapsrn_jax.upscaling.record import Entry, Record

RECORDS = ".lapsrn"


def is_address(name: str) -> bool:
    """Whether a name is an address, not a path."""
    return "://" in name


def as_address(name: str) -> str:
    """Returns an address in the form in which addresses are compared. A path becomes a file:// address."""
    if not is_address(name):
        return str(LocalFileSystem().unstrip_protocol(name))
    head, *rest = name.split("::")
    return "::".join([head if head.endswith("://") else head.rstrip("/"), *rest])


def find_jobs_at(
    inputs: Iterable[str], output: str, suffix: str | None = None, tag: str = ""
) -> tuple[list[Job], list[str]]:
    """Does the same as `find_jobs` for addresses of files and folders. Paths become file:// addresses.

    Raises:
      UserError: an address has no pictures, is that of the output too, or cannot be opened.
    """
    output = as_address(output)
    places: dict[str, pathlib.PurePath] = {}
    other: collections.Counter[str] = collections.Counter()
    results = 0
    for address in map(as_address, inputs):
        if address == output:
            raise UserError(f"{output} is an input and the output: give another --output")
        found = [name for name in _names(address) if _relative(_joined(address, name), output) is None]
        made, visible = _made(found), [name for name in found if not f"/{name}".count("/.")]
        results += len(made.intersection(visible))
        for name in visible:
            place = pathlib.PurePosixPath(name or _name(address))
            if name in made:
                continue
            if not name and is_video(place):
                raise UserError(f"{address} is a video: --ray takes videos as files, not as addresses")
            if place.suffix.lower() in FORMAT_OF_SUFFIX:
                places[_joined(address, name)] = place
            else:
                other[place.suffix.lower() or place.name] += 1
    if not places:
        raise UserError(
            f"no pictures in {', '.join(inputs)} (looked for {', '.join(sorted(FORMAT_OF_SUFFIX))}), "
            "or only earlier results"
        )
    left_out = [f"{results} earlier result{'s' * (results > 1)}: give one alone to enlarge it again"] if results else []
    left_out += unsupported(other)
    targets = distinct(places.values(), suffix, tag)
    return [Job(a, _joined(output, str(target))) for a, target in zip(places, targets, strict=True)], left_out


class Storage:
    """An address for results. A worker fetches each picture, makes its result in a local folder, and puts it in place.

    Attributes:
      record: the record of the address.
    """

    def __init__(self, address: str) -> None:
        self._address = as_address(address)
        self.record = _Record(self._address)

    def upscale(self, job: Job, do: Callable[[Job], Outcome | None]) -> Outcome | None:
        """Does a job between addresses by means of `do`, which does jobs between files."""
        name = _relative(job.target, self._address)
        assert name
        with tempfile.TemporaryDirectory(prefix="lapsrn-") as folder:
            local = Job(f"{folder}/.source/{_name(job.source)}", f"{folder}/{name}")  # no result is in a hidden folder
            try:
                _get(job.source, local.source)
                with contextlib.suppress(FileNotFoundError):
                    _get(job.target, local.target)
                outcome = do(local)
                if outcome and outcome[0]["status"] in ("done", "copied"):
                    _put(local.target, job.target)
            except Exception as error:
                outcome = {"status": "failed", "error": f"{job.source}: {one_line(error)}"}, False
        if outcome and "error" in outcome[0]:
            for path, address in zip(local, job, strict=True):
                outcome[0]["error"] = outcome[0]["error"].replace(path, address)
        return outcome


class _Record(Record):
    """The record of an address, for results in temporary folders of their own."""

    def __init__(self, address: str) -> None:
        self._address = address
        super().__init__(tempfile.gettempdir())

    def read(self) -> None:
        """Leaves it to `claimed`."""

    def name(self, target: str | os.PathLike[str]) -> str:
        """Returns the path of a result below its temporary folder."""
        return "/".join(pathlib.Path(target).relative_to(tempfile.gettempdir()).parts[1:])

    @contextlib.contextmanager
    def claimed(self, target: str | os.PathLike[str], **_: Any) -> Iterator[bool]:
        """Reads the entries of a result. No store can lock it, so one command at a time may write to an address."""
        fs, path = fsspec.url_to_fs(self._place(self.name(target)))
        with contextlib.suppress(FileNotFoundError):
            for line in fs.cat_file(path).splitlines():
                self.learn(Entry(**json.loads(line)))
        yield True

    def add(self, entry: Entry) -> None:
        """Adds an entry. Earlier ones stay, since the result they describe is in place until the new one is."""
        self.learn(entry)
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "entries")
            path.write_text("".join(f"{json.dumps(known._asdict())}\n" for known in sorted(self.of(entry.target))))
            _put(str(path), self._place(entry.target))

    def _place(self, name: str) -> str:
        return _joined(self._address, f"{RECORDS}/{name}.jsonl")


def _made(names: Iterable[str]) -> set[str]:
    """Returns the names of results, according to the records among the names."""
    parts = [f"/{name}".rpartition(f"/{RECORDS}/") for name in names]
    return {f"{above}/{name}".lstrip("/").removesuffix(".jsonl") for above, records, name in parts if records}


def _name(address: str) -> str:
    """Returns the name of the file or folder at an address."""
    return pathlib.PurePosixPath(address.split("::")[0]).name


def _joined(folder: str, name: str) -> str:
    """Returns the address of a file in a folder. The further links of a chain of addresses stay behind it."""
    head, *rest = folder.split("::")
    return "::".join([f"{head}{'' if head.endswith('/') or not name else '/'}{name}", *rest])


def _relative(address: str, folder: str) -> str | None:
    """Returns the name of a file in a folder, or None if it is somewhere else."""
    head, *rest = address.split("::")
    above, *others = folder.split("::")
    above += "" if above.endswith("/") else "/"
    return head.removeprefix(above) if head.startswith(above) and rest == others else None


def _names(address: str) -> list[str]:
    """Returns the names of all files in a folder and below it, or an empty one if the address is that of a file."""
    try:
        fs, root = fsspec.url_to_fs(address)
        return sorted(path.removeprefix(root).strip("/") for path in fs.find(root))
    except Exception as error:  # each file system has its own
        raise UserError(f"cannot list {address}: {one_line(error)}") from None


def _get(address: str, path: str) -> None:
    """Fetches a file. If there is none at the address, raises `FileNotFoundError` and leaves none at `path`."""
    fs, name = fsspec.url_to_fs(address)
    pathlib.Path(path).parent.mkdir(parents=True, exist_ok=True)
    try:
        fs.get_file(name, path)
    except FileNotFoundError:
        pathlib.Path(path).unlink(missing_ok=True)
        raise


def _put(path: str, address: str) -> None:
    """Stores a file. On an object store, it appears as a whole, and so it does on a local file system."""
    fs, name = fsspec.url_to_fs(address)
    if isinstance(fs, LocalFileSystem):
        pathlib.Path(name).parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(name) as partial:
            shutil.copyfile(path, partial)
        return
    try:
        fs.put_file(path, name)
    except FileNotFoundError:  # a file system with folders
        fs.makedirs(name.rpartition("/")[0], exist_ok=True)
        fs.put_file(path, name)
