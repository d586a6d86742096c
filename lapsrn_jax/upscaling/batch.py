"""Enlarges many pictures, several at a time. Failures are reported without stopping, finished results are skipped."""

import collections
import math
import pathlib
import sys
import threading
import time
import traceback
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager, nullcontext, suppress
from typing import Any

import tqdm

from lapsrn_jax.errors import UserError
from lapsrn_jax.files import is_disk_full
from lapsrn_jax.upscaling.jobs import STREAM, Job
from lapsrn_jax.upscaling.picture import identity, upscale_picture
from lapsrn_jax.upscaling.record import Record
from lapsrn_jax.upscaling.settings import Batch, Settings
from lapsrn_jax.upscaling.upscale import Upscaler

_AHEAD = 4  # pictures that may wait for an earlier one, for each that is worked on
_PARTS = 2**30  # of a picture; progress in such steps adds up exactly, and tqdm warns of a bar beyond its end

Report = dict[str, Any]
Outcome = tuple[Report, bool]  # and whether the disk is full


def upscale_all(
    jobs: Sequence[Job], upscale: Upscaler, settings: Settings, record: Record | None = None
) -> Generator[Report, None, None]:
    """Does the jobs and yields a report on each, in order. A failed picture does not stop the batch.

    While the devices enlarge one picture, other threads read the next ones and write the last ones. They work on as
    many pictures as keep the devices busy and as fit into memory.

    A report has "source", "target" and "status". Status "done" comes with "size", "seconds" and "weights", with "note"
    if something was lost, and with "images", their number, if the file has several. "copied" means that a picture is
    large enough, and comes with the same without "weights". "skipped" means that `record` lists the result and that it
    is unchanged; "failed" comes with "error", which is one line.

    Several processes may work with the same record. Jobs that another process is working on come last.

    Args:
      jobs: the jobs from `find_jobs`.
      upscale: the network.
      settings: the settings of the batch.
      record: the record of the output folder, or None.

    Raises:
      UserError: the disk is full, so that the remaining pictures would fail too.
    """
    with tqdm.tqdm(
        total=len(jobs), unit="picture", desc="enlarging", disable=None, dynamic_ncols=True,
        bar_format="{desc}: {percentage:3.0f}%|{bar}| {n:.1f}/{total} [{elapsed}<{remaining}]{postfix}",
    ) as bar:  # fmt: skip
        work = Work(jobs, upscale, settings, record, bar)
        outcomes = work.alone(jobs[0]) if len(jobs) == 1 else work.together(upscale.images_at_once)
        with closing(outcomes):  # ends the threads at once, whatever happens
            for report, full in outcomes:
                yield report
                if full:
                    raise UserError(f"{report['error']}: free some space and run the same command again")


