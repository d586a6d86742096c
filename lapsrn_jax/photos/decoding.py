"""Decodes the samples of an image that Pillow has opened, without losing precision."""

from typing import BinaryIO

import imagecodecs
import numpy as np
import PIL.Image

from lapsrn_jax.errors import UserError

_KINDS = {"1": "L", "La": "LA", "P": "RGB", "PA": "RGBA", "RGBX": "RGB", "RGBa": "RGBA", "YCbCr": "RGB"}
CHANNELS = {"L": 1, "LA": 1, "RGB": 3, "RGBA": 3, "CMYK": 4}


def decode(image: PIL.Image.Image, file: BinaryIO, name: str) -> tuple[np.ndarray, int]:
    """Decodes an image that Pillow has opened from `file`.

    Returns:
      (samples, channels): samples are uint8 or uint16 [H, W, C] in the file's orientation; `channels` of C are colour,
      and if there is one more, it is alpha.

    Raises:
      UserError: a `Photo` cannot hold the samples.
      Exception: the file is damaged. Decoders raise exceptions of any type.
    """
    image.load()
    if image.format == "PNG":
        key = image.mode != "P" and "transparency" in image.info  # a colour that stands for transparency
        if key or png_depth(file) == 16:  # Pillow would reduce 16 bits to 8
            file.seek(0)
            samples = imagecodecs.png_decode(file.read())
            samples = samples.reshape(*samples.shape[:2], -1)
            return samples, 1 if samples.shape[2] < 3 else 3
    kind = kind_of(image, name)
    samples = np.asarray(image if image.mode == kind else image.convert(kind))
    return samples.reshape(*samples.shape[:2], -1), CHANNELS[kind]


def png_depth(file: BinaryIO) -> int:
    """Returns the number of bits per sample of a PNG, which its first chunk (IHDR) holds."""
    file.seek(24)
    return file.read(1)[0]


def kind_of(image: PIL.Image.Image, name: str) -> str:
    """Returns the 8-bit Pillow mode that holds an image without loss.

    Raises:
      UserError: no mode that a `Photo` supports can hold the image.
    """
    kind = _KINDS.get(image.mode, image.mode)
    if kind in ("L", "RGB") and image.has_transparency_data:  # includes a single transparent colour in `info`
        kind += "A"
    if kind in ("I", "F"):
        raise UserError(f"{name} has 32 bits per pixel: convert it to 8 or 16 bits first")
    if kind not in CHANNELS:
        raise UserError(f"{name} has pixels of mode {kind}: convert it to gray, RGB or CMYK first")
    return kind
