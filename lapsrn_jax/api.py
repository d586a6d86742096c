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
from lapsrn_jax.weights.files import AUTO, load_weights, load_weights_for_photos, weights_file, weights_for

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
    keep_hidden: bool = False,
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
    keep_hidden: bool = False,
    max_memory: int | None = None,
) -> npt.NDArray[Any]: ...


def upscale(
    image: PIL.Image.Image | Path | npt.ArrayLike,
    scale: float | None = None,
    *,
    weights: Path = AUTO,
    width: int | None = None,
    height: int | None = None,
    fast: bool = False,
    self_ensemble: bool = False,
    keep_hidden: bool = False,
    max_memory: int | None = None,
) -> PIL.Image.Image | npt.NDArray[Any]:
    """Enlarges an image.

    The first call for a network and an image size compiles the network. The compiled program is kept on disk for later
    processes, in the package's cache folder unless `jax_compilation_cache_dir` names another one.

    Args:
      image: a path, a Pillow image, or anything that `np.asarray` accepts, such as a NumPy array, a JAX array or a
        list. Arrays are uint8, uint16 or float in [0, 1], of shape [H, W] (gray) or [H, W, C], where C is 1 (gray),
        2 (gray, alpha), 3 (RGB) or 4 (RGBA).
      scale: the factor for width and height, any number above 1. Defaults to 4 if `width` and `height` are None.
      weights: "auto", the name of weights in the package ("cms-lapsrn", "cms-lapsrn-photo" or "ms-lapsrn"), a run
        folder, or a weights file. "auto" takes "cms-lapsrn-photo" for JPEG, AVIF, HEIC, lossy WebP and TIFF with
        JPEG inside, and "cms-lapsrn" for everything else. For a Pillow image, its `format` decides; WebP counts as
        lossy. Copies and converted images have no format and count as clean, like arrays.
      width: width of the result in pixels. The height keeps the aspect ratio unless it is given too.
      height: height of the result in pixels. The width keeps the aspect ratio unless it is given too.
      fast: run half of the network's recursions, which takes about 0.6 of the time at slightly lower quality.
      self_ensemble: average over the eight rotations and reflections, which takes eight times as long at slightly
        higher quality.
      keep_hidden: keep the colours of fully transparent pixels, which textures need. By default, these pixels take the
        colours of their visible neighbours, so that objects get no fringe.
      max_memory: memory limit in bytes; see `Upscaler`.

    Returns:
      For an array, a NumPy array with the same dtype and number of channels; otherwise a Pillow image with the ICC
      profile, EXIF and resolution of the input. Float results are clipped to [0, 1].

    Raises:
      UserError: the image or the weights cannot be read, the requested size is smaller than the image, `fast` is set
        for a network with fewer than four recursions, or the file has 16-bit colour, which Pillow cannot represent
        (`lapsrn upscale` can).
    """
    keep_compiled()
    clean, lossy = (weights_file(weights_for(weights, lossy)) for lossy in (False, True))
    changed = clean.stat().st_mtime_ns, lossy.stat().st_mtime_ns
    network = _network(clean, lossy, changed, max_memory, self_ensemble, fast)
    if scale is None and width is None and height is None:
        scale = 4

    def enlarge(photo: Photo) -> np.ndarray:
        shape = photo.pixels.shape[:2]
        size = target_size(shape, scale, width, height)
        network.check_size(shape, size)
        return np.concatenate(list(enlarged(photo, network, size, keep_hidden=keep_hidden)))

    if isinstance(image, PIL.Image.Image | str | os.PathLike):
        photo = from_pillow(image) if isinstance(image, PIL.Image.Image) else read_photo(image)
        check_pillow(photo, image)
        return to_pillow(enlarge(photo), photo)
    array = as_array(image)
    pixels = enlarge(_from_array(array))
    return pixels[:, :, 0] if array.ndim == 2 else pixels


def load(weights: Path) -> tuple[SuperResolver, dict[str, Any]]:
    """Loads a trained network for `model.apply({"params": params}, image, scale)`.

    Args:
      weights: the name of weights in the package ("cms-lapsrn", "cms-lapsrn-photo" or "ms-lapsrn"), a run folder, a
        safetensors file written by this package, or a `.mat` file released by the LapSRN authors.

    Returns:
      (model, params): a module from `lapsrn_jax.models`, such as a `Pyramid`, and its parameters as a tree of float32
      NumPy arrays.

    Raises:
      UserError: the file does not exist or is not a weights file, its arrays do not fit the model, or a value is not
        finite.
    """
    keep_compiled()
    return load_weights(weights)


@functools.lru_cache(maxsize=4)
def _network(
    clean: pathlib.Path,
    lossy: pathlib.Path,
    changed: tuple[int, int],
    max_memory: int | None,
    self_ensemble: bool,
    fast: bool,
) -> Upscaler:
    """Caches the network for the next image; `changed`, the files' time stamps, makes a changed file load again."""
    model, params, lossy_params = load_weights_for_photos(clean, lossy)
    return Upscaler(
        model, params, lossy_params=lossy_params, max_memory=max_memory, self_ensemble=self_ensemble, fast=fast
    )


def _from_array(image: np.ndarray) -> Photo:
    floats = np.issubdtype(image.dtype, np.floating)
    known = floats or image.dtype in (np.uint8, np.uint16)
    if not known or image.ndim not in (2, 3) or not image.size or (image.ndim == 3 and image.shape[2] > 4):
        raise UserError(
            f"not an image: an array of {image.dtype} with shape {image.shape}; pass uint8, uint16 or float in [0, 1], "
            "of shape [H, W] or [H, W, 1 to 4]"
        )
    if floats and np.isnan(image).any():
        raise UserError("the image has NaN values; float images must be in [0, 1]: replace the NaNs first")
    if floats and not (image.min() >= 0 and image.max() <= 1):
        raise UserError(
            f"the image has values from {image.min():g} to {image.max():g}; float images must be in [0, 1]: rescale it"
        )
    pixels = image.reshape(*image.shape[:2], -1)
    channels = pixels.shape[2] - (pixels.shape[2] in (2, 4))
    return Photo(pixels[:, :, :channels], pixels[:, :, channels] if channels < pixels.shape[2] else None)
