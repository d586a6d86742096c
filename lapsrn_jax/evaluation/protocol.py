"""Evaluation protocols. Scores are comparable only under the same protocol: protocols differ by up to 1 dB.

Protocol A is the LapSRN authors'; protocol B is that of most later papers. They differ in one step.
"""

import dataclasses
from collections.abc import Callable

import numpy as np

from lapsrn_jax.evaluation.metrics import psnr, ssim
from lapsrn_jax.images.color import luminance
from lapsrn_jax.images.io import to_float, to_uint8
from lapsrn_jax.images.resize import imresize

Upscale = Callable[[np.ndarray, int], np.ndarray]
"""Maps a float picture in [0, 1], [h, w] or [h, w, 3], and a scale to the float picture `scale` times as large."""


def bicubic(lr: np.ndarray, scale: int) -> np.ndarray:
    """Enlarges by bicubic interpolation, the baseline of every table."""
    return imresize(lr, scale)


@dataclasses.dataclass(frozen=True)
class Protocol:
    """How to degrade and score a picture.

    Attributes:
      name: "A" keeps the float values of the low-resolution image; "B" rounds them to 8 bits.
      gray_as_rgb: whether to score a gray picture on the BT.601 luminance of its three equal channels, in
        [16, 235] / 255, instead of on its gray values. This affects "bridge" in Set14.
    """

    name: str = "A"
    gray_as_rgb: bool = False

    def __post_init__(self) -> None:
        if self.name not in ("A", "B"):
            raise ValueError(f"protocol must be A or B, got {self.name!r}")

    def __str__(self) -> str:
        low = "not rounded" if self.name == "A" else "rounded to 8 bits"
        gray = "read as RGB" if self.gray_as_rgb else "left gray"
        return (
            f"protocol {self.name}: sizes cut to multiples of the scale; LR = MATLAB bicubic of the RGB image, {low}; "
            f"result rounded to 8 bits; PSNR and MATLAB SSIM of BT.601 Y without a border of `scale` pixels; "
            f"gray images {gray}"
        )

    def degrade(self, hr: np.ndarray, scale: int) -> tuple[np.ndarray, np.ndarray]:
        """Returns the picture, uint8, cropped to a multiple of `scale`, and its LR image, float64.

        The LR image is in [0, 1] by protocol B. By protocol A it exceeds this range at sharp edges, as bicubic
        interpolation does.
        """
        height, width = (size - size % scale for size in hr.shape[:2])
        hr = hr[:height, :width]
        if self.gray_as_rgb and hr.ndim == 2:
            hr = np.repeat(hr[:, :, None], 3, axis=2)
        lr = imresize(to_float(hr), 1 / scale)
        return hr, to_float(to_uint8(lr)) if self.name == "B" else lr

    def score(self, sr: np.ndarray, hr: np.ndarray, scale: int) -> tuple[float, float]:
        """Returns (PSNR in dB, SSIM) of a float picture in [0, 1] against the uint8 picture `hr`."""
        sr_y, hr_y = (luminance(to_float(image))[scale:-scale, scale:-scale] for image in (to_uint8(sr), hr))
        return psnr(sr_y, hr_y), ssim(sr_y, hr_y)
