"""Applies a network to an image of any size in tiles, within a memory limit. The tiles leave no seams."""

import collections
import copy
import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from typing import Any, NamedTuple

import jax
import numpy as np

from lapsrn_jax.errors import UserError
from lapsrn_jax.models import SuperResolver
from lapsrn_jax.upscaling.devices import Devices, is_shortage
from lapsrn_jax.upscaling.plans import Plan, plan

AREA = 2**16  # pixels of the largest tile; larger tiles gain little speed
_EIGHT = list(itertools.product(range(4), (False, True)))  # quarter turns, and whether mirrored before
WHOLE = "the picture exceeds the memory limit: this network works on the whole picture at once; use a pyramid network"

Rows = Callable[[int, int], np.ndarray]


class _Tile(NamedTuple):
    """A tile that the devices are working on."""

    first: int  # its first row in the image
    rows: int  # its rows in the image
    columns: slice  # its columns in the image
    tiling: Plan
    results: list[Future[np.ndarray]]


class Tiles:
    """Applies a model to images that may be larger than memory. Several threads may use it.

    Args:
      model: a module from `lapsrn_jax.models`.
      params: the parameters of the model.
      max_memory: memory limit in bytes for the network, without the images; None for half of what is free.
      ensemble: average over the eight rotations and reflections, which takes eight times as long.
      devices: the devices that share the work; None for the first.
    """

    def __init__(
        self,
        model: SuperResolver,
        params: Any,
        max_memory: int | None = None,
        ensemble: bool = False,
        devices: Sequence[jax.Device] | None = None,
    ) -> None:
        self._model, self._ensemble, self._area = model, ensemble, AREA
        self.devices = Devices(model, devices or jax.local_devices()[:1], max_memory)
        self._params = self.devices.put(params)

    def with_params(self, params: Any) -> "Tiles":
        """Returns the same with other parameters of the model. Both share the devices."""
        other = copy.copy(self)
        other._params = self.devices.put(params)
        return other

    def bands(
        self, rows: Rows, shape: tuple[int, int], scale: int, progress: Callable[[float], None] = lambda _: None
    ) -> Iterator[np.ndarray]:
        """Yields the enlarged image from top to bottom in bands, float32 [n, scale W, C].

        While the caller deals with a band, the devices work on the next tiles.

        Args:
          rows: a function of (start, stop) that returns these rows of the image, [stop - start, W, C] in [0, 1].
          shape: (H, W) of the image in pixels.
          scale: one of the model's scales.
          progress: called after each tile with the share of the work that was done since the last call.

        Raises:
          UserError: no tile fits in memory, or the network returns values that are not finite.
        """
        (height, width), channels, done = shape, self._model.channels, 0
        tiles = self._tiles(rows, shape, scale, 0)
        waiting = collections.deque(itertools.islice(tiles, self.devices.at_once))
        try:
            while waiting:
                waiting.extend(itertools.islice(tiles, 1))
                tile = waiting.popleft()
                if not tile.columns.start:
                    band = np.empty((tile.rows * scale, width * scale, channels), np.float32)
                try:
                    result = self._averaged([part.result() for part in tile.results])
                except jax.errors.JaxRuntimeError as error:
                    if not is_shortage(error):
                        raise
                    if not tile.tiling.margin:
                        raise UserError(WHOLE) from None
                    self._area = math.prod(tile.tiling.side) // 2
                    _cancel(waiting)
                    tiles = self._tiles(rows, shape, scale, tile.first)
                    waiting = collections.deque(itertools.islice(tiles, self.devices.at_once))
                    continue
                wide = tile.columns.stop - tile.columns.start
                place = slice(tile.columns.start * scale, tile.columns.stop * scale)
                band[:, place] = result[: tile.rows * scale, : wide * scale]
                if not np.isfinite(band[:, place]).all():
                    raise UserError(
                        "the network returns values that are not finite: its weights are damaged, use others"
                    )
                before, done = done, max(done, tile.first * width + tile.rows * tile.columns.stop)
                progress((done - before) / (height * width))  # none if the tile was done before memory ran out
                if tile.columns.stop == width:
                    yield band
        finally:
            _cancel(waiting)

    def _plan(self, shape: tuple[int, int], scale: int) -> Plan:
        """Returns the plan for an image. Raises `UserError` if no tile fits in memory."""
        margins = self._model.margins(scale)
        if margins is None:  # VDSR and its relatives first interpolate the whole image
            whole = Plan(shape, shape, 0)
            if not self.devices.fit(scale, whole):
                raise UserError(WHOLE)
            return whole
        while True:
            tiling = plan(shape, margins, self._area)
            if tiling is None:
                mebibytes = self.devices.max_memory // 2**20
                raise UserError(f"{mebibytes} MiB are too little for one tile of this network: allow more memory")
            if self.devices.fit(scale, tiling):
                return tiling
            self._area = math.prod(tiling.side) // 2

    def _tiles(self, rows: Rows, shape: tuple[int, int], scale: int, first: int) -> Iterator[_Tile]:
        """Starts on the tiles of the image from row `first` on, each when it is asked for."""
        height, width = shape
        channels = self._model.channels
        while first < height:
            tiling = self._plan(shape, scale)
            count = min(tiling.step[0], height - first)
            top = first - tiling.before(1)
            start, stop = max(top, 0), min(top + tiling.side[0], height)
            source = np.zeros((tiling.side[0], width, channels), np.float32)
            source[start - top : stop - top] = rows(start, stop)
            seen = np.zeros(tiling.side[0], np.float32)
            seen[start - top : stop - top] = 1
            for column in range(0, width, tiling.step[1]):
                left = column - tiling.before(2)
                start, stop = max(left, 0), min(left + tiling.side[1], width)
                tile = np.zeros((*tiling.side, channels), np.float32)
                inside = np.zeros((*tiling.side, 1), np.float32)
                tile[:, start - left : stop - left] = source[:, start:stop]
                inside[:, start - left : stop - left] = seen[:, None, None]
                columns = slice(column, min(column + tiling.step[1], width))
                yield _Tile(first, count, columns, tiling, self._applied(tile, inside, scale, tiling))
            first += count

    def _applied(self, tile: np.ndarray, inside: np.ndarray, scale: int, tiling: Plan) -> list[Future[np.ndarray]]:
        """Starts on a tile, or on its eight rotations and reflections."""
        results = []
        for turns, mirror in _EIGHT if self._ensemble else _EIGHT[:1]:
            image, seen = (np.rot90(x[:, ::-1] if mirror else x, turns) for x in (tile, inside))
            turned = tiling._replace(side=tiling.side[::-1], step=tiling.step[::-1]) if turns % 2 else tiling
            results.append(self.devices.submit(image, seen, scale, turned, self._params))
        return results

    def _averaged(self, results: list[np.ndarray]) -> np.ndarray:
        """Returns the mean of what `_applied` started, turned back."""
        if not self._ensemble:
            return results[0]
        total: Any = 0.0
        for (turns, mirror), result in zip(_EIGHT, results, strict=True):
            back = np.rot90(result, -turns)
            total = total + (back[:, ::-1] if mirror else back)
        return np.asarray(total / 8)


def _cancel(tiles: Iterable[_Tile]) -> None:
    for tile in tiles:
        for result in tile.results:
            result.cancel()
