"""Reads TIFF with tifffile, since Pillow loses 16-bit colour and some transparency; rare kinds go through Pillow."""

import math
from typing import Any, BinaryIO

import numpy as np
import PIL.Image
import tifffile

from lapsrn_jax.errors import UserError
from lapsrn_jax.photos import exif
from lapsrn_jax.photos.decoding import decode

MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_X_RESOLUTION, _Y_RESOLUTION, _RESOLUTION_UNIT, _XMP, _IPTC, _PROFILE = 282, 283, 296, 700, 33723, 34675
_INCHES = {2: 1.0, 3: 2.54}  # inches per unit, by resolution unit
_REDUCED, _MASK = 1, 4  # flags of pages that accompany the image
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _CMYK = 0, 1, 2, 5
_KINDS = {_WHITE_IS_ZERO: ("L", 1), _BLACK_IS_ZERO: ("L", 1), _RGB: ("RGB", 3), _CMYK: ("CMYK", 4)}
_ASSOCIATED, _UNASSOCIATED = 1, 2
_UNSIGNED = 1
JPEG = {6, 7, 34892}  # compressions: the old kind, the usual one, and that of DNG
# Compressions whose decoders never exceed the expected size. JPEG and its like have headers that may state another.
_BOUNDED = {1, 5, 8, 32773, 32946, 34925, 50000}  # none, LZW, deflate, PackBits, LZMA, Zstandard


def pages_of(tiff: tifffile.TiffFile, name: str) -> list[int]:
    """Returns the numbers of a TIFF's pages, without the previews and masks that accompany them.

    Raises:
      UserError: the file begins with a preview.
      PIL.Image.DecompressionBombError: a page has too many pixels.
      ValueError: the file is damaged.
    """
    pages: Any = tiff.pages
    if pages[0].subfiletype & _REDUCED:
        raise UserError(
            f"{name} begins with a preview, as raw files of cameras do: convert it to an ordinary picture first"
        )
    most = math.inf if PIL.Image.MAX_IMAGE_PIXELS is None else 2 * PIL.Image.MAX_IMAGE_PIXELS
    found, seen = [], set()
    for number, page in enumerate(pages):
        if page.offset in seen:
            raise ValueError("its pages form a loop")
        seen.add(page.offset)
        if number and page.subfiletype & (_REDUCED | _MASK):
            continue
        if max(page.imagewidth * page.imagelength, page.tilewidth * page.tilelength) > most:
            raise PIL.Image.DecompressionBombError
        found.append(number)
    return found


def shape_of(page: Any) -> tuple[int, int]:
    """Returns (rows, columns) of a page after it is turned upright."""
    shape = page.imagelength, page.imagewidth
    return shape[::-1] if _number(page, exif.ORIENTATION, 1) in exif.SIDEWAYS else shape


def read_page(
    tiff: tifffile.TiffFile, number: int, file: BinaryIO, name: str
) -> tuple[np.ndarray, int, int, dict[str, Any]]:
    """Decodes a page of a TIFF file.

    Args:
      tiff: the file.
      number: number of the page, from `pages_of`.
      file: the file from which `tiff` reads.
      name: name of the image in messages.

    Returns:
      (samples, channels, orientation, info): samples and channels as `decode` returns them; EXIF's number for the
      orientation; ICC profile, XMP, IPTC and DPI under Pillow's names.

    Raises:
      UserError: the page has samples that a `Photo` cannot hold.
      Exception: the file is damaged. Decoders raise exceptions of any type.
    """
    page: Any = tiff.pages[number]
    orientation = _number(page, exif.ORIENTATION, 1)
    info = _info(page)
    bits, plain = page.bitspersample, page.photometric in _KINDS and page.sampleformat == _UNSIGNED
    if plain and bits in (1, 8, 16) and page.compression in _BOUNDED:
        return *_samples(page, name), orientation, info
    if bits > 8:
        reason = f"{bits} bits per pixel" if bits != 16 else "16 bits per pixel of a rare kind"
        raise UserError(f"{name} has {reason}: convert it to 8 or 16 bits first")
    file.seek(0)
    with PIL.Image.open(file, formats=["TIFF"]) as image:
        image.seek(number)
        samples, channels = decode(image, file, name)
    if orientation in exif.SIDEWAYS and "dpi" in info:  # Pillow has already turned the image
        info["dpi"] = info["dpi"][::-1]
    return samples, channels, 1, info


def _samples(page: Any, name: str) -> tuple[np.ndarray, int]:
    """Returns the samples of a page, uint8 or uint16 [H, W, C], alpha last, and the number of colour channels."""
    kind, channels = _KINDS[page.photometric]
    total, extra = page.samplesperpixel, [int(meaning) for meaning in page.extrasamples]
    if total != channels and (total != channels + 1 or extra not in ([_ASSOCIATED], [_UNASSOCIATED])):
        raise UserError(f"{name} has channels besides {kind} that are not marked as transparency: remove them first")
    if page.imagedepth != 1 or len(page.dataoffsets) < math.prod(page.chunked) or 0 in page.databytecounts:
        raise ValueError("some of its pixels are missing")
    shape, planes = (page.imagelength, page.imagewidth), page.planarconfig == 2 and total > 1
    samples = page.asarray()
    samples = np.moveaxis(samples.reshape(total, *shape), 0, -1) if planes else samples.reshape(*shape, total)
    if page.bitspersample == 1:
        samples = samples.astype(np.uint8) * 255
    if page.photometric == _WHITE_IS_ZERO:
        samples = np.concatenate([~samples[:, :, :1], samples[:, :, 1:]], axis=2)
    return _unmultiplied(samples) if extra == [_ASSOCIATED] else samples, channels


def _unmultiplied(samples: np.ndarray) -> np.ndarray:
    """Divides the colours by alpha, which comes last."""
    top = np.iinfo(samples.dtype).max
    colours = np.rint(samples[:, :, :-1] * (top / np.maximum(samples[:, :, -1:], 1).astype(np.float32)))
    return np.concatenate([np.minimum(colours, top).astype(samples.dtype), samples[:, :, -1:]], axis=2)


def _info(page: Any) -> dict[str, Any]:
    """Returns ICC profile, XMP, IPTC and DPI of a page under Pillow's names, without those of a wrong type."""
    info: dict[str, Any] = {}
    if isinstance(profile := page.tags.valueof(_PROFILE), bytes):
        info["icc_profile"] = profile
    if isinstance(xmp := page.tags.valueof(_XMP), bytes | str):
        info["xmp"] = xmp
    iptc = page.tags.valueof(_IPTC)
    if isinstance(iptc, tuple | int):  # Photoshop declares the bytes as 32-bit numbers
        iptc = np.array(iptc, f"{page.parent.byteorder}u4").tobytes()
    if isinstance(iptc, bytes):
        info["iptc"] = iptc
    inches = _INCHES.get(_number(page, _RESOLUTION_UNIT, 2))
    resolution = page.tags.valueof(_X_RESOLUTION), page.tags.valueof(_Y_RESOLUTION)
    if inches and all(isinstance(fraction, tuple) and len(fraction) == 2 for fraction in resolution):
        info["dpi"] = tuple(inches * above / below if below else math.nan for above, below in resolution)
    return info


def _number(page: Any, tag: int, default: int) -> int:
    """Returns the value of a tag, or the default if it is missing or no whole number."""
    value = page.tags.valueof(tag)
    return int(value) if isinstance(value, int) else default
