"""Degrades low-resolution images as cameras and JPEG files do, so that a network learns to enlarge such pictures."""

import io
from typing import NamedTuple

import numpy as np
import PIL.Image
from scipy import ndimage

from lapsrn_jax.images.io import to_float, to_uint8

MARGIN = 8  # pixels of context around a patch: the side of a JPEG's blocks
BLUR = (0.2, 0.9)  # standard deviation along each axis of the blur, in pixels
NOISE = (2 / 255, 8 / 255)  # largest standard deviations of the noise: of the darkest and of the brightest pixels
QUALITY = (30, 98)  # the worst and the best of JPEG


class Degradation(NamedTuple):
    """The degradations of training samples; a blur comes before noise, and noise before JPEG.

    Attributes:
      share: probability that a sample is degraded at all.
      blur: probability of a blur in a degraded sample.
      noise: probability of sensor noise in a degraded sample.
      jpeg: probability of JPEG compression in a degraded sample.
      skew: prefers high JPEG qualities: half of them are above 98 - 68 / 2**skew. With 1, all are equally likely.
    """

    share: float
    blur: float
    noise: float
    jpeg: float
    skew: float = 2.0


def degraded(image: np.ndarray, degradation: Degradation, rng: np.random.Generator) -> np.ndarray:
    """Returns a degraded RGB image.

    Args:
      image: float [H, W, 3] in [0, 1], also a little outside.
      degradation: the probabilities, of which `share` has no effect here, and the skew.
      rng: chooses the degradations and their strengths.

    Returns:
      float64 [H, W, 3] in [0, 1], rounded to multiples of 1/255.
    """
    chosen = rng.random(3) < degradation[1:4]
    if chosen[0]:
        image = _blurred(image, rng)
    if chosen[1]:
        image = _noisy(image, rng)
    pixels = to_uint8(image)
    return to_float(_compressed(pixels, degradation.skew, rng) if chosen[2] else pixels)


def _blurred(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Blurs with a Gaussian, in one of two cases the same in all directions."""
    wide, narrow = rng.uniform(*BLUR, 2) if rng.random() < 0.5 else np.full(2, rng.uniform(*BLUR))
    angle = rng.uniform(0, np.pi)
    y, x = np.mgrid[-3:4, -3:4]
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    kernel = np.exp(-0.5 * ((along / wide) ** 2 + (across / narrow) ** 2))
    return ndimage.correlate(image, (kernel / kernel.sum())[:, :, None], mode="nearest")


def _noisy(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Adds Gaussian noise whose variance grows with brightness, as that of a sensor does (read and shot noise)."""
    read, shot = (rng.uniform(0, largest) for largest in NOISE)
    variance = read**2 + shot**2 * np.clip(image, 0, 1)
    return image + np.sqrt(variance) * rng.standard_normal(image.shape)


def _compressed(pixels: np.ndarray, skew: float, rng: np.random.Generator) -> np.ndarray:
    """Compresses uint8 [H, W, 3] as JPEG and decodes it. In one of two cases the blocks begin at the image's corner."""
    worst, best = QUALITY
    quality, subsampling = round(best - (best - worst) * rng.random() ** skew), str(rng.choice(["4:2:0", "4:4:4"]))
    top, left = rng.integers(0, MARGIN, 2) if rng.random() < 0.5 else (0, 0)
    file = io.BytesIO()
    padded = np.pad(pixels, ((top, 0), (left, 0), (0, 0)), "edge")
    PIL.Image.fromarray(padded).save(file, "JPEG", quality=quality, subsampling=subsampling)
    return np.asarray(PIL.Image.open(file))[top:, left:]
