"""An image with the metadata of its file."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True, eq=False)
class Photo:
    """A decoded image with the metadata of its file."""

    pixels: np.ndarray  # uint8 or uint16 [H, W, C], upright; C is 1 (gray), 3 (RGB) or 4 (CMYK)
    alpha: np.ndarray | None = None  # [H, W], same dtype; the colours are not premultiplied
    icc_profile: bytes | None = None
    exif: bytes | None = None  # TIFF structure without "Exif\0\0", orientation 1, no thumbnail
    dpi: tuple[float, float] | None = None  # horizontal, vertical
    format: str = "PNG"  # Pillow's name
    xmp: bytes | None = None
    iptc: bytes | None = None  # data sets of IPTC's Information Interchange Model
    chunks: tuple[tuple[bytes, bytes], ...] = ()  # PNG's chunks on colour and text: type, content
    lossless: bool = False  # a lossless WebP
    dropped: tuple[str, ...] = ()  # names of what the file has beyond this


def samples_of(photo: Photo) -> np.ndarray:
    """Returns the samples [H, W, C] of a photo, with alpha last if it has alpha."""
    return photo.pixels if photo.alpha is None else np.dstack([photo.pixels, photo.alpha])
