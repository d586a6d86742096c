"""A network over a picture of any size, tile by tile, within a memory budget: the same pixels as in one piece."""

import functools
import itertools
import math
import pathlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import numpy as np

from lapsrn_jax import models
from lapsrn_jax.errors import UserError
from lapsrn_jax.models import SuperResolver
from lapsrn_jax.models.window import Window

# A compiled network serves one shape: few shapes serve all pictures.
SIDES = (16, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024)
AREA = 2**16  # pixels of the largest tile; larger ones gain little
WHOLE = "too large for the memory: this network works on the whole picture at once, only the pyramids go tile by tile"

Rows = Callable[[int, int], np.ndarray]


class Plan(NamedTuple):
    """How a picture is cut: along each axis (rows, columns) into tiles of `side` pixels, `step` apart.

    Where an axis has several tiles each has a margin at both ends; where it has one, the picture ends within it.
    """

    side: tuple[int, int]
    step: tuple[int, int]
    margin: int

    @property
    def axes(self) -> tuple[int, ...]:
        """The axes, as `Window` counts them, along which there are several tiles."""
        return tuple(axis for axis in (1, 2) if self.step[axis - 1] < self.side[axis - 1])

    def before(self, axis: int) -> int:
        """How many pixels a tile has before its own first one."""
        return self.margin if axis in self.axes else 0


