"""How a super-resolved picture is scored. A figure without its protocol means little: they differ by up to 1 dB.

Protocol A is the LapSRN authors', protocol B that of most later papers; they differ in one step.
"""

import dataclasses
from collections.abc import Callable

import numpy as np

from lapsrn_jax.evaluation.metrics import psnr, ssim
from lapsrn_jax.images.color import luminance
from lapsrn_jax.images.io import to_float, to_uint8
from lapsrn_jax.images.resize import imresize

Upscale = Callable[[np.ndarray, int], np.ndarray]
"""Float picture in [0, 1], [h, w] or [h, w, 3], and a scale, to the float picture `scale` times as large."""


def bicubic(lr: np.ndarray, scale: int) -> np.ndarray:
    """The baseline of every table."""
    return imresize(lr, scale)


@dataclasses.dataclass(frozen=True)
class Protocol:
    """The recipe of a score.

    Attributes:
      name: "A", the low-resolution image keeps its float values; "B", it is rounded to 8 bits.
      gray_as_rgb: whether a gray picture is scored on the BT.601 luminance of its three equal channels, in
        [16, 235] / 255, instead of on its gray values as they are. It matters for Set14's "bridge".
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
        """uint8 picture to (its part that `scale` divides, uint8; the low-resolution picture, float64 in [0, 1])."""
        height, width = (size - size % scale for size in hr.shape[:2])
        hr = hr[:height, :width]
        if self.gray_as_rgb and hr.ndim == 2:
            hr = np.repeat(hr[:, :, None], 3, axis=2)
        lr = imresize(to_float(hr), 1 / scale)
        return hr, to_float(to_uint8(lr)) if self.name == "B" else lr

    def score(self, sr: np.ndarray, hr: np.ndarray, scale: int) -> tuple[float, float]:
        """(PSNR in dB, SSIM) of a float picture in [0, 1] against the uint8 picture `hr`."""
        sr_y, hr_y = (luminance(to_float(image))[scale:-scale, scale:-scale] for image in (to_uint8(sr), hr))
        return psnr(sr_y, hr_y), ssim(sr_y, hr_y)
