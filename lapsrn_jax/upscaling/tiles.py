"""Applies a network to an image of any size in tiles, within a memory limit. The tiles leave no seams."""

import functools
import itertools
import math
import pathlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from lapsrn_jax import models
from lapsrn_jax.errors import UserError
from lapsrn_jax.models import SuperResolver
from lapsrn_jax.models.window import Window

# Each shape compiles separately, so all images share a few tile shapes.
SIDES = (16, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024)
AREA = 2**16  # pixels of the largest tile; larger tiles gain little speed
# The time for a feature map of n pixels grows as n ** COST: the smaller it is, the more of it stays in the cache.
COST = 1.17
WHOLE = "the picture exceeds the memory limit: this network works on the whole picture at once; use a pyramid network"

Rows = Callable[[int, int], np.ndarray]


class Plan(NamedTuple):
    """The division of an image into tiles: along each axis (rows, columns), tiles of `side` pixels, `step` apart.

    An axis with several tiles has a margin at both ends of each. An axis with a single tile fits inside it.
    """

    side: tuple[int, int]
    step: tuple[int, int]
    margin: int

    @property
    def axes(self) -> tuple[int, ...]:
        """The axes with several tiles, numbered as in `Window`."""
        return tuple(axis for axis in (1, 2) if self.step[axis - 1] < self.side[axis - 1])

    def before(self, axis: int) -> int:
        """Returns the number of margin pixels before a tile's first own pixel."""
        return self.margin if axis in self.axes else 0


def plan(shape: tuple[int, int], margins: Sequence[tuple[int, int]], area: int) -> Plan | None:
    """Returns the plan with the least work whose tiles have at most `area` pixels, or None if there is none.

    Args:
      shape: (rows, columns) of the image.
      margins: the model's margins before and after the layers of each level, as `SuperResolver.margins` returns them.
      area: maximum number of pixels per tile, including margins.
    """
    margin = margins[0][0] + 1  # the convolution that extracts features sees one pixel more

    def along(length: int) -> list[tuple[int, int, int]]:
        """Returns the choices of (side, step, number of tiles)."""
        whole = [(side, side, 1) for side in SIDES if side >= length][:1]
        cut = [(side, side - 2 * margin, -(-length // (side - 2 * margin))) for side in SIDES if side > 2 * margin]
        return whole + [choice for choice in cut if choice[0] < length]

    def work(choice: tuple[tuple[int, int, int], tuple[int, int, int]]) -> float:
        """Estimates the time for all tiles from the sizes of each level's feature maps."""
        tiles = math.prod(count for _, _, count in choice)
        maps = [
            math.prod((step << level) + 2 * before * (step < side) for side, step, _ in choice)
            for level, (before, _) in enumerate(margins)
        ]
        return tiles * sum(pixels**COST for pixels in maps)

    choices = itertools.product(along(shape[0]), along(shape[1]))
    fitting = [choice for choice in choices if choice[0][0] * choice[1][0] <= area]
    if not fitting:
        return None
    rows, columns = min(fitting, key=work)
    return Plan((rows[0], columns[0]), (rows[1], columns[1]), margin)


class Tiles:
    """Applies a model to images that may be larger than memory.

    Args:
      model: a module from `lapsrn_jax.models`.
      params: the parameters of the model.
      max_memory: memory limit in bytes for the network, without the images; None for half of what is free.
      ensemble: average over the eight rotations and reflections, which takes eight times as long.
    """

    def __init__(
        self, model: SuperResolver, params: Any, max_memory: int | None = None, ensemble: bool = False
    ) -> None:
        # During training, the parameters are replicated over all devices; one is enough here.
        self._model, self._params = model, jax.device_put(jax.tree.map(np.asarray, params), jax.local_devices()[0])
        self._max_memory, self._ensemble = _free_memory() // 2 if max_memory is None else max_memory, ensemble
        self._area = AREA

    def bands(
        self, rows: Rows, shape: tuple[int, int], scale: int, progress: Callable[[float], None] = lambda _: None
    ) -> Iterator[np.ndarray]:
        """Yields the enlarged image from top to bottom in bands, float32 [n, scale W, C].

        Args:
          rows: a function of (start, stop) that returns these rows of the image, [stop - start, W, C] in [0, 1].
          shape: (H, W) of the image in pixels.
          scale: one of the model's scales.
          progress: called after each tile with its share of the work.

        Raises:
          UserError: no tile fits in memory, or the network returns values that are not finite.
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
                raise UserError("the network returns values that are not finite: its weights are damaged, use others")
            yield band
            done += tiling.step[0]

    def _plan(self, shape: tuple[int, int], scale: int) -> Plan:
        margins = self._model.margins(scale)
        if margins is None:  # VDSR and its relatives first interpolate the whole image
            whole = Plan(shape, shape, 0)
            if _memory(_compiled(self._model, scale, whole)) > self._max_memory:
                raise UserError(WHOLE)
            return whole
        while True:
            tiling = plan(shape, margins, self._area)
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
        """Returns the enlarged rows from `start` on, as many as one tile covers."""
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
        """Returns the enlarged tile without its margins."""
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
    """Compiles the network for the plan's tiles as a function from (params, image, inside) to the enlarged tile."""

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
    """Returns the bytes that XLA plans to use, or 0 if it does not report them."""
    analysis = compiled.memory_analysis()
    return analysis.temp_size_in_bytes + analysis.output_size_in_bytes if analysis else 0


def _free_memory() -> int:
    """Returns the number of free bytes on the default device."""
    statistics = jax.local_devices()[0].memory_stats()
    if statistics and "bytes_limit" in statistics:
        return int(statistics["bytes_limit"] - statistics.get("bytes_in_use", 0))
    try:
        lines = pathlib.Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return 4 * 2**30  # not Linux; most computers have this much to spare
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
