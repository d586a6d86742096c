"""Training samples with the hard edges of transparency, ink and drawings, which photographs do not have."""

from collections.abc import Sequence

import numpy as np
import scipy.ndimage

from lapsrn_jax.images.color import studio_range


def mask_pyramid(
    shrinks: Sequence[int], patch_size: int, channels: int, rng: np.random.Generator
) -> tuple[np.ndarray, ...]:
    """Draws smooth shapes of black and white and returns their pyramid, as `patches.cut_patch` does of a photograph.

    The shapes are the places where a smooth random field is above one of its values. A pixel of any size is white if
    the mean of the field over it is above that value. So edges are not antialiased, even at low resolution.

    Args:
      shrinks: how many times smaller than the patch each image is, from LR to HR.
      patch_size: side of the HR image, in pixels.
      channels: 1 for luminance, where black is 16/255 and white 235/255; 3 for RGB, where they are 0 and 1.
      rng: the source of the shapes.

    Returns:
      The images from LR to HR, float32 [h, w, channels].
    """
    field = scipy.ndimage.gaussian_filter(rng.random((patch_size, patch_size)), shrinks[0] * rng.uniform(1, 4))
    threshold = np.quantile(field, rng.uniform(0.2, 0.8))
    black, white = studio_range(np.array([0.0, 1.0])) if channels == 1 else (0.0, 1.0)

    def level(shrink: int) -> np.ndarray:
        side = patch_size // shrink
        means = field.reshape(side, shrink, side, shrink).mean((1, 3))
        mask = np.where(means > threshold, white, black).astype(np.float32)
        return np.repeat(mask[:, :, None], channels, axis=2)

    return tuple(map(level, shrinks))
