"""Pictures with transparency, of any depth and kind of colour, through the network."""

import math
from collections.abc import Iterator

import numpy as np
import scipy.ndimage

from lapsrn_jax.errors import UserError
from lapsrn_jax.images.resize import scaled_size
from lapsrn_jax.photos.photo import Photo
from lapsrn_jax.upscaling.upscale import Progress, Size, Upscaler


def enlarged(
    photo: Photo, upscale: Upscaler, size: Size, *, progress: Progress = lambda _: None
) -> Iterator[np.ndarray]:
    """Bands of the enlarged photo, [n, W', channels and alpha], in its dtype: uint8, uint16 or float in [0, 1].

    RGB goes through the network as luminance; gray, the four inks of CMYK and transparency as planes of their own.
    A pixel that cannot be seen takes the colour of the nearest one that can: whatever colour it has would else show as
    a fringe.

    Args:
      photo: the picture.
      upscale: the network.
      size: of the result, (H', W').
      progress: is told what share of the work is done, piece by piece.
    """
    dtype = photo.pixels.dtype
    whole = np.issubdtype(dtype, np.integer)
    peak = np.iinfo(dtype).max if whole else 1
    shape, channels = photo.pixels.shape[:2], photo.pixels.shape[2]
    alpha = photo.alpha
    transparent = alpha is not None and bool((alpha != peak).any())
    runs = (1 if channels == 3 else channels) + transparent

    def share(part: float) -> None:
        progress(part / runs)

    def opacity(start: int, stop: int) -> np.ndarray:
        assert alpha is not None
        return alpha[start:stop] / peak

    pixels = _bled(photo.pixels, alpha) if alpha is not None and transparent else photo.pixels

    def colors(start: int, stop: int) -> np.ndarray:
        return pixels[start:stop] / peak

    if channels == 3:
        bands = upscale.color(colors, shape, size, progress=share)
    else:
        planes = [
            upscale.gray(lambda start, stop, c=c: colors(start, stop)[:, :, c], shape, size, progress=share)  # type: ignore[misc]
            for c in range(channels)
        ]
        bands = (np.stack(band, axis=2) for band in zip(*planes, strict=True))
    opacities = upscale.gray(opacity, shape, size, progress=share) if transparent else None

    for band in bands:
        if opacities is not None:
            band = np.concatenate([band, next(opacities)[:, :, None]], axis=2)
        elif alpha is not None:
            band = np.concatenate([band, np.ones_like(band[:, :, :1])], axis=2)
        band = np.clip(band, 0, 1)
        yield (np.floor(band * peak + 0.5) if whole else band).astype(dtype)


def _bled(pixels: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """The colours, [H, W, C], those of fully transparent pixels replaced by the nearest of the others."""
    if not alpha.any():
        return pixels
    rows, columns = scipy.ndimage.distance_transform_edt(alpha == 0, return_distances=False, return_indices=True)
    return pixels[rows, columns]


def target_size(shape: Size, scale: float | None, width: int | None, height: int | None) -> Size:
    """The (H', W') that a picture of (H, W) is enlarged to: by `scale`, or to a width, a height or both.

    Raises:
      UserError: none of them or both kinds, a scale that does not enlarge, or a side that would shrink.
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
    if height < shape[0] or width < shape[1]:
        raise UserError(f"{width} x {height} is smaller than the picture, {shape[1]} x {shape[0]}: this tool enlarges")
    return height, width
