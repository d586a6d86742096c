"""A window on a picture that is too large to be computed as a whole. The result is exact: nothing is blended.

A window differs from a whole picture in two ways. Convolutions pad the picture with zeros, so every layer's features
are 0 beyond its border: a window that reaches over the border must set them to 0 after each layer. At an edge inside
the picture, the same padding is wrong, and each convolution carries the error one pixel further. The window has a
margin for it, which is cut off level by level.
"""

import flax.struct
import jax
import jax.numpy as jnp
from jax import lax

# How far the layers between two levels see, in pixels of the lower level: the transposed convolutions together with the
# residual's convolution.
_BETWEEN = 1


@flax.struct.dataclass
class Window:
    """Where a network's input lies in its picture. `Window()` is the whole picture.

    Attributes:
      inside: float [N, h, w, 1]: 1 within the picture, 0 beyond its border, where the images must be 0 as well. None
        for a window that does not reach over the border.
      axes: the axes (1 for rows, 2 for columns) along which the picture continues beyond the window.
      margin: how many pixels will be cut off at both ends of these axes, in pixels of the current level.
    """

    inside: jax.Array | None = None
    axes: tuple[int, ...] = flax.struct.field(pytree_node=False, default=())
    margin: int = flax.struct.field(pytree_node=False, default=0)

    def keep(self, x: jax.Array) -> jax.Array:
        """Sets the features x [N, h, w, C] to 0 beyond the picture's border."""
        return x if self.inside is None else x * self.inside.astype(x.dtype)

    def narrow(self, margin: int, *images: jax.Array) -> tuple["Window", list[jax.Array]]:
        """Cuts the margin down to `margin`; returns the new window and the images, 0 beyond the picture's border."""
        window = Window(None if self.inside is None else self._cut(self.inside, margin), self.axes, margin)
        return window, [window.keep(self._cut(x, margin)) for x in images]

    def _cut(self, x: jax.Array, margin: int) -> jax.Array:
        for axis in self.axes:
            x = lax.slice_in_dim(x, self.margin - margin, x.shape[axis] - (self.margin - margin), axis=axis)
        return x

    def doubled(self) -> "Window":
        """The same window on images of twice the size."""
        return Window(None if self.inside is None else repeated(self.inside), self.axes, 2 * self.margin)


def repeated(x: jax.Array) -> jax.Array:
    """Repeats each pixel of x [N, h, w, C] along both sides: [N, 2h, 2w, C]."""
    return jnp.repeat(jnp.repeat(x, 2, axis=1), 2, axis=2)


def margins(scale: int, depth: int) -> list[tuple[int, int]]:
    """The margins that features need before and after the 3x3 convolutions of each level up to `scale`.

    The low-resolution image needs one pixel more than the first of them, for the convolution that extracts features.
    """
    widths: list[tuple[int, int]] = []
    result = 0
    for _ in range(scale.bit_length() - 1):
        after = -(-result // 2) + _BETWEEN
        result = after + depth
        widths.insert(0, (result, after))
    return widths
