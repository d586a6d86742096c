"""The samples of a picture that Pillow has opened, with none of them lost."""

from typing import BinaryIO

import imagecodecs
import numpy as np
import PIL.Image

from lapsrn_jax.errors import UserError

_KINDS = {"1": "L", "La": "LA", "P": "RGB", "PA": "RGBA", "RGBX": "RGB", "RGBa": "RGBA", "YCbCr": "RGB"}
CHANNELS = {"L": 1, "LA": 1, "RGB": 3, "RGBA": 3, "CMYK": 4}


def decode(image: PIL.Image.Image, file: BinaryIO, name: str) -> tuple[np.ndarray, int]:
    """Decodes a picture that Pillow has opened from `file`.

    Returns:
      (samples, channels): uint8 or uint16 [H, W, C], not turned; how many of C are colour, the one more is alpha.

    Raises:
      UserError: samples that a `Photo` cannot hold.
      Exception: of any type, from the decoders, if the file is damaged.
    """
    image.load()
    if image.format == "PNG":
        file.seek(24)  # of the first chunk, IHDR
        depth = file.read(1)[0]
        if depth == 16 or (image.mode != "P" and "transparency" in image.info):  # Pillow makes 8 of 16 bits
            file.seek(0)
            samples = imagecodecs.png_decode(file.read())
            samples = samples.reshape(*samples.shape[:2], -1)
            return samples, 1 if samples.shape[2] < 3 else 3
    kind = kind_of(image, name)
    samples = np.asarray(image if image.mode == kind else image.convert(kind))
    return samples.reshape(*samples.shape[:2], -1), CHANNELS[kind]


def kind_of(image: PIL.Image.Image, name: str) -> str:
    """The mode, one of Pillow's with 8 bits a sample, that holds a picture without loss.

    Raises:
      UserError: there is none that a `Photo` can be made from.
    """
    kind = _KINDS.get(image.mode, image.mode)
    if kind in ("L", "RGB") and image.has_transparency_data:  # also a single colour that `info` names
        kind += "A"
    if kind in ("I", "F"):
        raise UserError(f"{name} has 32 bits a pixel: convert it to 8 or 16 first")
    if kind not in CHANNELS:
        raise UserError(f"{name} has pixels of the kind {kind}: convert it to gray, RGB or CMYK first")
    return kind
