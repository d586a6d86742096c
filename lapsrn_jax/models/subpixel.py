"""Transposed convolutions with one output channel, computed at low resolution as sums of shifted maps.

The residual of a level is linear in the features u [N, H, W, C] before the upsampler: a stride-2 transposed convolution
and a convolution, with nothing between them. Composed, the two have 5x5 taps. One matrix product turns u into a map for
each tap; the shifted maps add up to the four output pixels of each input pixel (the sub-pixel convolution of Shi et
al., CVPR 2016). The C channels at the output's resolution never exist.

Along each axis, a `Term` says which outputs a map contributes to, and from which input.
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from lapsrn_jax.models.layers import Filter
from lapsrn_jax.models.window import Window, repeated


class Term(NamedTuple):
    """A contribution to the outputs 2m + parity from the inputs m + offset, along one axis."""

    parity: int
    offset: int


# Tap k of a 4x4 kernel leads from input m + t to output 2m + p if p + k = 2t + 2.
_IMAGE_TERMS = {Term(0, -1): 0, Term(0, 0): 2, Term(1, 0): 1, Term(1, 1): 3}

# Tap k of a 3x3 kernel and then tap i of a 3x3 convolution do if p + i + k = 2t + 3. The last term is a correction: the
# upsampler drops the last row and column of its full result, so the convolution must not see them.
_RESIDUAL_TERMS = [Term(0, -1), Term(0, 0), Term(1, -1), Term(1, 0), Term(1, 1), Term(1, 0)]
_COMPOSITION = np.array(
    [[[p + i + k == 2 * t + 3 for k in range(3)] for i in range(3)] for p, t in _RESIDUAL_TERMS], np.float32
)  # [terms, i, k]
_COMPOSITION[-1] = 0
_COMPOSITION[-1, 2, 0] = -1


def residual(u: jax.Array, upsample: Filter, conv: Filter, window: Window) -> jax.Array:
    """The convolution of the upsampled features, as if by `layers.conv(layers.conv_transpose(u, **upsample), **conv)`.

    It is computed in full precision, whatever the device's default: the image takes it as it is.

    Args:
      u: activated features [N, H, W, C], 0 beyond the picture's border.
      upsample: of the transposed convolution, kernel [3, 3, C, D], bias [D].
      conv: of the convolution, kernel [3, 3, D, 1], bias [1].
      window: where `u` lies in its picture.

    Returns:
      [N, 2H, 2W, 1], in the dtype of the kernels if `u` has a narrower one.
    """
    kernels = upsample["kernel"], conv["kernel"][..., 0]
    dtype = jnp.result_type(u, *kernels)
    composition = _COMPOSITION.astype(kernels[0].dtype)
    matrix = jnp.einsum("aik,bjl,klcd,ijd->cab", composition, composition, *kernels, precision="highest")
    maps = jnp.einsum(
        "nhwc,cab->nhwab", u, matrix.astype(u.dtype), precision="highest", preferred_element_type=dtype
    ).transpose(3, 4, 0, 1, 2)
    inside = jnp.ones((1, *u.shape[1:3]), dtype) if window.inside is None else window.inside[..., 0].astype(dtype)
    maps = maps.at[-1].multiply(_last(inside, -2)).at[:, -1].multiply(_last(inside, -1))
    y = _sum(maps, _RESIDUAL_TERMS)
    if "bias" in upsample:
        y += _residual_of_bias(upsample["bias"], conv["kernel"], inside)
    return y + conv["bias"] if "bias" in conv else y


def upsample_image(image: jax.Array, kernel: jax.Array) -> jax.Array:
    """`layers.conv_transpose` of one channel with a kernel [4, 4, 1, 1]: [N, H, W, 1] to [N, 2H, 2W, 1]."""
    taps = np.array(list(_IMAGE_TERMS.values()))
    weights = kernel[taps][:, taps].reshape(len(taps), len(taps), 1, 1, 1)
    return _sum(weights * image[..., 0], list(_IMAGE_TERMS))


def _residual_of_bias(bias: jax.Array, conv_kernel: jax.Array, inside: jax.Array) -> jax.Array:
    """What a constant `bias` within the picture adds to the residual."""
    taps = jnp.einsum("ijdo,d->ijo", conv_kernel, bias, precision="highest")
    large = repeated(inside[..., None])
    height, width = large.shape[1:3]
    padded = jnp.pad(large, ((0, 0), (1, 1), (1, 1), (0, 0)))
    shifted = [padded[:, i : i + height, j : j + width] * taps[i, j] for i in range(3) for j in range(3)]
    return sum(shifted[1:], start=shifted[0])


def _last(inside: jax.Array, axis: int) -> jax.Array:
    """1 at the last pixels within the picture along `axis`, else 0."""
    return inside * (1 - _shift(inside, 1, axis))


def _sum(maps: jax.Array, terms: Sequence[Term]) -> jax.Array:
    """The outputs [N, 2H, 2W, 1] that the maps [terms along rows, terms along columns, N, H, W] contribute to."""
    rows = _along(-2, terms, list(maps))  # [parities, terms, N, H, W]
    both = _along(-1, terms, [rows[:, i] for i in range(len(terms))])
    n, height, width = both.shape[2:]
    return both.transpose(2, 3, 1, 4, 0).reshape(n, 2 * height, 2 * width, 1)


def _along(axis: int, terms: Sequence[Term], maps: Sequence[jax.Array]) -> jax.Array:
    shifted = [_shift(x, term.offset, axis) for term, x in zip(terms, maps, strict=True)]
    of_parity = [[x for term, x in zip(terms, shifted, strict=True) if term.parity == p] for p in (0, 1)]
    return jnp.stack([sum(parts[1:], start=parts[0]) for parts in of_parity])


def _shift(x: jax.Array, offset: int, axis: int) -> jax.Array:
    """The values of x at m + offset for each m along `axis`, 0 beyond its ends."""
    padding = [(0, 0, 0)] * x.ndim
    padding[axis] = (-offset, offset, 0)
    return lax.pad(x, jnp.zeros((), x.dtype), padding)
