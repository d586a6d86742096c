"""Writes PNG band by band, so that the whole image is never in memory. No library does this for 8 and 16 bits."""

import itertools
import struct
import zlib
from collections.abc import Iterable
from typing import IO

import numpy as np

from lapsrn_jax.photos.photo import Photo

# On enlarged photographs, level 6 makes files 7 % smaller in 2.6 times the time, level 1 makes them 15 % larger in 0.8.
_LEVEL = 4
_UP = 2  # the filter type; choosing a filter per row does not make enlarged photographs smaller
_COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}  # by samples per pixel
_INCH = 0.0254


def write_png(file: IO[bytes], size: tuple[int, int], bands: Iterable[np.ndarray], like: Photo) -> None:
    """Writes a whole PNG.

    Args:
      file: the file to write to; it does not need to seek.
      size: (width, height) in pixels.
      bands: uint8 or uint16 [rows, W, C] with C from 1 to 4, alpha last; `height` rows in total.
      like: the photo whose metadata is written.
    """
    bands = iter(bands)
    first = next(bands)
    depth = first.dtype.itemsize * 8
    file.write(b"\x89PNG\r\n\x1a\n")
    _chunk(file, b"IHDR", struct.pack(">IIBBBBB", *size, depth, _COLOUR_TYPES[first.shape[2]], 0, 0, 0))
    for kind, content in like.chunks:
        _chunk(file, kind, content)
    if like.icc_profile:
        _chunk(file, b"iCCP", b"ICC profile\0\0" + zlib.compress(like.icc_profile))
    if like.dpi:
        _chunk(file, b"pHYs", struct.pack(">IIB", *(round(dots / _INCH) for dots in like.dpi), 1))
    if like.exif:
        _chunk(file, b"eXIf", like.exif)
    if like.xmp:
        _chunk(file, b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + like.xmp)
    deflate = zlib.compressobj(_LEVEL, zlib.DEFLATED, zlib.MAX_WBITS, zlib.DEF_MEM_LEVEL)
    above = np.zeros(first[0].nbytes, np.uint8)
    for band in itertools.chain([first], bands):
        samples = band.astype(band.dtype.newbyteorder(">"), copy=False).reshape(len(band), -1).view(np.uint8)
        filtered = np.empty((len(samples), 1 + samples.shape[1]), np.uint8)
        filtered[:, 0] = _UP
        np.subtract(samples[:1], above, out=filtered[:1, 1:])
        np.subtract(samples[1:], samples[:-1], out=filtered[1:, 1:])
        above = samples[-1]
        _chunk(file, b"IDAT", deflate.compress(filtered))
    _chunk(file, b"IDAT", deflate.flush())
    _chunk(file, b"IEND", b"")


def _chunk(file: IO[bytes], kind: bytes, content: bytes) -> None:
    if kind == b"IDAT" and not content:  # deflate has buffered everything so far
        return
    file.write(struct.pack(">I", len(content)) + kind)
    file.write(content)
    file.write(struct.pack(">I", zlib.crc32(content, zlib.crc32(kind))))