def plan(shape: tuple[int, int], margin: int, area: int) -> Plan | None:
    """The plan with the least work whose tiles have at most `area` pixels; None if the margin fills such tiles.

    Args:
      shape: of the picture, (rows, columns).
      margin: what the network sees around a pixel.
      area: the limit.
    """

    def along(length: int) -> list[tuple[int, int, int]]:
        """Choices of (side, step, tiles)."""
        whole = [(side, side, 1) for side in SIDES if side >= length][:1]
        cut = [(side, side - 2 * margin, -(-length // (side - 2 * margin))) for side in SIDES if side > 2 * margin]
        return whole + [choice for choice in cut if choice[0] < length]

    choices = [
        (rows, columns)
        for rows, columns in itertools.product(along(shape[0]), along(shape[1]))
        if rows[0] * columns[0] <= area
    ]
    if not choices:
        return None
    rows, columns = min(choices, key=lambda c: c[0][0] * c[0][2] * c[1][0] * c[1][2])
    return Plan((rows[0], columns[0]), (rows[1], columns[1]), margin)


class Tiles:
    """A model with its parameters, applied to pictures larger than memory.

    Args:
      model: any of `lapsrn_jax.models`.
      params: its parameters.
      max_memory: bytes that the network may take at once beside the pictures; None: half of what is free.
      ensemble: whether to average over the eight rotations and reflections (eight times the work).
    """

    def __init__(
        self, model: SuperResolver, params: Any, max_memory: int | None = None, ensemble: bool = False
    ) -> None:
        # From one device or from all of those that train, to the one that enlarges.
        self._model, self._params = model, jax.device_put(jax.tree.map(np.asarray, params), jax.local_devices()[0])
        self._max_memory, self._ensemble = _free_memory() // 2 if max_memory is None else max_memory, ensemble
        self._area = AREA

    def bands(
        self, rows: Rows, shape: tuple[int, int], scale: int, progress: Callable[[float], None] = lambda _: None
    ) -> Iterator[np.ndarray]:
        """The enlarged picture, float32 [n, scale W, C], from top to bottom.

        Args:
          rows: gives the picture's rows from one to before another, [n, W, C] in [0, 1].
          shape: of the picture, (H, W).
          scale: one of the model's.
          progress: is told, after each tile, what share of the whole it was.

        Raises:
          UserError: no tile fits in memory, or the network gives values that are not finite.
        """
        done = 0
        while done < shape[0]:
            tiling = self._plan(shape, scale)
            try:
                band = self._band(rows, shape, scale, tiling, done, progress)
            except jax.errors.JaxRuntimeError as error:
                if "RESOURCE_EXHAUSTED" not in str(error) and "memory" not in str(error):
                    raise
                if not tiling.margin:
                    raise UserError(WHOLE) from None
                self._area = math.prod(tiling.side) // 2
                continue
            if not np.isfinite(band).all():
                raise UserError("the network gives values that are not finite: its weights are damaged or unfit")
            yield band
            done += tiling.step[0]

    def _plan(self, shape: tuple[int, int], scale: int) -> Plan:
        margins = self._model.margins(scale)
        if margins is None:
            whole = Plan(shape, shape, 0)
            if _memory(_compiled(self._model, scale, whole)) > self._max_memory:
                raise UserError(WHOLE)
            return whole
        margin = margins[0][0] + 1
        while True:
            tiling = plan(shape, margin, self._area)
            if tiling is None:
                mebibytes = self._max_memory // 2**20
                raise UserError(f"{mebibytes} MiB are too little for one tile of this network: allow more memory")
            needed = _memory(_compiled(self._model, scale, tiling))
            if needed <= self._max_memory:
                return tiling
            self._area = math.prod(tiling.side) // 2

    def _band(
        self,
        rows: Rows,
        shape: tuple[int, int],
        scale: int,
        tiling: Plan,
        start: int,
        progress: Callable[[float], None],
    ) -> np.ndarray:
        """The enlarged rows from `start` on, as many as a tile has."""
        height, width = shape
        count = min(tiling.step[0], height - start)
        top = start - tiling.before(1)
        first, last = max(top, 0), min(top + tiling.side[0], height)
        channels = self._model.channels
        source = np.zeros((tiling.side[0], width, channels), np.float32)
        source[first - top : last - top] = rows(first, last)
        seen = np.zeros(tiling.side[0], np.float32)
        seen[first - top : last - top] = 1

        band = np.empty((count * scale, width * scale, channels), np.float32)
        for column in range(0, width, tiling.step[1]):
            left = column - tiling.before(2)
            first, last = max(left, 0), min(left + tiling.side[1], width)
            tile = np.zeros((*tiling.side, channels), np.float32)
            inside = np.zeros((*tiling.side, 1), np.float32)
            tile[:, first - left : last - left] = source[:, first:last]
            inside[:, first - left : last - left] = seen[:, None, None]
            end = min(column + tiling.step[1], width)
            result = self._apply(tile, inside, scale, tiling)
            band[:, column * scale : end * scale] = result[: count * scale, : (end - column) * scale]
            progress(count * (end - column) / (height * width))
        return band

    def _apply(self, tile: np.ndarray, inside: np.ndarray, scale: int, tiling: Plan) -> np.ndarray:
        """The network's image of one tile, without its margins."""
        if not self._ensemble:
            return self._run(tile, inside, scale, tiling)
        total: Any = 0.0
        for turns, mirror in itertools.product(range(4), (False, True)):
            image, seen = (np.rot90(x[:, ::-1] if mirror else x, turns) for x in (tile, inside))
            turned = tiling._replace(side=tiling.side[::-1], step=tiling.step[::-1]) if turns % 2 else tiling
            result = np.rot90(self._run(image, seen, scale, turned), -turns)
            total = total + (result[:, ::-1] if mirror else result)
        return np.asarray(total / 8)

    def _run(self, tile: np.ndarray, inside: np.ndarray, scale: int, tiling: Plan) -> np.ndarray:
        compiled = _compiled(self._model, scale, tiling)
        return np.asarray(compiled(self._params, tile[None], inside[None]))[0]


@functools.lru_cache(maxsize=512)
def _compiled(model: SuperResolver, scale: int, tiling: Plan) -> jax.stages.Compiled:
    """The network for the plan's tiles: (params, image, inside) to the enlarged image."""

    def last_image(params: Any, image: jax.Array, inside: jax.Array) -> jax.Array:
        window: Any = {"window": Window(inside, tiling.axes, tiling.margin)} if tiling.margin else {}
        images: Any = model.apply({"params": params}, image, scale, **window)
        last: jax.Array = images[-1]
        return last

    image = jax.ShapeDtypeStruct((1, *tiling.side, model.channels), np.float32)
    inside = jax.ShapeDtypeStruct((1, *tiling.side, 1), np.float32)
    params = models.shapes(model)
    return jax.jit(last_image).lower(params, image, inside).compile()


def _memory(compiled: jax.stages.Compiled) -> int:
    """What XLA plans to use, in bytes; 0 where it does not say."""
    analysis = compiled.memory_analysis()
    return analysis.temp_size_in_bytes + analysis.output_size_in_bytes if analysis else 0


def _free_memory() -> int:
    """Bytes that are free on the default device."""
    statistics = jax.local_devices()[0].memory_stats()
    if statistics and "bytes_limit" in statistics:
        return int(statistics["bytes_limit"] - statistics.get("bytes_in_use", 0))
    try:
        lines = pathlib.Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return 4 * 2**30  # no Linux; what most computers have to spare
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
