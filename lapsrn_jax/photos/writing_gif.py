"""Writes GIF frame by frame. Pillow would hold all frames in memory, and drop those that equal the one before."""

import struct
from collections.abc import Iterable
from fractions import Fraction
from typing import IO

import numpy as np
import PIL.GifImagePlugin
import PIL.Image

from lapsrn_jax.photos.writing_png import changed

_COLOURS = 255  # and a transparent one
_KEEP, _CLEAR = 1, 2  # what happens to a frame when its time ends
_HALF = 128  # alpha from which on a pixel is opaque
_MOST = 65535


def write_gif(
    file: IO[bytes], size: tuple[int, int], frames: Iterable[tuple[np.ndarray, Fraction]], plays: int
) -> None:
    """Writes an animation, or a picture as one frame. Every frame has its own colours.

    Args:
      file: the file to write to; it does not need to seek.
      size: (width, height) in pixels.
      frames: uint8 [H, W, C] with C from 1 to 4, alpha last, and the seconds for which each is shown.
      plays: how often the animation plays, 0 for endlessly.
    """
    file.write(b"GIF89a" + struct.pack("<HHBBB", *size, 0, 0, 0))
    if plays != 1:
        repetitions = min(max(plays - 1, 0), _MOST)
        file.write(b"!\xff\x0bNETSCAPE2.0\x03\x01" + struct.pack("<HB", repetitions, 0))
    time, shown = Fraction(0), 0
    before: np.ndarray | None = None
    waiting: tuple[np.ndarray, np.ndarray | None, int] | None = None
    for pixels, seconds in frames:
        time += seconds
        hundredths, shown = round(100 * time) - shown, round(100 * time)
        frame = _hard(pixels)
        if waiting is not None and before is not None:
            clear = bool(((frame[:, :, 3] == 0) & (before[:, :, 3] > 0)).any())  # else the old frame would show
            _write_frame(file, *waiting, clear=clear)
            if clear:
                before = None
        waiting = (frame, before, hundredths)
        before = frame
    if waiting is not None:
        _write_frame(file, *waiting, clear=False)
    file.write(b";")


def _hard(pixels: np.ndarray) -> np.ndarray:
    """Returns RGBA with pixels that are either opaque or transparent; all transparent ones are equal."""
    image = PIL.Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels).convert("RGBA")
    frame = np.array(image)
    opaque = frame[:, :, 3:] >= _HALF
    frame[:, :, 3:] = 255
    return frame * opaque


def _write_frame(file: IO[bytes], frame: np.ndarray, before: np.ndarray | None, hundredths: int, clear: bool) -> None:
    """Writes what has changed since the frame `before`, or the whole frame if it will be cleared or there is none."""
    left, top, right, bottom = changed(None if clear else before, frame)
    part = frame[top:bottom, left:right]
    opaque = part[:, :, 3] > 0
    image = PIL.Image.fromarray(np.ascontiguousarray(part[:, :, :3])).quantize(_COLOURS)
    palette = (image.getpalette() or [])[: 3 * _COLOURS]
    options = {}
    if not opaque.all():
        indices = np.where(opaque, np.asarray(image), _COLOURS).astype(np.uint8)
        image = PIL.Image.fromarray(indices)
        palette += [0] * (3 * 256 - len(palette))
        options["transparency"] = _COLOURS
    image.putpalette(palette)
    blocks = PIL.GifImagePlugin.getdata(
        image, (left, top), include_color_table=True, duration=10 * min(hundredths, _MOST),
        disposal=_CLEAR if clear else _KEEP, **options,
    )  # fmt: skip
    file.write(b"".join(blocks))
