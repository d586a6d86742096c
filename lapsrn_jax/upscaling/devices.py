"""Runs a network on tiles, on one or more devices, several tiles a call."""

import collections
import functools
import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple

import jax
import numpy as np

from lapsrn_jax import models
from lapsrn_jax.models import SuperResolver
from lapsrn_jax.models.window import Window
from lapsrn_jax.upscaling.memory import free_memory
from lapsrn_jax.upscaling.plans import Plan

MOST = 16  # tiles a call on an accelerator. On a CPU, one tile keeps all cores busy.
_CALLS = 2  # calls at a time on an accelerator: one computes while the other's tiles travel


Replicas = dict[jax.Device, Any]  # parameters on each of the devices


class _Kind(NamedTuple):
    """The scale and the plan, which the tiles of one call share."""

    scale: int
    tiling: Plan


class _Request(NamedTuple):
    tile: np.ndarray
    inside: np.ndarray
    kind: _Kind
    params: Replicas
    most: int  # tiles of the kind that a call may hold
    result: Future[np.ndarray]


class Devices:
    """Devices that share the tiles of all images that are being enlarged.

    Args:
      model: a module from `lapsrn_jax.models`.
      devices: the devices, which are of one kind.
      max_memory: memory limit in bytes on each accelerator, or for all devices of a CPU together; None for half of what
        is free.
    """

    def __init__(self, model: SuperResolver, devices: Sequence[jax.Device], max_memory: int | None) -> None:
        self._model = model
        cpu = devices[0].platform == "cpu"
        self.max_memory = min(map(_free_on, devices)) // 2 if max_memory is None else max_memory
        self._share = self.max_memory // (len(devices) if cpu else _CALLS)
        self._most = 1 if cpu else MOST
        self._idle = list(devices) * (1 if cpu else _CALLS)
        self._devices, self._calls = list(devices), len(self._idle)
        self._pool = ThreadPoolExecutor(self._calls, "tiles")
        self._lock, self._compiling = threading.Lock(), {device: threading.Lock() for device in devices}
        self._waiting: collections.deque[_Request] = collections.deque()

    @property
    def at_once(self) -> int:
        """The number of tiles that keep all devices busy."""
        return self._most * self._calls

    def put(self, params: Any) -> Replicas:
        """Copies parameters of the model to all devices."""
        arrays = jax.tree.map(np.asarray, params)  # during training, they are replicated over all devices
        return {device: jax.device_put(arrays, device) for device in self._devices}

    def fit(self, scale: int, tiling: Plan) -> bool:
        """Whether the memory limit allows a tile of a plan. A picture that must stay whole may take all of it."""
        limit = self._share if tiling.margin else self.max_memory
        return self._needed(_Kind(scale, tiling)) <= limit

    def submit(
        self, tile: np.ndarray, inside: np.ndarray, scale: int, tiling: Plan, params: Replicas
    ) -> Future[np.ndarray]:
        """Enlarges a tile.

        Args:
          tile: float32 [*tiling.side, C] in [0, 1].
          inside: float32 [*tiling.side, 1], 1 for pixels of the image and 0 around it.
          scale: one of the model's scales.
          tiling: the plan that the tile belongs to.
          params: the parameters to use, from `put`.

        Returns:
          The enlarged tile without its margins, float32. It may be cancelled.
        """
        kind = _Kind(scale, tiling)
        request = _Request(tile, inside, kind, params, self._tiles_a_call(kind), Future())
        with self._lock:
            self._waiting.append(request)
        self._pool.submit(self._work)
        return request.result

    def _work(self) -> None:
        """Does one call with tiles that wait, if any: earlier calls may have taken them."""
        with self._lock:
            requests = self._next()
        if requests:
            self._call(requests)

    def _call(self, requests: list[_Request]) -> None:
        """Does one call. If its tiles together need too much memory, each of them gets a call of its own later."""
        with self._lock:
            device = self._idle.pop()  # there is one for each thread of the pool
        try:
            tiles = np.stack([request.tile for request in requests])
            insides = np.stack([request.inside for request in requests])
            results = self._run(device, requests[0].kind, tiles, insides, requests[0].params)
            for request, result in zip(requests, results, strict=True):
                request.result.set_result(result)
        except BaseException as error:
            if len(requests) > 1 and is_shortage(error):
                self._most = len(requests) // 2
                for request in requests:
                    self._pool.submit(self._call, [request])
                return
            for request in requests:
                request.result.set_exception(error)
        finally:
            with self._lock:
                self._idle.append(device)

    def _next(self) -> list[_Request]:
        """Takes the tiles for a call: those that have waited longest and share parameters and a kind."""
        ready, others = list[_Request](), list[_Request]()
        most = min(self._waiting[0].most, self._most) if self._waiting else 0
        while self._waiting and len(ready) < most:
            request = self._waiting.popleft()
            if ready and (request.params is not ready[0].params or request.kind != ready[0].kind):
                others.append(request)
            elif request.result.set_running_or_notify_cancel():
                ready.append(request)
        self._waiting.extendleft(reversed(others))
        return ready

    def _tiles_a_call(self, kind: _Kind) -> int:
        number = 1
        while 2 * number <= self._most and 2 * number * self._needed(kind) <= self._share:
            number *= 2
        return number

    def _needed(self, kind: _Kind) -> int:
        return _memory(self._program(self._devices[0], kind, 1))

    def _run(
        self, device: jax.Device, kind: _Kind, tiles: np.ndarray, insides: np.ndarray, params: Replicas
    ) -> np.ndarray:
        """Returns the enlarged tiles [N, ...]."""
        number = 1 << (len(tiles) - 1).bit_length()  # each number compiles separately
        padding = [(0, number - len(tiles)), (0, 0), (0, 0), (0, 0)]
        compiled = self._program(device, kind, number)
        results = compiled(params[device], np.pad(tiles, padding), np.pad(insides, padding))
        return np.asarray(results)[: len(tiles)]

    def _program(self, device: jax.Device, kind: _Kind, number: int) -> jax.stages.Compiled:
        with self._compiling[device]:
            return _compiled(self._model, *kind, number, device)


