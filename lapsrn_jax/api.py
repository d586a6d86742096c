"""The two functions that most programs need: `lapsrn_jax.upscale` and `lapsrn_jax.load`."""

import functools
import io
import os
import pathlib

import numpy as np
import PIL.Image

from lapsrn_jax.errors import UserError
from lapsrn_jax.photos.decoding import kind_of
from lapsrn_jax.photos.photo import Photo
from lapsrn_jax.photos.reading import read_photo
from lapsrn_jax.upscaling.photos import enlarged, target_size
from lapsrn_jax.upscaling.upscale import Upscaler
from lapsrn_jax.weights.files import load_weights as load
from lapsrn_jax.weights.files import weights_file

__all__ = ["load", "upscale"]

Picture = np.ndarray | PIL.Image.Image


def upscale(
    image: Picture | str | os.PathLike[str],
    scale: float | None = None,
    weights: str | os.PathLike[str] = "cms-lapsrn",
    *,
    width: int | None = None,
    height: int | None = None,
    fast: bool = False,
    self_ensemble: bool = False,
    max_memory: int | None = None,
) -> Picture:
    """Enlarges a picture.

    Args:
      image: a path; a Pillow image; or an array, uint8, uint16 or float in [0, 1], [H, W] gray or [H, W, C] with C
        1 (gray), 2 (gray, alpha), 3 (RGB) or 4 (RGB, alpha).
      scale: how many times as wide and high, above 1, whole or not; 4 if no width and no height are given.
      weights: the name of weights that come with the package, a run folder, or a weights file.
      width: of the result in pixels; the height follows, unless it is given too.
      height: likewise.
      fast: leave out half of the network's recursions: two thirds of the time for a little less quality.
      self_ensemble: average over the eight rotations and reflections: eight times the work for a little more quality.
      max_memory: bytes that the network may take at once; by default half of what is free.

    Returns:
      An array for an array, of its dtype and channels; else a Pillow image with the profile, EXIF and resolution of
      the given one. Floats are clipped to [0, 1].

    Raises:
      UserError: a picture or weights that cannot be read, a size that is no enlargement, `fast` with a network that
        has no recursions to spare, or a file with 16 bits of colour, which Pillow cannot hold (the command
        `lapsrn upscale` can).
    """
    file = weights_file(weights)
    network = _network(file, file.stat().st_mtime_ns, max_memory, self_ensemble, fast)
    if scale is None and width is None and height is None:
        scale = 4

    def enlarge(photo: Photo) -> np.ndarray:
        shape = photo.pixels.shape[:2]
        size = target_size(shape, scale, width, height)
        network.check(max(size[0] / shape[0], size[1] / shape[1]))
        return np.concatenate(list(enlarged(photo, network, size)))

    if isinstance(image, np.ndarray):
        pixels = enlarge(_from_array(image))
        return pixels[:, :, 0] if image.ndim == 2 else pixels
    photo = _from_pillow(image) if isinstance(image, PIL.Image.Image) else read_photo(image)
    if photo.pixels.dtype == np.uint16 and (photo.pixels.shape[2] > 1 or photo.alpha is not None):
        raise UserError(f"{image} has 16 bits of colour, more than Pillow can hold: use `lapsrn upscale`")
    pixels = enlarge(photo)
    result = PIL.Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    if photo.pixels.shape[2] == 4:
        result = PIL.Image.frombytes("CMYK", result.size, pixels.tobytes())
    told = {"icc_profile": photo.icc_profile, "exif": photo.exif, "dpi": photo.dpi}
    result.info |= {name: value for name, value in told.items() if value}
    return result


@functools.lru_cache(maxsize=4)
def _network(weights: pathlib.Path, changed: int, max_memory: int | None, self_ensemble: bool, fast: bool) -> Upscaler:
    """Kept for the next picture, until the file changes."""
    return Upscaler(*load(weights), max_memory, self_ensemble, fast)


def _from_array(image: np.ndarray) -> Photo:
    known = image.dtype in (np.uint8, np.uint16) or np.issubdtype(image.dtype, np.floating)
    if not known or image.ndim not in (2, 3) or not image.size or (image.ndim == 3 and image.shape[2] > 4):
        raise UserError(
            f"no picture: an array of {image.dtype}, shape {image.shape}; it takes uint8, uint16 or float in [0, 1], "
            "[H, W] or [H, W, 1 to 4]"
        )
    if np.issubdtype(image.dtype, np.floating) and not (image.min() >= 0 and image.max() <= 1):
        raise UserError(f"float pictures are in [0, 1]; this one goes from {image.min():g} to {image.max():g}")
    pixels = image.reshape(*image.shape[:2], -1)
    channels = pixels.shape[2] - (pixels.shape[2] in (2, 4))
    return Photo(pixels[:, :, :channels], pixels[:, :, channels] if channels < pixels.shape[2] else None)


def _from_pillow(image: PIL.Image.Image) -> Photo:
    if image.mode != "I;16" and image.mode != (kind := kind_of(image, "the image")):
        image = image.convert(kind)
    buffer = io.BytesIO()
    told = {name: image.info[name] for name in ("icc_profile", "dpi", "transparency") if name in image.info}
    exif = image.getexif().tobytes() if image.getexif() else None
    form = "TIFF" if image.mode == "CMYK" else "PNG"
    image.save(
        buffer, form, **told, **({"exif": exif} if exif else {}), **({"compress_level": 1} if form == "PNG" else {})
    )
    buffer.seek(0)
    return read_photo(buffer, "the image")
