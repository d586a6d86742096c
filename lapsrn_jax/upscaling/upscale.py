"""Enlarges gray and colour images of any size to any size with a network, in bands of rows."""

import copy
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import jax
import numpy as np
import numpy.typing as npt

from lapsrn_jax.errors import UserError
from lapsrn_jax.images.color import full_range, rgb_to_ycbcr, studio_range, ycbcr_to_rgb
from lapsrn_jax.images.io import as_array
from lapsrn_jax.images.resize import apply_along, resize_matrix, scaled_size
from lapsrn_jax.models import Pyramid, SuperResolver
from lapsrn_jax.upscaling.memory import free_memory
from lapsrn_jax.upscaling.tiles import Rows, Tiles

BAND = 64  # rows per band outside of the network
BYTES_PER_PIXEL = 16  # memory for an image that is being enlarged, and as much for its result

Size = tuple[int, int]
Progress = Callable[[float], None]


class Upscaler:
    """A function that enlarges images with a trained model.

    If the model works on luminance, bicubic interpolation enlarges the two colour channels, as in the papers. If it
    works on RGB, a gray image becomes three equal channels. For a scale that the model does not have, the next larger
    one is used and its result is resized.

    Args:
      model: a module from `lapsrn_jax.models`.
      params: the parameters of the model.
      lossy_params: the parameters of `for_lossy`, for photos from files with lossy compression; None for the same.
      max_memory: memory limit in bytes for enlarging, without the result; None for the free memory. The network uses at
        most half of it, by working in tiles. The other half is for the decoded image and the current rows.
      self_ensemble: average the network over the eight rotations and reflections.
      fast: use half of the model's recursions.
      devices: the devices that share the work, all of one kind; None for JAX's first. The memory limit holds for each
        accelerator, or for all devices of a CPU together.

    Raises:
      UserError: `fast` is set and the model has fewer than four recursions.
    """

    def __init__(
        self,
        model: SuperResolver,
        params: Any,
        *,
        lossy_params: Any = None,
        max_memory: int | None = None,
        self_ensemble: bool = False,
        fast: bool = False,
        devices: Sequence[jax.Device] | None = None,
    ) -> None:
        self._model = with_half_the_recursions(model) if fast else model
        limit = None if max_memory is None else max_memory // 2
        self._tiles = Tiles(self._model, params, limit, self_ensemble, devices)
        self._lossy_tiles = self._tiles if lossy_params is None else self._tiles.with_params(lossy_params)
        self.memory_for_images = free_memory() // 2 if limit is None else limit  # bytes for images and results

    @property
    def for_lossy(self) -> "Upscaler":
        """The same with `lossy_params`. Both share the devices."""
        other = copy.copy(self)
        other._tiles = self._lossy_tiles
        return other

    @property
    def images_at_once(self) -> int:
        """The number of images that keep the devices busy, if each is a single tile and another is being prepared."""
        return self._tiles.devices.at_once + 1

    def __call__(self, image: npt.ArrayLike, scale: float) -> npt.NDArray[np.float64]:
        """Enlarges an image.

        Args:
          image: float, RGB [H, W, 3] in [0, 1] or luminance [H, W], which runs from 16/255 to 235/255 in colour
            photographs: an array or anything that `np.asarray` accepts.
          scale: the factor for width and height, any number above 1.

        Returns:
          float64 with the rank of the image, neither rounded nor clipped.

        Raises:
          UserError: the scale is 1 or less or exceeds the model's largest scale, or the image is of another kind.
        """
        self.check(scale)
        image = _checked(image)
        size = (scaled_size(image.shape[0], scale), scaled_size(image.shape[1], scale))
        if image.ndim == 2:
            return np.concatenate(list(self.gray(lambda a, b: image[a:b], image.shape, size)))
        return np.concatenate(list(self.color(lambda a, b: image[a:b], image.shape[:2], size)))

    def check(self, scale: float) -> None:
        """Raises `UserError` unless the model can enlarge by `scale`."""
        if not scale > 1:
            raise UserError(f"the scale must be a number above 1, got {scale:g}")
        if scale > (largest := max(self._model.scales)):
            raise UserError(f"this network enlarges by at most x{largest}, not by x{scale:g}")

    def check_size(self, shape: Size, size: Size) -> None:
        """Raises `UserError` unless the model can enlarge an image of `shape` (H, W) to `size` (H', W')."""
        self.check(_factor(shape, size))

    def color(
        self, rows: Rows, shape: Size, size: Size, *, progress: Progress = lambda _: None
    ) -> Iterator[np.ndarray]:
        """Yields bands of the enlarged RGB image, float64 [n, W', 3] with n <= BAND.

        Args:
          rows: a function of (start, stop) that returns these rows of the image, float [stop - start, W, 3] in [0, 1].
          shape: (H, W) of the image in pixels.
          size: (H', W') of the result in pixels.
          progress: called with the share of the network's work that was done since the last call.
        """
        if self._model.channels == 3:
            yield from self._network(rows, shape, size, progress)
            return
        luminance = self.gray(lambda a, b: rgb_to_ycbcr(rows(a, b))[:, :, 0], shape, size, progress=progress)
        chroma = imresize_bands(lambda a, b: rgb_to_ycbcr(rows(a, b))[:, :, 1:], shape, size)
        for y, differences in zip(luminance, chroma, strict=True):
            yield ycbcr_to_rgb(np.concatenate([y[:, :, None], differences], axis=2))

    def gray(self, rows: Rows, shape: Size, size: Size, *, progress: Progress = lambda _: None) -> Iterator[np.ndarray]:
        """Does the same as `color` for one channel: rows [n, W] become bands [n, W']."""
        channels = self._model.channels
        for band in self._network(
            lambda a, b: np.repeat(rows(a, b)[:, :, None], channels, axis=2), shape, size, progress
        ):
            yield band.mean(axis=2)

    def shades(
        self, rows: Rows, shape: Size, size: Size, *, progress: Progress = lambda _: None
    ) -> Iterator[np.ndarray]:
        """Does the same as `gray` for values from black at 0 to white at 1, as in gray pictures and transparency.

        A model on luminance gets them in the range of luminance, which it knows from its training.
        """
        if self._model.channels == 3:
            return self.gray(rows, shape, size, progress=progress)
        return map(full_range, self.gray(lambda a, b: studio_range(rows(a, b)), shape, size, progress=progress))

    def _network(self, rows: Rows, shape: Size, size: Size, progress: Progress) -> Iterator[np.ndarray]:
        """Does the same as `color` for the network's own channels."""
        scale = min(scale for scale in self._model.scales if scale >= _factor(shape, size) - 1e-9)
        bands = self._tiles.bands(rows, shape, scale, progress)
        return _resized(bands, (shape[0] * scale, shape[1] * scale), size)


