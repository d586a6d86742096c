"""Images with the metadata of their file."""

import dataclasses
from collections.abc import Iterator
from fractions import Fraction
from typing import Literal, NamedTuple

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
    lossy: bool = False  # the file is JPEG, AVIF, HEIC or a lossy WebP, or a TIFF with JPEG inside
    dropped: tuple[str, ...] = ()  # names of what the file has beyond this

    @property
    def channels(self) -> int:
        """The number of colour channels: 1 (gray), 3 (RGB) or 4 (CMYK)."""
        return self.pixels.shape[2]

    @property
    def samples_per_pixel(self) -> int:
        """The number of colour channels, and one more if there is alpha."""
        return self.channels + (self.alpha is not None)


class Frame(NamedTuple):
    """One image of an album, and the time in seconds for which an animation shows it."""

    photo: Photo
    seconds: Fraction = Fraction(0)


@dataclasses.dataclass(frozen=True, eq=False)
class Album:
    """The images of one file: a single one, the frames of an animation, or the pages of a document.

    Frames are whole images of equal size, RGB with alpha, 8 bits: what a viewer shows at that time.
    """

    shapes: list[tuple[int, int]]  # (rows, columns) of each image, upright; of a single PNG, as it is stored
    frames: Iterator[Frame]  # decodes each image when its turn comes
    plays: int | None = None  # how often an animation plays, 0 for endlessly; None for images that do not move
    order: Literal["<", ">"] = "<"  # byte order of the EXIF of a document
    fallback: bool = False  # the first image is for programs that do not know animations, and is none of the frames


def samples_of(photo: Photo) -> np.ndarray:
    """Returns the samples [H, W, C] of a photo, with alpha last if it has alpha."""
    return photo.pixels if photo.alpha is None else np.dstack([photo.pixels, photo.alpha])
