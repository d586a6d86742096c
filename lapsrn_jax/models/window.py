"""A window on a picture that is too large, or of too odd a size, to be computed as a whole: exact, nothing is blended.

Two things tell a part of a picture from a whole one. Beyond the picture's border every layer's features are 0, for
that is what convolutions pad with: a window that reaches over the border keeps them so. And at an edge within the
picture the padding is wrong, and spoils one more pixel with each convolution: a margin takes that in, and is cut off
level by level.
"""

import flax.struct
import jax
import jax.numpy as jnp
from jax import lax

# How far the layers from one level to the next see, in pixels of the lower one: the transposed convolutions, together
# with the convolution that makes the residual of their result.
_BETWEEN = 1


@flax.struct.dataclass
class Window:
    """Where the images that a network is given lie in their picture. `Window()` is the whole of it.

    Attributes:
      inside: float [N, h, w, 1], 1 within the picture and 0 beyond its border, where the images must be 0 too; or None
        for a window that does not reach over it.
      axes: along which axes (1 for rows, 2 for columns) the picture goes on beyond the window.
      margin: how many pixels at both ends of these axes the results are going to lack, in pixels of the images.
    """

    inside: jax.Array | None = None
    axes: tuple[int, ...] = flax.struct.field(pytree_node=False, default=())
    margin: int = flax.struct.field(pytree_node=False, default=0)

    def keep(self, x: jax.Array) -> jax.Array:
        """The features x [N, h, w, C], 0 beyond the picture's border."""
        return x if self.inside is None else x * self.inside.astype(x.dtype)

    def narrow(self, margin: int, *images: jax.Array) -> tuple["Window", list[jax.Array]]:
        """The window with a smaller margin, and the images cut to it and 0 beyond the picture's border."""
        window = Window(None if self.inside is None else self._cut(self.inside, margin), self.axes, margin)
        return window, [window.keep(self._cut(x, margin)) for x in images]

    def _cut(self, x: jax.Array, margin: int) -> jax.Array:
        for axis in self.axes:
            x = lax.slice_in_dim(x, self.margin - margin, x.shape[axis] - (self.margin - margin), axis=axis)
        return x

    def doubled(self) -> "Window":
        """The same window on images of twice the size."""
        inside = None if self.inside is None else jnp.repeat(jnp.repeat(self.inside, 2, axis=1), 2, axis=2)
        return Window(inside, self.axes, 2 * self.margin)


def margins(scale: int, depth: int) -> list[tuple[int, int]]:
    """For each level on the way to `scale`, the margins that features need before and after its 3x3 convolutions.

    The low-resolution image needs one pixel more than the first, for the convolution that makes features of it.
    """
    widths: list[tuple[int, int]] = []
    result = 0
    for _ in range(scale.bit_length() - 1):
        after = -(-result // 2) + _BETWEEN
        result = after + depth
        widths.insert(0, (result, after))
    return widths
