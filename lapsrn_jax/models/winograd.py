"""Winograd's 3x3 convolution: 36 multiplications for each tile of 4x4 outputs, where the direct one needs 144.

F(4x4, 3x3) of A. Lavin and S. Gray, "Fast Algorithms for Convolutional Neural Networks" (CVPR 2016). A tile of 6x6
inputs is transformed to 36 values, one matrix product over the channels combines each of them with the kernel, and the
36 products are transformed to 4x4 outputs. Neighbouring tiles overlap by two pixels.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.custom_derivatives import linear_call
from jax.experimental.layout import Layout, with_layout_constraint

STEP = 4


def _transforms(points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The 1-D transforms (INPUT, KERNEL, OUTPUT): outputs = OUTPUT @ ((KERNEL @ taps) * (INPUT @ inputs)).

    Toom's and Cook's product of two polynomials, evaluated at the points and at infinity, transposed.
    """
    others = [np.delete(points, i) for i in range(len(points))]
    weights = [np.prod(point - rest) for point, rest in zip(points, others, strict=True)]
    powers = np.vander(points, STEP, increasing=True)
    inputs = np.array([[*np.poly(rest)[::-1], 0] for rest in others] + [np.poly(points)[::-1]])
    kernel = np.vstack([powers[:, :3] / np.array(weights)[:, None], [0, 0, 1]])
    return inputs, kernel, np.vstack([powers, [0, 0, 0, 1]]).T


# For 4 outputs, 3 taps and 6 inputs. The rounding error is a fifth of that with Lavin's and Gray's points 0, 1, -1, 2,
# -2, and close to that of the direct convolution.
INPUT, KERNEL, OUTPUT = _transforms(np.array([0, 0.5, -0.5, 1, -1]) * 2**0.5)


def conv3x3(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """Convolution, stride 1, `SAME`: x [N, H, W, I] and kernel [3, 3, I, O] to [N, H, W, O], in their dtype."""
    height, width = x.shape[1:3]
    below, beside = -height % STEP, -width % STEP  # to whole tiles
    x = jnp.pad(x, ((0, 0), (1, 1 + below), (1, 1 + beside), (0, 0)))
    points = _transform(KERNEL, kernel.reshape(1, 3, 3, -1)).reshape(36, *kernel.shape[2:])
    return _valid(x, points)[:, :height, :width]


def _valid(x: jax.Array, points: jax.Array) -> jax.Array:
    """Unpadded: x [N, 4T + 2, 4S + 2, I] and the transformed kernel [36, I, O] to [N, 4T, 4S, O]."""
    tiles = _transform(INPUT, x)
    product = _products(tiles.reshape(36, -1, x.shape[-1]), points)
    return _assemble(OUTPUT, product.reshape(*tiles.shape[:-1], -1))


@jax.custom_vjp
def _products(tiles: jax.Array, points: jax.Array) -> jax.Array:
    """The matrix products [36, T, I] x [36, I, O]."""
    return lax.dot_general(tiles, points, (((2,), (1,)), ((0,), (0,))))


def _products_forward(tiles: jax.Array, points: jax.Array) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    return _products(tiles, points), (tiles, points)


def _products_backward(saved: tuple[jax.Array, jax.Array], g: jax.Array) -> tuple[jax.Array, jax.Array]:
    tiles, points = saved
    # XLA:CPU's product is fast only if its first operand is contracted over the last axis in memory. In JAX's own
    # derivative it is not: that takes twice as long as this explicit transposition and product.
    transposed = with_layout_constraint(tiles.swapaxes(1, 2), Layout((0, 1, 2)))
    return (
        lax.dot_general(g, points, (((2,), (2,)), ((0,), (0,)))),
        lax.dot_general(transposed, g, (((2,), (1,)), ((0,), (0,)))),
    )


_products.defvjp(_products_forward, _products_backward)


def _transform(matrix: np.ndarray, x: jax.Array) -> jax.Array:
    """Every k x k tile of x times `matrix` [6, k] from both sides, to [6, 6, N, T, S, C].

    The tiles are 4 apart: x is [N, 4T + k - 4, 4S + k - 4, C].

    JAX's own transpose of this (and of `_assemble`) scatters with strides, which XLA:CPU does slowly.
    """
    return linear_call(lambda _, x: _forward(matrix, x), lambda _, y: _backward(matrix.T, y), (), x)


def _assemble(matrix: np.ndarray, tiles: jax.Array) -> jax.Array:
    """The transpose of `_transform(matrix.T)`: overlapping tiles are added."""
    return linear_call(lambda _, y: _backward(matrix, y), lambda _, x: _forward(matrix.T, x), (), tiles)


def _forward(matrix: np.ndarray, x: jax.Array) -> jax.Array:
    x = _combine(matrix, _taps(x, matrix.shape[1], axis=1), stack=0)
    return _combine(matrix, _taps(x, matrix.shape[1], axis=3), stack=1)


def _backward(matrix: np.ndarray, tiles: jax.Array) -> jax.Array:
    tiles = lax.optimization_barrier(_overlap_add(_sums(matrix, [tiles[:, i] for i in range(6)]), axis=3))
    return _overlap_add(_sums(matrix, list(tiles)), axis=1)


def _sums(matrix: np.ndarray, arrays: Sequence[jax.Array]) -> list[jax.Array]:
    """The product matrix @ arrays, as sums: XLA:CPU is slow at products with so small a matrix."""

    def row(factors: np.ndarray) -> jax.Array:
        terms = [array if f == 1 else float(f) * array for f, array in zip(factors, arrays, strict=True) if f]
        return sum(terms[1:], start=terms[0])

    return [row(factors) for factors in matrix]


def _combine(matrix: np.ndarray, arrays: Sequence[jax.Array], stack: int) -> jax.Array:
    # Without the barrier XLA recomputes these sums in each of the next transform's.
    return lax.optimization_barrier(jnp.stack(_sums(matrix, arrays), stack))


def _taps(x: jax.Array, taps: int, axis: int) -> list[jax.Array]:
    """For each of a tile's `taps` positions along `axis`, 4T + taps - 4 long, its values in the T tiles."""
    span = x.shape[axis] - taps + 1
    return [lax.slice_in_dim(x, i, i + span, STEP, axis) for i in range(taps)]


def _overlap_add(taps: list[jax.Array], axis: int) -> jax.Array:
    """The transpose of `_taps`."""
    tiles, beyond = taps[0].shape[axis], len(taps) - STEP

    def shift(x: jax.Array, by: int) -> jax.Array:
        return jnp.pad(x, [(by, 1 - by) if i == axis else (0, 0) for i in range(x.ndim)])

    if beyond > 0:
        taps = [
            shift(x, 0) + shift(taps[STEP + i], 1) if i < beyond else shift(x, 0) for i, x in enumerate(taps[:STEP])
        ]
    shape = list(taps[0].shape)
    shape[axis] *= len(taps)
    return lax.slice_in_dim(jnp.stack(taps, axis + 1).reshape(shape), 0, STEP * tiles + beyond, axis=axis)
