"""A network on luminance, or on RGB, becomes a way to enlarge pictures in gray and in colour."""

import functools
from typing import Any

import flax.linen as nn
import jax
import numpy as np

from lapsrn_jax.errors import UserError
from lapsrn_jax.images.color import rgb_to_ycbcr, ycbcr_to_rgb
from lapsrn_jax.images.resize import imresize, scaled_size


class Upscaler:
    """A model with its parameters, as a function of pictures.

    A network on luminance enlarges that, bicubic interpolation the two colour differences, as the papers do; a network
    on RGB sees gray as three equal channels. A scale that the model does not have takes the next and shrinks its image.
    """

    def __init__(self, model: nn.Module, params: Any) -> None:
        self._model, self._params = model, jax.device_put(params)

    def __call__(self, image: np.ndarray, scale: float) -> np.ndarray:
        """Float picture in [0, 1], [H, W] or [H, W, 3], to float64 `scale` times as large; neither rounded nor clipped.

        Raises:
          UserError: a scale of 1 or less, or more than the model can give.
        """
        self.check(scale)
        size = (scaled_size(image.shape[0], scale), scaled_size(image.shape[1], scale))
        if self._model.channels == 3:
            rgb = image if image.ndim == 3 else np.repeat(image[:, :, None], 3, axis=2)
            larger = self._enlarge(rgb, scale, size)
            return larger if image.ndim == 3 else larger.mean(axis=2)
        if image.ndim == 2:
            return self._enlarge(image, scale, size)
        ycbcr = rgb_to_ycbcr(image)
        enlarged = imresize(ycbcr, size=size)
        enlarged[:, :, 0] = self._enlarge(ycbcr[:, :, 0], scale, size)
        return ycbcr_to_rgb(enlarged)

    def check(self, scale: float) -> None:
        """Raises `UserError` unless the model can enlarge by `scale`."""
        if not scale > 1:
            raise UserError(f"the scale must be above 1, got {scale:g}")
        largest = max(self._model.scales)
        if scale > largest:
            raise UserError(f"this network enlarges by at most x{largest}, not by x{scale:g}")

    def _enlarge(self, image: np.ndarray, scale: float, size: tuple[int, int]) -> np.ndarray:
        served = min(s for s in self._model.scales if s >= scale)
        batch = _last_image(self._model, self._params, np.atleast_3d(image)[None].astype(np.float32), served)
        larger = np.asarray(batch, np.float64)[0]
        larger = larger[:, :, 0] if image.ndim == 2 else larger
        return larger if larger.shape[:2] == size else imresize(larger, size=size)


@functools.partial(jax.jit, static_argnums=(0, 3))
def _last_image(model: nn.Module, params: Any, lr: jax.Array, scale: int) -> jax.Array:
    images: Any = model.apply({"params": params}, lr, scale)
    last: jax.Array = images[-1]
    return last
