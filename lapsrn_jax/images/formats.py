"""The picture formats: an allowlist, and what each of them can hold."""

import dataclasses
import os
import pathlib
from collections.abc import Mapping
from typing import Any

import PIL.features

from lapsrn_jax.errors import UserError


@dataclasses.dataclass(frozen=True)
class Format:
    """One format and its limits."""

    name: str  # Pillow's
    suffixes: tuple[str, ...]
    max_side: int
    max_pixels: int | None = None
    gray: bool = True
    alpha: bool = True
    cmyk: bool = False
    sixteen_bits: bool = False
    profile: bool = True  # an ICC profile can be embedded
    metadata: bool = True  # EXIF and XMP have a place
    resolution: bool = True  # has a place of its own, outside of EXIF
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)  # of Pillow's `save`


# The options lose nearly nothing and keep colours at full resolution. Rarer decoders are not for strangers' files.
_ALL = [
    Format("PNG", (".png",), 2**31 - 1, sixteen_bits=True),
    Format("TIFF", (".tif", ".tiff"), 2**31 - 1, cmyk=True, sixteen_bits=True),
    Format("JPEG", (".jpg", ".jpeg"), 65500, alpha=False, cmyk=True, options={"quality": 95, "subsampling": 0}),
    Format("WEBP", (".webp",), 16383, gray=False, resolution=False, options={"quality": 95, "exact": True}),
    Format("BMP", (".bmp",), 2**31 - 1, max_pixels=2**30, alpha=False, profile=False, metadata=False),  # 32-bit sizes
]
if PIL.features.check("avif"):  # decoders refuse larger ones
    avif = {"quality": 90, "subsampling": "4:4:4"}
    _ALL.append(Format("AVIF", (".avif",), 32768, max_pixels=2**28, gray=False, resolution=False, options=avif))

FORMAT_OF_SUFFIX = {suffix: format for format in _ALL for suffix in format.suffixes}
PILLOW_NAMES = [format.name for format in _ALL]


def format_of(target: str | os.PathLike[str]) -> Format:
    """The format that the suffix of a path names, or a bare name such as "PNG".

    Raises:
      UserError: it names none of `FORMAT_OF_SUFFIX`.
    """
    suffix = pathlib.PurePath(target).suffix or f".{target}"
    if suffix.lower() not in FORMAT_OF_SUFFIX:
        raise UserError(f"cannot write {target}: its suffix must be one of {', '.join(sorted(FORMAT_OF_SUFFIX))}")
    return FORMAT_OF_SUFFIX[suffix.lower()]


def check_writable(target: str | os.PathLike[str], size: tuple[int, int], channels: int, alpha: bool) -> None:
    """Finds out before the work begins whether a format can hold its result.

    Args:
      target: path with a suffix, or name of a format.
      size: (width, height) of the picture to be written.
      channels: without alpha: 1 gray, 3 RGB, 4 CMYK.
      alpha: whether it has transparency.

    Raises:
      UserError: the format cannot hold it; the message names those that can.
    """
    format = format_of(target)
    obstacle = _obstacle(format, size, channels, alpha)
    if obstacle:
        others = [other.name for other in _ALL if not _obstacle(other, size, channels, alpha)]
        raise UserError(f"cannot write {target}: {format.name} {obstacle}; write {' or '.join(others)} instead")


def _obstacle(format: Format, size: tuple[int, int], channels: int, alpha: bool) -> str | None:
    width, height = size
    if max(size) > format.max_side:
        return f"has at most {format.max_side} pixels a side, not {width} x {height}"
    if format.max_pixels and width * height > format.max_pixels:
        return f"has at most {format.max_pixels} pixels, not {width} x {height}"
    if channels == 4 and not format.cmyk:
        return "has no CMYK"
    if alpha and not format.alpha:
        return "has no transparency"
    return None
