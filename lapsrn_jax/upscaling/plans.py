"""Divides images into tiles of few shapes."""

import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

# Each shape compiles separately, so all images share a few tile shapes.
SIDES = (16, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024)
# The time for a feature map of n pixels grows as n ** COST: the smaller it is, the more of it stays in the cache.
COST = 1.17


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