def _factor(shape: Size, size: Size) -> float:
    return max(size[0] / shape[0], size[1] / shape[1])


def _checked(image: npt.ArrayLike) -> np.ndarray:
    array = as_array(image)
    shaped = array.ndim >= 2 and array.shape[2:] in ((), (3,)) and array.size
    if not shaped or not np.issubdtype(array.dtype, np.floating):
        raise UserError(
            f"the image must be float in [0, 1], [H, W] or [H, W, 3]; got {array.dtype}, shape {array.shape}"
        )
    if not np.isfinite(array).all():
        raise UserError("the image has values that are not finite: replace them first")
    return array


def with_half_the_recursions(model: SuperResolver) -> SuperResolver:
    """Returns a faster model for the same parameters. See docs/speed.md for the loss in quality.

    Raises:
      UserError: the model has fewer than four recursions. With only two, the second is worth more than 1 dB.
    """
    if not isinstance(model, Pyramid) or model.recursions < 4:
        raise UserError("fast needs a pyramid with four or more recursions, and this network has fewer: leave out fast")
    return model.clone(recursions=model.recursions // 2)


def imresize_bands(rows: Rows, shape: Size, size: Size) -> Iterator[np.ndarray]:
    """Yields MATLAB's `imresize` of an image in bands, float64 [n, W', ...], with the arguments of `Upscaler.color`."""
    return _resized((rows(a, min(a + BAND, shape[0])) for a in range(0, shape[0], BAND)), shape, size)


def _resized(bands: Iterable[np.ndarray], shape: Size, size: Size) -> Iterator[np.ndarray]:
    """Resizes an image from bands of any height to bands of BAND rows. Keeps only the rows that are still needed."""
    vertical = resize_matrix(shape[0], size[0], size[0] / shape[0])
    horizontal = resize_matrix(shape[1], size[1], size[1] / shape[1])
    source, kept, first = iter(bands), np.empty((0,)), 0  # `kept` has rows from `first` on, already widened
    for start in range(0, size[0], BAND):
        rows = vertical[start : start + BAND]
        low, high = int(rows.indices.min()), int(rows.indices.max()) + 1
        parts = [kept[low - first :]] if len(kept) else []
        ready = first + len(kept)
        while ready < high:
            band = next(source)
            wide = band if shape[1] == size[1] else apply_along(horizontal, band, axis=1)
            parts.append(wide[max(low - ready, 0) :] if not parts else wide)
            ready += len(band)
        kept, first = np.concatenate(parts) if len(parts) > 1 else parts[0], low
        yield apply_along(rows[:, low:high], kept[: high - low], axis=0)
