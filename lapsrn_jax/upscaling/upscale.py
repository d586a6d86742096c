"""A network becomes a way to enlarge pictures: gray and colour, of any size, to any size, in bands of rows."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from lapsrn_jax.errors import UserError
from lapsrn_jax.images.color import rgb_to_ycbcr, ycbcr_to_rgb
from lapsrn_jax.images.io import as_array
from lapsrn_jax.images.resize import resize_matrix, scaled_size
from lapsrn_jax.models import Pyramid, SuperResolver
from lapsrn_jax.upscaling.tiles import Rows, Tiles

BAND = 64  # rows that are worked on at a time, outside of the network

Size = tuple[int, int]
Progress = Callable[[float], None]


class Upscaler:
    """A model with its parameters, as a function of pictures.

    A network on luminance enlarges that, bicubic interpolation the two colour differences, as the papers do; a network
    on RGB sees gray as three equal channels. A scale that the model does not have takes the next and shrinks its image.

    Args:
      model: any of `lapsrn_jax.models`.
      params: its parameters.
      max_memory: bytes that enlarging may take beside the result; None: what is free. Half of it is for the network,
        which cuts the image into tiles that fit; the rest is for the decoded image and the rows being worked on.
      self_ensemble: whether to average the network over the eight rotations and reflections.
      fast: whether to leave out half of its recursions.

    Raises:
      UserError: `fast`, and there are no recursions to spare.
    """

    def __init__(
        self,
        model: SuperResolver,
        params: Any,
        *,
        max_memory: int | None = None,
        self_ensemble: bool = False,
        fast: bool = False,
    ) -> None:
        self._model = with_half_the_recursions(model) if fast else model
        self._tiles = Tiles(self._model, params, None if max_memory is None else max_memory // 2, self_ensemble)

    def __call__(self, image: npt.ArrayLike, scale: float) -> npt.NDArray[np.float64]:
        """Enlarges an image to `scale` times its height and width.

        Args:
          image: float in [0, 1], gray [H, W] or RGB [H, W, 3]; an array or anything that `np.asarray` makes one of.
          scale: above 1, whole or not.

        Returns:
          float64 of the rank of the image, neither rounded nor clipped.

        Raises:
          UserError: a scale of 1 or less or more than the model can give, or an image of another kind.
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

    def color(
        self, rows: Rows, shape: Size, size: Size, *, progress: Progress = lambda _: None
    ) -> Iterator[np.ndarray]:
        """Bands of the enlarged picture, float64 [BAND or fewer, W', 3].

        Args:
          rows: gives the picture's rows from one to before another, float [n, W, 3] in [0, 1].
          shape: of the picture, (H, W).
          size: to enlarge it to, (H', W').
          progress: is told what share of the network's work is done, piece by piece.
        """
        if self._model.channels == 3:
            yield from self._network(rows, shape, size, progress)
            return
        luminance = self.gray(lambda a, b: rgb_to_ycbcr(rows(a, b))[:, :, 0], shape, size, progress=progress)
        chroma = imresize_bands(lambda a, b: rgb_to_ycbcr(rows(a, b))[:, :, 1:], shape, size)
        for y, differences in zip(luminance, chroma, strict=True):
            yield ycbcr_to_rgb(np.concatenate([y[:, :, None], differences], axis=2))

    def gray(self, rows: Rows, shape: Size, size: Size, *, progress: Progress = lambda _: None) -> Iterator[np.ndarray]:
        """As `color`, for a single plane: rows [n, W], bands [BAND or fewer, W']."""
        channels = self._model.channels
        for band in self._network(
            lambda a, b: np.repeat(rows(a, b)[:, :, None], channels, axis=2), shape, size, progress
        ):
            yield band.mean(axis=2)

    def _network(self, rows: Rows, shape: Size, size: Size, progress: Progress) -> Iterator[np.ndarray]:
        """As `color`, through the network as it is: [n, W, channels] to [BAND or fewer, W', channels]."""
        needed = max(size[0] / shape[0], size[1] / shape[1])
        scale = min(scale for scale in self._model.scales if scale >= needed - 1e-9)
        bands = self._tiles.bands(rows, shape, scale, progress)
        return _resized(bands, (shape[0] * scale, shape[1] * scale), size)


def _checked(image: npt.ArrayLike) -> np.ndarray:
    array = as_array(image)
    shaped = array.ndim >= 2 and array.shape[2:] in ((), (3,)) and array.size
    if not shaped or not np.issubdtype(array.dtype, np.floating):
        raise UserError(f"an image is float in [0, 1], [H, W] or [H, W, 3]; got {array.dtype}, shape {array.shape}")
    if not np.isfinite(array).all():
        raise UserError("the image has values that are not finite: replace them first")
    return array


def with_half_the_recursions(model: SuperResolver) -> SuperResolver:
    """A faster model for the same parameters; what that costs in quality: docs/speed.md.

    Raises:
      UserError: a model without recursions to spare. Of two, the second is worth more than a dB.
    """
    if not isinstance(model, Pyramid) or model.recursions < 4:
        raise UserError("fast leaves out half of a recursive pyramid's recursions; this network has not four of them")
    return model.clone(recursions=model.recursions // 2)


def imresize_bands(rows: Rows, shape: Size, size: Size) -> Iterator[np.ndarray]:
    """MATLAB's `imresize` in bands, float64 [BAND or fewer, W', ...]; the arguments are those of `Upscaler.color`."""
    return _resized((rows(a, min(a + BAND, shape[0])) for a in range(0, shape[0], BAND)), shape, size)


def _resized(bands: Iterable[np.ndarray], shape: Size, size: Size) -> Iterator[np.ndarray]:
    """The picture that comes in bands of any height, `imresize`d to bands of BAND rows; only a few are kept at once."""
    vertical = resize_matrix(shape[0], size[0], size[0] / shape[0])
    horizontal = resize_matrix(shape[1], size[1], size[1] / shape[1])
    source, kept, first = iter(bands), np.empty((0,)), 0  # `kept` holds the rows from `first` on, already wide
    for start in range(0, size[0], BAND):
        rows = vertical[start : start + BAND]
        low, high = int(rows.indices.min()), int(rows.indices.max()) + 1
        parts = [kept[low - first :]] if len(kept) else []
        ready = first + len(kept)
        while ready < high:
            band = next(source)
            wide = band if shape[1] == size[1] else _along_columns(horizontal, band)
            parts.append(wide[max(low - ready, 0) :] if not parts else wide)
            ready += len(band)
        kept, first = np.concatenate(parts) if len(parts) > 1 else parts[0], low
        part = rows[:, low:high]
        seen = kept[: high - low]
        flat = np.asarray(part @ seen.reshape(len(seen), -1), np.float64)
        yield flat.reshape(-1, *seen.shape[1:])


def _along_columns(matrix: Any, band: np.ndarray) -> np.ndarray:
    turned = np.moveaxis(np.asarray(band, np.float64), 1, 0)
    resized = matrix @ turned.reshape(len(turned), -1)
    return np.moveaxis(resized.reshape(-1, *turned.shape[1:]), 0, 1)
