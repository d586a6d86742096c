"""Enlarges many pictures in turn. Failures are reported without stopping, and finished results are skipped."""

import collections
import pathlib
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from typing import Any

import tqdm

from lapsrn_jax.errors import UserError
from lapsrn_jax.files import is_disk_full
from lapsrn_jax.upscaling.jobs import STREAM, Job
from lapsrn_jax.upscaling.picture import Settings, identity, upscale_picture
from lapsrn_jax.upscaling.record import Record
from lapsrn_jax.upscaling.upscale import Upscaler


def upscale_all(
    jobs: Sequence[Job], upscale: Upscaler, settings: Settings, record: Record | None = None
) -> Iterator[dict[str, Any]]:
    """Does the jobs and yields a report on each. A failed picture does not stop the batch.

    A report has "source", "target" and "status". Status "done" comes with "size" and "seconds", with "note" if
    something was lost, and with "images", their number, if the file has several; so does "copied", for pictures that
    are large enough. "skipped" means that `record` lists the result and that it is unchanged; "failed" comes with
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
    inputs = {identity(job.source) for job in jobs if job.source != STREAM} - {None}
    waiting = collections.deque((job, False) for job in jobs)
    with tqdm.tqdm(
        total=len(jobs), unit="picture", desc="enlarging", disable=None, dynamic_ncols=True,
        bar_format="{desc}: {percentage:3.0f}%|{bar}| {n:.1f}/{total} [{elapsed}<{remaining}]{postfix}",
    ) as bar:  # fmt: skip

        def say(line: str) -> None:
            bar.write(line, file=sys.stderr)

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
                    report |= upscale_picture(job, upscale, settings, record, inputs, bar.update, say)
                if report["status"] != "skipped":
                    report["seconds"] = round(time.monotonic() - start, 3)
            except Exception as error:  # a bug on one picture should not stop a long batch
                report |= {"status": "failed", "error": _one_line(error)}
                if not isinstance(error, UserError | OSError | MemoryError):
                    traceback.print_exc()
                if len(jobs) > 1:
                    say(f"failed: {report['error']}")
                full = is_disk_full(error)
            bar.update(len(jobs) - len(waiting) - bar.n)
            yield report
            if full:
                raise UserError(f"{report['error']}: free some space and run the same command again")


def summary(reports: Sequence[dict[str, Any]]) -> str:
    """Returns one line with the number of pictures done, copied, skipped and failed."""
    counts = collections.Counter(report["status"] for report in reports)
    kinds = ("done", "copied", "skipped", "failed")
    return ", ".join(f"{counts[kind]} {kind}" for kind in kinds if counts[kind])


def _one_line(error: BaseException) -> str:
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, MemoryError):
        return "not enough memory"
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}"
    return " ".join(f"{type(error).__name__}: {error}".split())
