"""Enlarges many pictures in turn. Failures are reported without stopping, and finished results are skipped."""

import collections
import json
import pathlib
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import tqdm

from lapsrn_jax.errors import UserError
from lapsrn_jax.files import atomic_write, sha256
from lapsrn_jax.images.formats import check_writable
from lapsrn_jax.photos.reading import read_photo
from lapsrn_jax.photos.writing import what_is_lost, write_photo
from lapsrn_jax.upscaling.jobs import STREAM, Job
from lapsrn_jax.upscaling.photos import enlarged
from lapsrn_jax.upscaling.upscale import Progress, Size, Upscaler

RECORD = ".lapsrn.json"  # in the output folder; the source and settings of each result


class Settings(NamedTuple):
    """The settings that all pictures of a batch share.

    Attributes:
      size: a function from a picture's (rows, columns) to those of its result.
      format: format of a result on standard output, or None for that of its source. Files use their suffix.
      strip: leave out all metadata that is not needed to show the picture.
      fingerprint: text that identifies everything that affects the results. A result with another fingerprint is
        replaced.
    """

    size: Callable[[Size], Size]
    format: str | None
    strip: bool
    fingerprint: str


def upscale_all(jobs: Sequence[Job], upscale: Upscaler, settings: Settings, record: pathlib.Path | None) -> list[dict]:
    """Does the jobs and returns a report for each. A failed picture does not stop the batch.

    A report has "source", "target" and "status". Status "done" comes with "size" and "seconds", and with "note" if
    something was lost; "skipped" means that `record` lists the result and that it is unchanged; "failed" comes with
    "error", which is one line.

    Args:
      jobs: the jobs from `find_jobs`.
      upscale: the network.
      settings: the settings of the batch.
      record: the file that lists finished results, or None.
    """
    known = _read_record(record)
    reports: list[dict[str, Any]] = []
    sources = {pathlib.Path(job.source).resolve() for job in jobs if job.source != STREAM}
    with tqdm.tqdm(
        total=len(jobs), unit="picture", desc="enlarging", disable=None, dynamic_ncols=True,
        bar_format="{desc}: {percentage:3.0f}%|{bar}| {n:.1f}/{total} [{elapsed}<{remaining}]{postfix}",
    ) as bar:  # fmt: skip
        for number, job in enumerate(jobs):
            bar.set_postfix_str(pathlib.PurePath(job.source).name)
            start = time.monotonic()
            report: dict[str, Any] = {"source": job.source, "target": job.target}
            try:
                if job.target != STREAM and pathlib.Path(job.target).resolve() in sources:
                    raise UserError(f"{job.target} is one of the inputs: give another --output")
                made_from = _made_from(job, settings) if record else {}
                if record and known.get(job.target) == {**made_from, "result": _digest(job.target)}:
                    reports.append({**report, "status": "skipped"})
                    continue

                def warn(note: str, job: Job = job, report: dict[str, Any] = report) -> None:
                    report["note"] = note
                    bar.write(f"{job.target}: {note}", file=sys.stderr)

                size = _upscale_one(job, upscale, settings, bar.update, warn)
                if record:
                    known[job.target] = {**made_from, "result": _digest(job.target)}
                    _write_record(record, known)
                seconds = round(time.monotonic() - start, 3)
                report |= {"status": "done", "size": size[::-1], "seconds": seconds}
            except Exception as error:  # a bug on one picture should not stop a long batch
                report |= {"status": "failed", "error": _one_line(error)}
                if not isinstance(error, UserError | OSError | MemoryError):
                    traceback.print_exc()
                if len(jobs) > 1:
                    bar.write(f"failed: {report['error']}", file=sys.stderr)
            finally:
                bar.update(number + 1 - bar.n)
            reports.append(report)
    return reports


def summary(reports: Sequence[dict[str, Any]]) -> str:
    """Returns one line with the number of pictures done, skipped and failed."""
    counts = collections.Counter(report["status"] for report in reports)
    return ", ".join(f"{counts[status]} {status}" for status in ("done", "skipped", "failed") if counts[status])


def _upscale_one(
    job: Job, upscale: Upscaler, settings: Settings, progress: Progress, warn: Callable[[str], None]
) -> Size:
    """Enlarges one picture and returns the result's size. Calls `warn` before the work if something will be lost."""
    photo = read_photo(sys.stdin.buffer, "standard input") if job.source == STREAM else read_photo(job.source)
    shape = photo.pixels.shape[:2]
    size = settings.size(shape)
    upscale.check(max(size[0] / shape[0], size[1] / shape[1]))
    form = (settings.format or photo.format) if job.target == STREAM else None
    check_writable(form or job.target, size[::-1], photo.pixels.shape[2], photo.alpha is not None)
    if note := what_is_lost(form or job.target, photo, strip=settings.strip):
        warn(note)
    target: Any = sys.stdout.buffer
    if job.target != STREAM:
        target = pathlib.Path(job.target)
        target.parent.mkdir(parents=True, exist_ok=True)
    write_photo(
        target, size[::-1], enlarged(photo, upscale, size, progress=progress), photo, strip=settings.strip, format=form
    )
    return size


def _made_from(job: Job, settings: Settings) -> dict[str, str]:
    source = "" if job.source == STREAM else _digest(job.source)
    return {"source": source, "settings": settings.fingerprint}


def _digest(path: str) -> str:
    try:
        return sha256(path)
    except FileNotFoundError:
        return ""


def _read_record(path: pathlib.Path | None) -> dict[str, Any]:
    try:
        known = json.loads(path.read_text()) if path else {}
        return known if isinstance(known, dict) else {}
    except (OSError, ValueError):  # no record yet, or a damaged one: all results are made again
        return {}


def _write_record(path: pathlib.Path, known: dict[str, Any]) -> None:
    with atomic_write(path) as partial:
        partial.write_text(json.dumps(known, indent=1, sort_keys=True))


def _one_line(error: BaseException) -> str:
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, MemoryError):
        return "not enough memory"
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}"
    return " ".join(f"{type(error).__name__}: {error}".split())
