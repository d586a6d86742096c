"""Enlarges many pictures in turn. Failures are reported without stopping, and finished results are skipped."""

import collections
import os
import pathlib
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from typing import Any, BinaryIO, NamedTuple, cast

import tqdm

from lapsrn_jax.errors import UserError
from lapsrn_jax.files import is_disk_full, remove_partial, sha256
from lapsrn_jax.images.formats import check_writable
from lapsrn_jax.photos.reading import read_photo
from lapsrn_jax.photos.writing import what_is_lost, write_photo
from lapsrn_jax.upscaling.jobs import STREAM, Job
from lapsrn_jax.upscaling.photos import enlarged
from lapsrn_jax.upscaling.record import Entry, Record
from lapsrn_jax.upscaling.upscale import Size, Upscaler


class Settings(NamedTuple):
    """The settings that all pictures of a batch share.

    Attributes:
      size: a function from a picture's (rows, columns) to those of its result.
      format: format of a result on standard output, or None for that of its source. Files use their suffix.
      strip: leave out all metadata that is not needed to show the picture.
      keep_hidden: keep the colours of invisible pixels; see `enlarged`.
      overwrite: replace files that the record does not list as unchanged results.
      fingerprint: text that identifies everything that affects the results. A result with another fingerprint is
        replaced.
    """

    size: Callable[[Size], Size]
    format: str | None
    strip: bool
    keep_hidden: bool
    overwrite: bool
    fingerprint: str


def upscale_all(
    jobs: Sequence[Job], upscale: Upscaler, settings: Settings, record: Record | None = None
) -> Iterator[dict[str, Any]]:
    """Does the jobs and yields a report on each. A failed picture does not stop the batch.

    A report has "source", "target" and "status". Status "done" comes with "size" and "seconds", and with "note" if
    something was lost; "skipped" means that `record` lists the result and that it is unchanged; "failed" comes with
    "error", which is one line.

    Several processes may work with the same record. Jobs that another process is working on come last.

    Args:
      jobs: the jobs from `find_jobs`.
      upscale: the network.
      settings: the settings of the batch.
      record: the record of the output folder, or None.

    Raises:
      UserError: the disk is full, so that the remaining pictures would fail too.
    """
    inputs = {_identity(job.source) for job in jobs if job.source != STREAM} - {None}
    waiting = collections.deque((job, False) for job in jobs)
    with tqdm.tqdm(
        total=len(jobs), unit="picture", desc="enlarging", disable=None, dynamic_ncols=True,
        bar_format="{desc}: {percentage:3.0f}%|{bar}| {n:.1f}/{total} [{elapsed}<{remaining}]{postfix}",
    ) as bar:  # fmt: skip
        while waiting:
            job, postponed = waiting.popleft()
            bar.set_postfix_str(pathlib.PurePath(job.source).name)
            start = time.monotonic()
            report: dict[str, Any] = {"source": job.source, "target": job.target}
            full = False
            try:
                with record.claimed(job.target, wait=postponed) if record else nullcontext(True) as claimed:
                    if not claimed:
                        waiting.append((job, True))
                        continue
                    report |= _upscale_one(job, upscale, settings, record, inputs, bar)
                if report["status"] == "done":
                    report["seconds"] = round(time.monotonic() - start, 3)
            except Exception as error:  # a bug on one picture should not stop a long batch
                report |= {"status": "failed", "error": _one_line(error)}
                if not isinstance(error, UserError | OSError | MemoryError):
                    traceback.print_exc()
                if len(jobs) > 1:
                    bar.write(f"failed: {report['error']}", file=sys.stderr)
                full = is_disk_full(error)
            bar.update(len(jobs) - len(waiting) - bar.n)
            yield report
            if full:
                raise UserError(f"{report['error']}: free some space and run the same command again")


def summary(reports: Sequence[dict[str, Any]]) -> str:
    """Returns one line with the number of pictures done, skipped and failed."""
    counts = collections.Counter(report["status"] for report in reports)
    return ", ".join(f"{counts[status]} {status}" for status in ("done", "skipped", "failed") if counts[status])


def _upscale_one(
    job: Job, upscale: Upscaler, settings: Settings, record: Record | None, inputs: set[Any], bar: tqdm.tqdm
) -> dict[str, Any]:
    """Enlarges one picture unless it is done already. Returns "status", "size" and "note" of its report."""
    if job.target != STREAM and _identity(job.target) in inputs:
        raise UserError(f"{job.target} is one of the inputs: give another --output")
    entry = None
    if record:
        entry = Entry(record.name(job.target), _digest(job.source), settings.fingerprint, _digest(job.target))
        if entry in record:
            return {"status": "skipped"}
    replaces = job.target != STREAM and os.path.exists(job.target)
    if replaces and not settings.overwrite and not (record and record.made(job.target)):
        raise UserError(f"{job.target} exists already: give another --output, or --overwrite to replace it")

    target: Any = _bytes(sys.stdout, "standard output") if job.target == STREAM else pathlib.Path(job.target)
    if job.source == STREAM:
        photo = read_photo(_bytes(sys.stdin, "standard input"), "standard input")
    else:
        photo = read_photo(job.source)
    shape = photo.pixels.shape[:2]
    size = settings.size(shape)
    upscale.check(max(size[0] / shape[0], size[1] / shape[1]))
    form = (settings.format or photo.format) if job.target == STREAM else None
    check_writable(form or job.target, size[::-1], photo.pixels.shape[2], photo.alpha is not None)
    note = what_is_lost(form or job.target, photo, strip=settings.strip)
    if note:
        bar.write(f"{job.target}: {note}", file=sys.stderr)

    def add(complete: pathlib.Path) -> None:
        if record and entry:
            record.add(entry._replace(result=sha256(complete)))

    if job.target != STREAM:
        target.parent.mkdir(parents=True, exist_ok=True)
        if record:
            remove_partial(target)
    bands = enlarged(photo, upscale, size, keep_hidden=settings.keep_hidden, progress=bar.update)
    write_photo(target, size[::-1], bands, photo, strip=settings.strip, format=form, on_complete=add)
    return {"status": "done", "size": size[::-1]} | ({"note": note} if note else {})


def _bytes(stream: Any, name: str) -> BinaryIO:
    """Returns the binary stream below a standard stream. Shells can close standard streams, Jupyter replaces them."""
    binary = getattr(stream, "buffer", None)
    if binary is None:
        raise UserError(f"{name} is closed or takes text only: give a file instead of {STREAM}")
    return cast(BinaryIO, binary)


def _identity(path: str) -> tuple[int, int] | None:
    """Identifies a file by what it is, not by its name: links and other letter cases are the same file."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _digest(path: str) -> str:
    try:
        return sha256(path)
    except FileNotFoundError:
        return ""


def _one_line(error: BaseException) -> str:
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, MemoryError):
        return "not enough memory"
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}"
    return " ".join(f"{type(error).__name__}: {error}".split())
