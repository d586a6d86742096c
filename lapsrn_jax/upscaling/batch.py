"""Many pictures, one after the other: a bad one is reported and the rest is done; what was done is not done again."""

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

RECORD = ".lapsrn.json"  # in the output folder: what each result was made from, and how


class Settings(NamedTuple):
    """What all pictures of a batch have in common.

    Attributes:
      size: gives a picture's new (rows, columns) for its old ones.
      format: of a result that goes to standard output; None: that of its source. For files their suffix says it.
      strip: whether to leave out what is not needed to show the picture.
      fingerprint: whatever changes the results, as text: a result of another fingerprint is made anew.
    """

    size: Callable[[Size], Size]
    format: str | None
    strip: bool
    fingerprint: str


def upscale_all(jobs: Sequence[Job], upscale: Upscaler, settings: Settings, record: pathlib.Path | None) -> list[dict]:
    """Does the jobs and reports on each of them; a picture that fails does not end it.

    A report has "source", "target" and "status": "done", with "size" and "seconds", and "note" where something was
    lost; "skipped", for a result that `record` knows and that is still as it was; "failed", with "error", one line.

    Args:
      jobs: from `find_jobs`.
      upscale: the network.
      settings: of the batch.
      record: the file that remembers results, or None.
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

                def tell(note: str, job: Job = job, report: dict[str, Any] = report) -> None:
                    report["note"] = note
                    bar.write(f"{job.target}: {note}", file=sys.stderr)

                size = _upscale_one(job, upscale, settings, bar.update, tell)
                if record:
                    known[job.target] = {**made_from, "result": _digest(job.target)}
                    _write_record(record, known)
                seconds = round(time.monotonic() - start, 3)
                report |= {"status": "done", "size": size[::-1], "seconds": seconds}
            except Exception as error:  # also for a bug of ours, a night's work should not end in the middle
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
    """One line: how many were done, skipped, failed."""
    counts = collections.Counter(report["status"] for report in reports)
    return ", ".join(f"{counts[status]} {status}" for status in ("done", "skipped", "failed") if counts[status])


def _upscale_one(
    job: Job, upscale: Upscaler, settings: Settings, progress: Progress, tell: Callable[[str], None]
) -> Size:
    """Gives the size of the result; `tell` hears before the work what will be lost, if anything."""
    photo = read_photo(sys.stdin.buffer, "standard input") if job.source == STREAM else read_photo(job.source)
    shape = photo.pixels.shape[:2]
    size = settings.size(shape)
    upscale.check(max(size[0] / shape[0], size[1] / shape[1]))
    form = (settings.format or photo.format) if job.target == STREAM else None
    check_writable(form or job.target, size[::-1], photo.pixels.shape[2], photo.alpha is not None)
    if note := what_is_lost(form or job.target, photo, strip=settings.strip):
        tell(note)
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
    except (OSError, ValueError):  # none yet, or damaged: then all is done anew
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
