"""Enlarges photos of any bit depth and colour type, with or without transparency."""

import math
from collections.abc import Iterator

import numpy as np
import scipy.ndimage

from lapsrn_jax.errors import UserError
from lapsrn_jax.images.resize import scaled_size
from lapsrn_jax.photos.photo import Photo
from lapsrn_jax.upscaling.upscale import Progress, Size, Upscaler

_REACH = 5  # pixels; interpolation sees two on either side


def enlarged(
    photo: Photo,
    upscale: Upscaler,
    size: Size,
    *,
    keep_hidden: bool = False,
    progress: Progress = lambda _: None,
) -> Iterator[np.ndarray]:
    """Yields the enlarged photo in bands [n, W', C], with the photo's dtype, and alpha last if it has alpha.

    For RGB, the network enlarges the luminance. Gray, alpha, and each ink of CMYK are enlarged as separate planes. They
    are mapped to the range of luminance before, so that a gray photo gives the same as one with three equal channels.
    Pixels that are less visible than their neighbours first take on their colour, so that objects get no fringe.

    Args:
      photo: the photo; its dtype is uint8, uint16 or float in [0, 1].
      upscale: the network. A lossy photo takes its `for_lossy`.
      size: (H', W') of the result in pixels.
      keep_hidden: keep the colours of invisible pixels, which textures need, at the risk of fringes.
      progress: called with the share of the work that was done since the last call.
    """
    upscale = upscale.for_lossy if photo.lossy else upscale
    dtype = photo.pixels.dtype
    whole = np.issubdtype(dtype, np.integer)
    peak = np.iinfo(dtype).max if whole else 1
    shape, channels = photo.pixels.shape[:2], photo.channels
    alpha = photo.alpha
    transparent = alpha is not None and bool((alpha != peak).any())
    runs = (1 if channels == 3 else channels) + transparent

    def share(part: float) -> None:
        progress(part / runs)

    def opacity(start: int, stop: int) -> np.ndarray:
        assert alpha is not None
        return alpha[start:stop] / peak

    pixels = photo.pixels
    if alpha is not None and transparent and not keep_hidden:
        pixels = _without_fringe(pixels, alpha)

    def colors(start: int, stop: int) -> np.ndarray:
        return pixels[start:stop] / peak

    def plane(channel: int) -> Iterator[np.ndarray]:
        return upscale.shades(lambda start, stop: colors(start, stop)[:, :, channel], shape, size, progress=share)

    if channels == 3:
        bands = upscale.color(colors, shape, size, progress=share)
    else:
        planes = map(plane, range(channels))
        bands = (np.stack(band, axis=2) for band in zip(*planes, strict=True))
    opacities = upscale.shades(opacity, shape, size, progress=share) if transparent else None

    for band in bands:
        if opacities is not None:
            band = np.concatenate([band, next(opacities)[:, :, None]], axis=2)
        elif alpha is not None:
            band = np.concatenate([band, np.ones_like(band[:, :, :1])], axis=2)
        band = np.clip(band, 0, 1)
        yield (np.floor(band * peak + 0.5) if whole else band).astype(dtype)


def _without_fringe(pixels: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Returns the colours [H, W, C], where pixels that are less visible than their neighbours take on their colour.

    The mean of the neighbours is weighted by alpha, as if the colours were premultiplied. A pixel keeps the share of
    its own colour that its alpha is of the largest one nearby, so areas of equal alpha do not change.
    """
    most = scipy.ndimage.maximum_filter(alpha, _REACH)
    if not most.any():
        return pixels
    opacity, weak = alpha.astype(np.float64), alpha < most
    share, weight = opacity[weak] / most[weak], scipy.ndimage.uniform_filter(opacity, _REACH)[weak]
    result = pixels.copy()
    for c in range(pixels.shape[2]):
        plane = pixels[:, :, c]
        mean = scipy.ndimage.uniform_filter(plane * opacity, _REACH)[weak] / weight
        mixed = np.clip(share * plane[weak] + (1 - share) * mean, plane.min(), plane.max())
        result[weak, c] = np.rint(mixed) if np.issubdtype(plane.dtype, np.integer) else mixed
    rows, columns = scipy.ndimage.distance_transform_edt(most == 0, return_distances=False, return_indices=True)
    return result[rows, columns]


def target_size(
    shape: Size, scale: float | None, width: int | None, height: int | None, *, keep_large: bool = False
) -> Size:
    """Returns the size (H', W') of the result for a picture of size `shape` (H, W).

    Args:
      shape: (H, W) of the picture in pixels.
      scale: factor for both sides, above 1. Give either `scale`, or `width`, `height` or both.
      width: W' in pixels. If only this is given, the height keeps the aspect ratio.
      height: H' in pixels. If only this is given, the width keeps the aspect ratio.
      keep_large: return `shape` if neither side would have to grow.

    Raises:
      UserError: neither or both kinds of arguments are given, or a side would not grow.
    """
    if (scale is None) == (width is None and height is None):
        raise UserError("give either a scale, or a width, a height or both")
    if scale is not None:
        if not 1 < scale < math.inf:
            raise UserError(f"the scale must be a number above 1, got {scale:g}")
        return scaled_size(shape[0], scale), scaled_size(shape[1], scale)
    if height is None:
        assert width is not None
        height = scaled_size(shape[0], width / shape[1])
    if width is None:
        width = scaled_size(shape[1], height / shape[0])
    if keep_large and height <= shape[0] and width <= shape[1]:
        return shape
    if height < shape[0] or width < shape[1]:
        raise UserError(f"{width} x {height} is smaller than the picture, {shape[1]} x {shape[0]}: give a larger size")
    return height, width
