"""The public functions: `lapsrn_jax.upscale` and `lapsrn_jax.load`."""

import functools
import os
import pathlib
from typing import Any, overload

import numpy as np
import numpy.typing as npt
import PIL.Image

from lapsrn_jax.cache import keep_compiled
from lapsrn_jax.errors import UserError
from lapsrn_jax.images.io import as_array
from lapsrn_jax.models import SuperResolver
from lapsrn_jax.photos.photo import Photo
from lapsrn_jax.photos.pillow import check_pillow, from_pillow, to_pillow
from lapsrn_jax.photos.reading import read_photo
from lapsrn_jax.upscaling.photos import enlarged, target_size
from lapsrn_jax.upscaling.upscale import Upscaler
from lapsrn_jax.weights.files import load_weights, weights_file

__all__ = ["load", "upscale"]

Path = str | os.PathLike[str]


@overload
def upscale(  # type: ignore[overload-overlap]
    image: PIL.Image.Image | Path,
    scale: float | None = None,
    *,
    weights: Path = ...,
    width: int | None = None,
    height: int | None = None,
    fast: bool = False,
    self_ensemble: bool = False,
    max_memory: int | None = None,
) -> PIL.Image.Image: ...


@overload
def upscale(
    image: npt.ArrayLike,
    scale: float | None = None,
    *,
    weights: Path = ...,
    width: int | None = None,
    height: int | None = None,
    fast: bool = False,
    self_ensemble: bool = False,
    max_memory: int | None = None,
) -> npt.NDArray[Any]: ...


def upscale(
    image: PIL.Image.Image | Path | npt.ArrayLike,
    scale: float | None = None,
    *,
    weights: Path = "cms-lapsrn",
    width: int | None = None,
    height: int | None = None,
    fast: bool = False,
    self_ensemble: bool = False,
    max_memory: int | None = None,
) -> PIL.Image.Image | npt.NDArray[Any]:
    """Enlarges an image.

    The first call for a network and a size compiles it, and keeps the result on disk for later processes, unless JAX
    was given a cache of its own (`jax_compilation_cache_dir`).

    Args:
      image: a path; a Pillow image; or an array or anything that `np.asarray` makes one of, such as a JAX array or a
        list: uint8, uint16 or float in [0, 1], [H, W] gray or [H, W, C] with C 1 (gray), 2 (gray, alpha), 3 (RGB) or
        4 (RGB, alpha).
      scale: how many times as wide and high, above 1, whole or not; 4 if no width and no height are given.
      weights: the name of weights that come with the package, a run folder, or a weights file.
      width: of the result in pixels; the height follows, unless it is given too.
      height: of the result in pixels; the width follows, unless it is given too.
      fast: leave out half of the network's recursions: two thirds of the time for a little less quality.
      self_ensemble: average over the eight rotations and reflections: eight times the work for a little more quality.
      max_memory: bytes, as in `Upscaler`.

    Returns:
      A NumPy array for an array, of its dtype and channels; else a Pillow image with the profile, EXIF and resolution
      of the given one. Floats are clipped to [0, 1].

    Raises:
      UserError: an image or weights that cannot be read, a size that is no enlargement, `fast` with a network that has
        no recursions to spare, or a file with 16 bits of colour, which Pillow cannot hold (the command
        `lapsrn upscale` can).
    """
    keep_compiled()
    file = weights_file(weights)
    network = _network(file, file.stat().st_mtime_ns, max_memory, self_ensemble, fast)
    if scale is None and width is None and height is None:
        scale = 4

    def enlarge(photo: Photo) -> np.ndarray:
        shape = photo.pixels.shape[:2]
        size = target_size(shape, scale, width, height)
        network.check(max(size[0] / shape[0], size[1] / shape[1]))
        return np.concatenate(list(enlarged(photo, network, size)))

    if isinstance(image, PIL.Image.Image | str | os.PathLike):
        photo = from_pillow(image) if isinstance(image, PIL.Image.Image) else read_photo(image)
        check_pillow(photo, image)
        return to_pillow(enlarge(photo), photo)
    array = as_array(image)
    pixels = enlarge(_from_array(array))
    return pixels[:, :, 0] if array.ndim == 2 else pixels


def load(weights: Path) -> tuple[SuperResolver, dict[str, Any]]:
    """The model and the parameters of trained weights, for `model.apply({"params": params}, image, scale)`.

    Args:
      weights: the name of weights that come with the package ("cms-lapsrn", "ms-lapsrn"), a run folder, a safetensors
        file of this package, or a `.mat` file of the LapSRN authors.

    Returns:
      (model, params): one of `lapsrn_jax.models`, such as a `Pyramid`; the tree of its parameters, NumPy float32.

    Raises:
      UserError: no such file, no weights file, arrays that do not fit the model, or values that are not finite.
    """
    keep_compiled()
    return load_weights(weights)


@functools.lru_cache(maxsize=4)
def _network(weights: pathlib.Path, changed: int, max_memory: int | None, self_ensemble: bool, fast: bool) -> Upscaler:
    """Kept for the next image, until the file changes."""
    return Upscaler(*load_weights(weights), max_memory=max_memory, self_ensemble=self_ensemble, fast=fast)


def _from_array(image: np.ndarray) -> Photo:
    floats = np.issubdtype(image.dtype, np.floating)
    known = floats or image.dtype in (np.uint8, np.uint16)
    if not known or image.ndim not in (2, 3) or not image.size or (image.ndim == 3 and image.shape[2] > 4):
        raise UserError(
            f"no picture: an array of {image.dtype}, shape {image.shape}; it takes uint8, uint16 or float in [0, 1], "
            "[H, W] or [H, W, 1 to 4]"
        )
    if floats and np.isnan(image).any():
        raise UserError("float pictures are in [0, 1]; this one has NaN values: replace them first")
    if floats and not (image.min() >= 0 and image.max() <= 1):
        raise UserError(f"float pictures are in [0, 1]; this one goes from {image.min():g} to {image.max():g}")
    pixels = image.reshape(*image.shape[:2], -1)
    channels = pixels.shape[2] - (pixels.shape[2] in (2, 4))
    return Photo(pixels[:, :, :channels], pixels[:, :, channels] if channels < pixels.shape[2] else None)
