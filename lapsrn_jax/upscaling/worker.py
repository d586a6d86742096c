"""The actors of a Ray cluster that enlarges pictures: a worker for each device, and the keeper of the record."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import jax
import PIL.Image
import ray
import tqdm

from lapsrn_jax.cache import keep_compiled
from lapsrn_jax.upscaling.batch import Outcome, Work
from lapsrn_jax.upscaling.jobs import Job
from lapsrn_jax.upscaling.memory import free_memory
from lapsrn_jax.upscaling.record import Entry, Record
from lapsrn_jax.upscaling.settings import Settings
from lapsrn_jax.upscaling.storage import Storage, is_address
from lapsrn_jax.upscaling.upscale import Upscaler

Network = Callable[[int | None], Upscaler]  # from a memory limit in bytes


class Resources(NamedTuple):
    """The resources of a cluster that the workers share. Each worker has one device.

    Attributes:
      kind: "cpu" or "cuda".
      workers: number of workers.
      options: the options with which Ray reserves the device of a worker.
      cpus: number of CPUs of a worker without a GPU; 0 with one.
      neighbours: largest number of workers on a machine with GPUs; 0 without GPUs.
    """

    kind: str
    workers: int
    options: dict[str, int]
    cpus: int = 0
    neighbours: int = 0


class Worker:
    """An actor with one device. Its threads do as many pictures at a time as keep the device busy.

    Args:
      resources: the resources of the cluster.
      work: a function that loads the network, and the settings of the batch.
      output: the folder or the address of the results.
      keeper: the `Keeper` of the folder; None for an address.
      max_memory: memory limit in bytes; None for the worker's share of what is free.
      max_pixels: Pillow's limit on the pixels of a picture, `PIL.Image.MAX_IMAGE_PIXELS`.
    """

    def __init__(
        self,
        resources: Resources,
        work: tuple[Network, Settings],
        output: str,
        keeper: Any,
        max_memory: int | None,
        max_pixels: int | None,
    ) -> None:
        self._resources, self._output, self._keeper, self._max_memory = resources, output, keeper, max_memory
        self._network, self._settings = work
        self._active, self._stopped, self._changed = 0, False, threading.Condition()
        PIL.Image.MAX_IMAGE_PIXELS = max_pixels

    def start(self) -> int:
        """Loads the network. Returns the number of pictures to do at a time."""
        kind, cpus, limit = self._resources.kind, self._resources.cpus, self._max_memory
        if kind == "cpu":
            os.environ["NPROC"] = str(cpus)  # the number of XLA's threads
            limit = limit or free_memory() * cpus // (os.cpu_count() or cpus)
        jax.config.update("jax_platforms", kind)
        keep_compiled()
        upscale = self._network(limit)
        upscale.memory_for_images //= self._resources.neighbours or 1
        self._storage = Storage(self._output) if is_address(self._output) else None
        record = self._storage.record if self._storage else _Record(self._output, self._keeper)
        self._work = Work([], upscale, self._settings, record, tqdm.tqdm(disable=True))
        return upscale.images_at_once

    def upscale(self, job: Job, wait: bool) -> Outcome | None:
        """Does a job; see `Work.do`. Returns None also if the worker was stopped."""
        with self._changed:
            if self._stopped:
                return None
            self._active += 1
        try:
            if self._storage:
                return self._storage.upscale(job, lambda local: self._work.do(local, wait=wait))
            return self._work.do(job, wait=wait)
        except KeyboardInterrupt:  # would end the process while other threads are still removing what they have written
            return None
        finally:
            with self._changed:
                self._active -= 1
                self._changed.notify_all()

    def stop(self) -> None:
        """Ends the jobs, and returns when they have ended."""
        self._work.stop()
        with self._changed:
            self._stopped = True
            self._changed.wait_for(lambda: not self._active)


class Keeper:
    """An actor that alone reads and writes the journal of a folder, so that not every worker has to hold all of it."""

    def __init__(self, folder: str) -> None:
        self._record = Record(folder)

    def entries(self, name: str) -> set[Entry]:
        """Returns the entries of a result."""
        self._record.read()
        return self._record.of(name)

    def add(self, entry: Entry) -> None:
        """Adds an entry to the journal."""
        self._record.add(entry)


class _Record(Record):
    """The record of a folder as a worker sees it. It locks results itself, and asks the keeper for the entries."""

    def __init__(self, folder: str, keeper: Any) -> None:
        self._keeper = keeper
        super().__init__(folder)

    def read(self) -> None:
        """Leaves the journal to the keeper."""

    @contextmanager
    def claimed(self, target: Any, **options: Any) -> Iterator[bool]:
        """Claims a result, and learns its entries."""
        with super().claimed(target, **options) as held:
            for entry in ray.get(self._keeper.entries.remote(self.name(target))) if held else ():
                self.learn(entry)
            yield held

    def add(self, entry: Entry) -> None:
        """Has the keeper write an entry, before the result is put in place."""
        ray.get(self._keeper.add.remote(entry))