def is_shortage(error: BaseException) -> bool:
    """Whether an exception means that a device has too little memory."""
    return isinstance(error, jax.errors.JaxRuntimeError) and (
        "RESOURCE_EXHAUSTED" in str(error) or "memory" in str(error)
    )


@functools.lru_cache(maxsize=512)
def _compiled(model: SuperResolver, scale: int, tiling: Plan, number: int, device: jax.Device) -> jax.stages.Compiled:
    """Compiles the network for `number` of the plan's tiles: (params, images, insides) to the enlarged tiles."""

    def last_image(params: Any, images: jax.Array, insides: jax.Array) -> jax.Array:
        window: Any = {"window": Window(insides, tiling.axes, tiling.margin)} if tiling.margin else {}
        found: Any = model.apply({"params": params}, images, scale, **window)
        last: jax.Array = found[-1]
        return last

    place = jax.sharding.SingleDeviceSharding(device)
    images = jax.ShapeDtypeStruct((number, *tiling.side, model.channels), np.float32, sharding=place)
    insides = jax.ShapeDtypeStruct((number, *tiling.side, 1), np.float32, sharding=place)
    params = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=place), models.shapes(model))
    return jax.jit(last_image).lower(params, images, insides).compile()


@functools.lru_cache(maxsize=512)  # XLA takes 16 ms to report them, an eighth of the time of a picture of 64 x 64
def _memory(compiled: jax.stages.Compiled) -> int:
    """Returns the bytes that XLA plans to use, or 0 if it does not report them."""
    analysis = compiled.memory_analysis()
    return analysis.temp_size_in_bytes + analysis.output_size_in_bytes if analysis else 0


def _free_on(device: jax.Device) -> int:
    """Returns the number of free bytes on a device."""
    statistics = device.memory_stats()
    if statistics and "bytes_limit" in statistics:
        return int(statistics["bytes_limit"] - statistics.get("bytes_in_use", 0))
    return free_memory()