class Work:
    """A batch that is being worked on, with the arguments of `upscale_all`. Threads may do jobs at the same time."""

    def __init__(
        self, jobs: Sequence[Job], upscale: Upscaler, settings: Settings, record: Record | None, bar: tqdm.tqdm
    ) -> None:
        inputs = {identity(job.source) for job in jobs if job.source != STREAM} - {None}
        room = _Memory(upscale.memory_for_images).taken
        self._batch = Batch(upscale, settings, record, inputs, room, say_above_bars, self._show)
        self._jobs, self._bar = jobs, bar
        self._stop, self._counting = threading.Event(), threading.Lock()

    def alone(self, job: Job) -> Generator[Outcome, None, None]:
        """Does the only job, in this thread."""
        outcome = self.do(job, wait=True)
        assert outcome
        yield outcome

    def together(self, number: int) -> Generator[Outcome, None, None]:
        """Does the jobs in `number` threads. Yields reports in order, and whether the disk is full."""
        postponed = []
        with ThreadPoolExecutor(number, "pictures") as pool:
            try:
                for job, outcome in self._in_order(pool, self._jobs, number, wait=False):
                    if outcome:
                        yield outcome
                    else:
                        postponed.append(job)
                for _, outcome in self._in_order(pool, postponed, number, wait=True):
                    assert outcome
                    yield outcome
            finally:
                self.stop()  # without an exception, all is done
                pool.shutdown(cancel_futures=True)

    def _in_order(
        self, pool: ThreadPoolExecutor, jobs: Sequence[Job], number: int, wait: bool
    ) -> Iterator[tuple[Job, Outcome | None]]:
        """Yields each job and what `do` returned, in order. Later jobs have started by then."""
        started: collections.deque[tuple[Job, Future[Outcome | None]]] = collections.deque()
        remaining = iter(jobs)
        while True:
            while len(started) < _AHEAD * number and (job := next(remaining, None)):
                started.append((job, pool.submit(self.do, job, wait=wait)))
            if not started:
                return
            job, future = started.popleft()
            yield job, future.result()

    def stop(self) -> None:
        """Ends the jobs that are being done, with `KeyboardInterrupt`."""
        self._stop.set()

    def do(self, job: Job, wait: bool) -> Outcome | None:
        """Does a job. Returns its report and whether the disk is full, or None if another process has the job."""
        report: Report = {"source": job.source, "target": job.target}
        start, done, full = time.monotonic(), 0.0, False

        def progress(share: float) -> None:
            nonlocal done
            if self._stop.is_set():
                raise KeyboardInterrupt
            share = math.floor(share * _PARTS) / _PARTS
            done += share
            self._advance(share)

        try:
            record = self._batch.record
            claim = record.claimed(job.target, wait=wait, stop=self._stop.is_set) if record else None
            with claim or nullcontext(True) as claimed:
                if not claimed:
                    return None
                self._show(pathlib.PurePath(job.source).name)
                report |= upscale_picture(job, self._batch, progress)
            if report["status"] != "skipped":
                report["seconds"] = round(time.monotonic() - start, 3)
        except Exception as error:  # a bug on one picture should not stop a long batch
            report |= {"status": "failed", "error": one_line(error)}
            if not isinstance(error, UserError | OSError | MemoryError):
                traceback.print_exc()
            if len(self._jobs) > 1:
                say_above_bars(f"failed: {report['error']}")
            full = is_disk_full(error)
        self._advance(1 - done)
        return report, full

    def _advance(self, share: float) -> None:
        with self._counting:
            self._bar.update(share)

    def _show(self, text: str) -> None:
        self._bar.set_postfix_str(text, refresh=False)


class _Memory:
    """A number of bytes that threads take in turn. A thread that wants more than there are takes all."""

    def __init__(self, limit: int) -> None:
        self._limit, self._free = limit, limit
        self._turn, self._changed = threading.Lock(), threading.Condition()

    @contextmanager
    def taken(self, amount: int) -> Iterator[None]:
        """Waits for a number of bytes, and keeps them until the end of the context."""
        amount = min(amount, self._limit)
        with self._turn, self._changed:  # those that come later wait, so that small amounts do not starve a large one
            self._changed.wait_for(lambda: self._free >= amount)
            self._free -= amount
        try:
            yield
        finally:
            with self._changed:
                self._free += amount
                self._changed.notify_all()


def say_above_bars(line: str) -> None:
    """Prints a line to stderr above the progress bars, if that works: the pictures matter more."""
    with suppress(OSError):
        tqdm.tqdm.write(line, file=sys.stderr)


def summary(reports: Sequence[Report]) -> str:
    """Returns one line with the number of pictures done, copied, skipped and failed, and the weights that were used."""
    counts = collections.Counter(report["status"] for report in reports)
    kinds = ("done", "copied", "skipped", "failed")
    line = ", ".join(f"{counts[kind]} {kind}" for kind in kinds if counts[kind])
    used = collections.Counter(report["weights"] for report in reports if "weights" in report)
    names = ", ".join(f"{name} ({used[name]})" if len(used) > 1 else name for name in sorted(used))
    return f"{line}; weights: {names}" if names else line


def one_line(error: BaseException) -> str:
    """Describes an error in one line, for a report."""
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, MemoryError):
        return "not enough memory"
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}"
    return " ".join(f"{type(error).__name__}: {error}".split())
