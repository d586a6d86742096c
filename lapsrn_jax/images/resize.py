"""MATLAB's `imresize(..., 'bicubic')` in float64.

Super-resolution papers make their low-resolution images with MATLAB's `imresize`, and other bicubic filters (Pillow's,
OpenCV's, `jax.image.resize`) give different scores. MATLAB uses Keys' kernel with a = -1/2, widens it when shrinking
(antialiasing), and mirrors the border with the edge pixel repeated.
"""

import functools
import math

import numpy as np
import scipy.sparse

SUPPORT = 4  # width of Keys' kernel in pixels, when not shrinking


def _keys_cubic(x: np.ndarray) -> np.ndarray:
    """Returns the cubic convolution kernel of Keys (1981), equation 15, with a = -1/2, at `x`."""
    x = np.abs(x)
    near = (1.5 * x - 2.5) * x**2 + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return np.where(x <= 1, near, np.where(x <= 2, far, 0.0))


@functools.lru_cache(maxsize=128)
def resize_matrix(in_size: int, out_size: int, scale: float, shift: float = 0.0) -> scipy.sparse.csr_array:
    """Returns the linear map for one axis: a sparse float64 matrix [out_size, in_size] whose rows sum to 1.

    The output is sampled `shift` input pixels further on than MATLAB does.
    """
    shrink = min(scale, 1.0)  # the kernel widens for scales below 1 (antialiasing)
    width = SUPPORT / shrink
    taps = math.ceil(width) + 2
    centre = (np.arange(out_size) + 0.5) / scale - 0.5 + shift  # output pixel centres in input coordinates
    first = np.floor(centre + 1 - width / 2).astype(int) - 1
    position = first[:, None] + np.arange(taps)  # [out_size, taps]; may lie outside the image
    weight = _keys_cubic(shrink * (centre[:, None] - position))
    weight /= weight.sum(axis=1, keepdims=True)
    mirrored = position % (2 * in_size)  # ... 1 0 | 0 1 ... n-1 | n-1 n-2 ...
    column = np.where(mirrored < in_size, mirrored, 2 * in_size - 1 - mirrored)
    row = np.repeat(np.arange(out_size, dtype=np.int32), taps)
    places = (row, column.astype(np.int32).ravel())
    matrix = scipy.sparse.csr_array((weight.ravel(), places), shape=(out_size, in_size))
    matrix.eliminate_zeros()  # drops the kernel's zeros, so that scale 1 maps each pixel to one pixel
    return matrix.copy()  # without the memory of what was dropped


def apply_along(matrix: scipy.sparse.csr_array, image: np.ndarray, axis: int) -> np.ndarray:
    """Applies a linear map along an axis.

    Args:
      matrix: float64 [M, N].
      image: any real dtype, with N pixels along the axis.
      axis: the axis.

    Returns:
      float64 with the shape of the image, but M pixels along the axis.
    """
    image = np.moveaxis(image, axis, 0)
    resized = matrix @ image.reshape(len(image), -1)
    return np.moveaxis(resized.reshape(-1, *image.shape[1:]), 0, axis)


def imresize(image: np.ndarray, scale: float | None = None, *, size: tuple[int, int] | None = None) -> np.ndarray:
    """Resizes an image with bicubic interpolation, equal to MATLAB's `imresize` on a double image.

    Args:
      image: [H, W] or [H, W, C], any real dtype and range.
      scale: output size over input size, above 0. The output is `scaled_size(H, scale)` by `scaled_size(W, scale)`.
      size: output (rows, columns), as an alternative to `scale`.

    Returns:
      float64 with the input's rank, neither rounded nor clipped: bicubic interpolation overshoots.

    Raises:
      ValueError: neither or both of `scale` and `size` are given, or one of them is not positive.
    """
    height, width = image.shape[:2]
    if scale is not None and size is None:
        out, scales = (scaled_size(height, scale), scaled_size(width, scale)), (float(scale), float(scale))
    elif size is not None and scale is None:
        out, scales = size, (size[0] / height, size[1] / width)
    else:
        raise ValueError("imresize takes either scale or size")
    if min(scales) <= 0:
        raise ValueError(f"imresize: scale and size must be positive, got {scale if size is None else size}")
    image = np.asarray(image, np.float64)
    for axis in sorted((0, 1), key=lambda axis: scales[axis]):  # MATLAB starts with the axis that shrinks most
        image = apply_along(resize_matrix(image.shape[axis], out[axis], scales[axis]), image, axis)
    return np.ascontiguousarray(image)


def resize_window(length: int, scale: float, window: slice) -> tuple[scipy.sparse.csr_array, slice]:
    """Returns the linear map for a part of one axis, so that only that part is computed.

    Args:
      length: size of the whole input axis.
      scale: output size over input size, as for `imresize`.
      window: the output pixels to compute; they must exist.

    Returns:
      (matrix, seen): along this axis, `matrix @ image[seen]` equals `imresize(image, scale)[window]`.
    """
    matrix = resize_matrix(length, scaled_size(length, scale), scale)[window]
    seen = slice(int(matrix.indices.min()), int(matrix.indices.max()) + 1)
    shape = (matrix.shape[0], seen.stop - seen.start)
    return scipy.sparse.csr_array((matrix.data, matrix.indices - seen.start, matrix.indptr), shape=shape), seen


def scaled_size(length: int, scale: float) -> int:
    """Returns `imresize`'s output length, `ceil(scale * length)`, where 100 * 1.1 counts as 110."""
    return max(1, math.ceil(round(length * scale, 9)))
