"""Writes animated WebP frame by frame. Pillow would hold all frames in memory."""

import io
import struct
from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import IO, Any

import numpy as np
import PIL.Image

from lapsrn_jax.photos.photo import Photo
from lapsrn_jax.photos.writing_png import changed

_PROFILE, _ALPHA, _EXIF, _XMP, _ANIMATION = 0x20, 0x10, 0x08, 0x04, 0x02
_REPLACE = 0x02  # a frame replaces what is below it, also by transparency
_MOST = 2**24 - 1  # milliseconds


def write_animated_webp(
    file: IO[bytes],
    size: tuple[int, int],
    frames: Iterable[tuple[np.ndarray, Fraction]],
    like: Photo,
    plays: int,
    options: Mapping[str, Any],
) -> None:
    """Writes an animation.

    Args:
      file: the file to write to, which must seek.
      size: (width, height) in pixels.
      frames: uint8 [H, W, C] with C from 1 to 4, alpha last, and the seconds for which each is shown.
      like: the photo whose metadata is written.
      plays: how often the animation plays, 0 for endlessly.
      options: how Pillow saves a frame.
    """
    found = {_PROFILE: like.icc_profile, _EXIF: like.exif, _XMP: like.xmp}
    flags = _ANIMATION | _ALPHA | sum(flag for flag, content in found.items() if content)
    file.write(b"RIFF\0\0\0\0WEBP")
    _chunk(file, b"VP8X", struct.pack("<I", flags) + _three(size[0] - 1) + _three(size[1] - 1))
    if like.icc_profile:
        _chunk(file, b"ICCP", like.icc_profile)
    _chunk(file, b"ANIM", struct.pack("<IH", 0, min(plays, 65535)))
    time, shown, before = Fraction(0), 0, None
    for pixels, seconds in frames:
        time += seconds
        milliseconds, shown = round(1000 * time) - shown, round(1000 * time)
        left, top, right, bottom = changed(before, pixels)
        left, top = left - left % 2, top - top % 2  # the file stores half of them
        box = _three(left // 2) + _three(top // 2) + _three(right - left - 1) + _three(bottom - top - 1)
        head = box + _three(min(milliseconds, _MOST)) + bytes([_REPLACE])
        _chunk(file, b"ANMF", head + _encoded(pixels[top:bottom, left:right], options))
        before = pixels
    for kind, content in ((b"EXIF", like.exif), (b"XMP ", like.xmp)):
        if content:
            _chunk(file, kind, content)
    length = file.tell()
    file.seek(4)
    file.write(struct.pack("<I", length - 8))


def _encoded(pixels: np.ndarray, options: Mapping[str, Any]) -> bytes:
    """Returns the chunks of a still WebP that hold its pixels."""
    still = io.BytesIO()
    image = PIL.Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else np.ascontiguousarray(pixels))
    image.save(still, "WEBP", **options)
    content, at, chunks = still.getvalue(), 12, b""
    while at < len(content):
        kind, length = struct.unpack_from("<4sI", content, at)
        end = at + 8 + length + length % 2
        if kind in (b"ALPH", b"VP8 ", b"VP8L"):
            chunks += content[at:end]
        at = end
    return chunks


def _three(number: int) -> bytes:
    """Returns a number in three bytes."""
    return number.to_bytes(3, "little")


def _chunk(file: IO[bytes], kind: bytes, content: bytes) -> None:
    file.write(kind + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2))
