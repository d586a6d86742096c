"""The supported image formats and their limits."""

import dataclasses
import importlib.util
import os
import pathlib
from collections.abc import Mapping
from typing import Any

import PIL.features

from lapsrn_jax.errors import UserError


@dataclasses.dataclass(frozen=True)
class Format:
    """A format, its limits, and the options to save it with."""

    name: str  # Pillow's name
    suffixes: tuple[str, ...]
    max_side: int
    max_pixels: int | None = None
    gray: bool = True
    alpha: bool = True
    cmyk: bool = False
    sixteen_bits: bool = False
    profile: bool = True  # an ICC profile can be embedded
    metadata: bool = True  # EXIF and XMP can be embedded
    iptc: bool = False  # IPTC can be embedded
    resolution: bool = True  # the resolution has a field outside of EXIF
    palette: bool = False  # a picture has at most 256 colours and no partial transparency
    animated: bool = False  # it holds animations
    pages: bool = False  # it holds several pages
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)  # for Pillow's `save`
    lossless: Mapping[str, Any] | None = dataclasses.field(default_factory=dict)  # the same without loss; None: cannot


# The options keep nearly all quality and full colour resolution. Rare formats are left out: their decoders get less
# scrutiny, and files may come from anyone.
_JPEG = {"quality": 95, "subsampling": 0}
_AVIF = {"quality": 90, "subsampling": "4:4:4"}
_HEIF = {"quality": 90}  # with half the colour resolution, which all decoders can read
_LOSSLESS_HEIF = {"quality": -1, "chroma": "444", "matrix_coefficients": 0}
_ALL = [
    Format("PNG", (".png",), 2**31 - 1, sixteen_bits=True, animated=True),
    Format("TIFF", (".tif", ".tiff"), 2**31 - 1, cmyk=True, sixteen_bits=True, iptc=True, pages=True),
    Format("JPEG", (".jpg", ".jpeg"), 65500, alpha=False, cmyk=True, iptc=True, options=_JPEG, lossless=None),
    Format(
        "WEBP", (".webp",), 16383, gray=False, resolution=False, animated=True,
        options={"quality": 95, "exact": True}, lossless={"lossless": True, "exact": True},
    ),
    Format("BMP", (".bmp",), 2**31 - 1, max_pixels=2**30, alpha=False, profile=False, metadata=False),  # 32-bit sizes
    Format(
        "GIF", (".gif",), 65535, gray=False, profile=False, metadata=False, resolution=False, palette=True,
        animated=True, lossless=None,
    ),
]  # fmt: skip
if PIL.features.check("avif"):  # its limits are those of common decoders
    _ALL.append(
        Format("AVIF", (".avif",), 32768, max_pixels=2**28, gray=False, resolution=False, options=_AVIF, lossless=None)
    )
if importlib.util.find_spec("pillow_heif"):  # the extra "heic"
    import pillow_heif

    pillow_heif.register_heif_opener()
    _ALL.append(
        Format("HEIF", (".heic", ".heif"), 16384, gray=False, resolution=False, options=_HEIF, lossless=_LOSSLESS_HEIF)
    )

_NO_ALPHA = "cannot store transparency"

# FFmpeg's containers of the videos that are written, by suffix, and the suffixes of others that are read.
VIDEOS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm"}
OTHER_VIDEOS = {".avi", ".ts", ".mts", ".m2ts", ".mpg", ".mpeg", ".wmv", ".flv", ".3gp", ".ogv", ".vob"}

FORMAT_OF_SUFFIX = {suffix: format for format in _ALL for suffix in format.suffixes}
PILLOW_NAMES = [format.name for format in _ALL]
PHOTOGRAPHS = [format for format in _ALL if not format.palette]  # formats of pictures to train on and to score


def is_video(path: str | os.PathLike[str]) -> bool:
    """Whether a path, or a bare suffix, is that of a video."""
    name = os.fspath(path)
    suffix = name[name.rfind(".") :].lower()
    return suffix in VIDEOS or suffix in OTHER_VIDEOS


def format_of(target: str | os.PathLike[str]) -> Format:
    """Returns the format for a path's suffix, or for a bare name such as "PNG".

    Raises:
      UserError: the suffix is not in `FORMAT_OF_SUFFIX`.
    """
    suffix = pathlib.PurePath(target).suffix or f".{target}"
    if suffix.lower() not in FORMAT_OF_SUFFIX:
        raise UserError(f"cannot write {target}: its suffix must be one of {', '.join(sorted(FORMAT_OF_SUFFIX))}")
    return FORMAT_OF_SUFFIX[suffix.lower()]


def save_options(format: Format, quality: int | None, lossless: bool) -> dict[str, Any]:
    """Returns options for Pillow's `save`.

    Args:
      format: the format.
      quality: from 1 to 100, or None for the format's default. Formats without a quality ignore it.
      lossless: whether to lose nothing, in place of a quality.
    """
    if lossless:
        return dict(format.lossless or {})
    chosen = {"quality": quality} if quality is not None and "quality" in format.options else {}
    return dict(format.options) | chosen


def check_writable(
    target: str | os.PathLike[str], size: tuple[int, int], channels: int, alpha: bool, *, lossless: bool = False
) -> None:
    """Checks that a format can hold an image, so that errors show up before the work begins.

    Args:
      target: a path with a suffix, or the name of a format.
      size: (width, height) of the image in pixels.
      channels: number of channels without alpha: 1 (gray), 3 (RGB) or 4 (CMYK).
      alpha: whether the image has transparency.
      lossless: whether the format must be lossless.

    Raises:
      UserError: the format cannot hold the image. The message names the formats that can.
    """
    format = format_of(target)
    obstacle = _obstacle(format, size, channels, alpha, lossless)
    if obstacle:
        others = [other.name for other in PHOTOGRAPHS if not _obstacle(other, size, channels, alpha, lossless)]
        fill = ", or fill it with --background" if obstacle == _NO_ALPHA else ""
        raise UserError(f"cannot write {target}: {format.name} {obstacle}; write {' or '.join(others)} instead{fill}")


def check_holds(target: str | os.PathLike[str], source: str, count: int, *, animation: bool) -> None:
    """Raises `UserError` if a format cannot hold the frames of an animation or the pages of a document.

    Args:
      target: a path with a suffix, or the name of a format.
      source: name of the file that has the frames or pages, for the message.
      count: number of frames or pages.
      animation: whether they are frames.
    """
    able = [format for format in _ALL if (format.animated if animation else format.pages)]
    format = format_of(target)
    if count > 1 and format not in able:
        kind = "an animation" if animation else f"a document of {count} pages"
        others = " or ".join(other.name for other in able)
        raise UserError(
            f"cannot write {target}: {source} is {kind}, and {format.name} holds one picture; write {others} instead"
        )


def _obstacle(format: Format, size: tuple[int, int], channels: int, alpha: bool, lossless: bool) -> str | None:
    width, height = size
    if max(size) > format.max_side:
        return f"allows at most {format.max_side} pixels per side, not {width} x {height}"
    if format.max_pixels and width * height > format.max_pixels:
        return f"allows at most {format.max_pixels} pixels, not {width} x {height}"
    if channels == 4 and not format.cmyk:
        return "cannot store CMYK"
    if alpha and not format.alpha:
        return _NO_ALPHA
    if lossless and format.lossless is None:
        return "is lossy"
    return None
