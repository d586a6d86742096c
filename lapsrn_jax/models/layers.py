"""The layers of the models, and the initialisation of their filters.

Images and features are NHWC; kernels are HWIO, as `lax` convolves with them (unflipped). A `Filter` is one node of the
parameter tree, `{"kernel": [h, w, I, O]}` and, where the model has biases, `"bias": [O]`; call `conv(x, **filter)`.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from lapsrn_jax.errors import UserError
from lapsrn_jax.images.resize import resize_matrix
from lapsrn_jax.models import winograd

Filter = dict[str, jax.Array]
Initializer = Callable[[jax.Array], Any]

_DIMENSIONS = ("NHWC", "HWIO", "NHWC")
# Bilinear interpolation by 2 as a 4x4 transposed convolution: the initial kernel of every image upsampler.
BILINEAR = np.outer([0.25, 0.75, 0.75, 0.25], [0.25, 0.75, 0.75, 0.25])[:, :, None, None]


def he_stddev(features: int) -> float:
    """Standard deviation of 3x3 filters with `features` inputs by He et al. (2015), as in the LapSRN authors' code."""
    return (2 / (9 * features)) ** 0.5


def filter_init(shape: tuple[int, int, int, int], stddev: float, use_bias: bool) -> Callable[[jax.Array], Filter]:
    """Returns an initialiser of one `Filter`: kernel [h, w, I, O] from N(0, stddev^2), bias zero."""

    def init(key: jax.Array) -> Filter:
        kernel = {"kernel": stddev * jax.random.normal(key, shape)}
        return kernel | {"bias": jnp.zeros(shape[-1])} if use_bias else kernel

    return init


def block_init(depth: int, features: int, use_bias: bool) -> Callable[[jax.Array], dict[str, Filter]]:
    """Returns an initialiser of `depth` 3x3 filters, features -> features, named conv_1, conv_2, ..."""
    init = filter_init((3, 3, features, features), he_stddev(features), use_bias)
    return lambda key: {f"conv_{i}": init(jax.random.fold_in(key, i)) for i in range(1, depth + 1)}


def bilinear_init(_: jax.Array) -> Filter:
    """The initialiser of an image upsampler: kernel [4, 4, 1, 1], no bias."""
    return {"kernel": jnp.asarray(BILINEAR)}


def check_count(name: str, value: object) -> None:
    """Raises `ValueError` unless `value`, a model's attribute, is a whole number of 1 or more."""
    if not isinstance(value, int) or value < 1:
        raise ValueError(f"{name} must be a whole number, 1 or more; got {value!r}")


def check_scale(scale: int, scales: Sequence[int]) -> None:
    """Raises `UserError` unless `scale` is one of a model's `scales`."""
    if scale not in scales:
        raise UserError(f"this network enlarges by {', '.join(f'x{s}' for s in scales)}, not by x{scale}")


def conv(x: jax.Array, kernel: jax.Array, bias: jax.Array | None = None) -> jax.Array:
    """`conv_direct`, computed by the algorithm that is faster on the platform it is compiled for."""
    kernel = kernel.astype(x.dtype)
    if not winograd_is_faster(x, kernel):
        return conv_direct(x, kernel, bias)
    y = lax.platform_dependent(x, kernel, cpu=winograd.conv3x3, default=conv_direct)
    return y if bias is None else y + bias.astype(x.dtype)


def conv_direct(x: jax.Array, kernel: jax.Array, bias: jax.Array | None = None) -> jax.Array:
    """Convolution, stride 1, zero padding that keeps the size: [N, H, W, I] to [N, H, W, O], in the dtype of `x`.

    The definition of convolution here.
    """
    y = lax.conv_general_dilated(x, kernel.astype(x.dtype), (1, 1), "SAME", dimension_numbers=_DIMENSIONS)
    return y if bias is None else y + bias.astype(x.dtype)


def winograd_is_faster(x: jax.Array, kernel: jax.Array) -> bool:
    """Whether `winograd.conv3x3` beats `conv_direct` on a CPU: see benchmarks/convolution.py."""
    if not all(isinstance(size, int) for size in x.shape):  # exported, for images of any size
        return False
    large = min(x.shape[1:3]) >= 8 and min(kernel.shape[2:]) >= 16
    return large and kernel.shape[:2] == (3, 3) and x.dtype == jnp.float32


def through_block(layer: Callable[[jax.Array, Filter], jax.Array], x: jax.Array, block: dict[str, Filter]) -> jax.Array:
    """Applies `layer(x, filter)`, which keeps the shape of `x`, with each filter of a block in its order."""
    for i in range(1, len(block) + 1):
        x = layer(x, block[f"conv_{i}"])
    return x


def conv_transpose(x: jax.Array, kernel: jax.Array, bias: jax.Array | None = None) -> jax.Array:
    """Transposed convolution, stride 2, `SAME`: [N, H, W, I] to [N, 2H, 2W, O]. The definition of upsampling here.

    A 3x3 kernel drops the last row and column of the full result; a 4x4 kernel drops one on each side.
    """
    y = lax.conv_transpose(x, kernel.astype(x.dtype), (2, 2), "SAME", dimension_numbers=_DIMENSIONS)
    return y if bias is None else y + bias.astype(x.dtype)


def upsample(x: jax.Array, kernel: jax.Array, bias: jax.Array | None = None) -> jax.Array:
    """`conv_transpose` with a 3x3 or 4x4 kernel, as four convolutions: one for each parity of output row and column.

    Output rows 2m + p see only the kernel rows p, p + 2, ...; the others meet the zeros between the input's rows. XLA's
    CPU backend computes with those zeros, and slowest of all in the gradient: see benchmarks/upsampling.py. On GPUs the
    gradient of `lax.conv_transpose` is reported to be slow as well.
    """
    n, height, width, _ = x.shape
    kernel = kernel.astype(x.dtype)

    def padding(phase: int, taps: int) -> tuple[int, int]:
        return (1 - phase, taps - 2 + phase)

    def parity(p: int, q: int) -> jax.Array:
        taps = kernel[p::2, q::2]
        pads = (padding(p, taps.shape[0]), padding(q, taps.shape[1]))
        return lax.conv_general_dilated(x, taps, (1, 1), pads, dimension_numbers=_DIMENSIONS)

    rows = [jnp.stack([parity(p, 0), parity(p, 1)], axis=3) for p in (0, 1)]  # two of [N, H, W, 2, O]
    y = jnp.stack(rows, axis=2).reshape(n, 2 * height, 2 * width, -1)  # from [N, H, 2, W, 2, O]
    return y if bias is None else y + bias.astype(x.dtype)


def bicubic_upsample(image: jax.Array, scale: int) -> jax.Array:
    """MATLAB's bicubic interpolation, as `images.resize.imresize`: [N, H, W, C] to [N, scale H, scale W, C]."""
    rows, columns = (
        resize_matrix(size, scale * size, scale).toarray().astype(image.dtype) for size in image.shape[1:3]
    )
    # In full precision: a GPU's default would lose the last digits of the image that the residual is added to.
    return jnp.einsum("ih,nhwc,jw->nijc", rows, image, columns, precision=lax.Precision.HIGHEST)


def leaky_relu(x: jax.Array) -> jax.Array:
    """x, and x / 5 where negative: the papers' slope of 0.2."""
    return jnp.maximum(x, 0.2 * x)
