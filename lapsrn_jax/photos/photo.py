"""A picture with all that its file says about it."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True, eq=False)
class Photo:
    """A decoded picture with all that its file says about it."""

    pixels: np.ndarray  # uint8 or uint16, [H, W, C]; C is 1 gray, 3 RGB, 4 CMYK; upright
    alpha: np.ndarray | None = None  # [H, W], same dtype; the colours are not multiplied with it
    icc_profile: bytes | None = None
    exif: bytes | None = None  # the TIFF structure, without "Exif\0\0"; it says upright and has no thumbnail
    dpi: tuple[float, float] | None = None  # across, down
    format: str = "PNG"  # Pillow's name
    xmp: bytes | None = None
