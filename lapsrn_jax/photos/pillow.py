"""Pillow images to photos and back, without a file in between."""

import numpy as np
import PIL.Image

from lapsrn_jax.errors import UserError
from lapsrn_jax.photos import exif
from lapsrn_jax.photos.decoding import CHANNELS, kind_of
from lapsrn_jax.photos.photo import Photo
from lapsrn_jax.photos.reading import orientation_of, upright_photo


def from_pillow(image: PIL.Image.Image) -> Photo:
    """The photo in a Pillow image, upright.

    Palettes become RGB and one bit a pixel becomes gray; transparency of every kind, also as a colour that the image's
    `info` names, becomes alpha. Profile, EXIF and resolution are kept.

    Raises:
      UserError: an image without pixels, or of a mode that a `Photo` cannot hold (such as 32 bits a pixel).
    """
    if 0 in image.size:
        raise UserError(f"the image has no pixels: it is {image.width} x {image.height}")
    if image.mode == "I;16":
        samples, channels = np.asarray(image)[:, :, None], 1
        if "transparency" in image.info:
            opaque = samples != image.info["transparency"]
            samples = np.concatenate([samples, np.where(opaque, 65535, 0).astype(np.uint16)], axis=2)
    else:
        kind = kind_of(image, "the image")
        samples = np.asarray(image if image.mode == kind else image.convert(kind))
        samples, channels = samples.reshape(*samples.shape[:2], -1), CHANNELS[kind]
    found = image.getexif()
    told = exif.upright(found.tobytes().removeprefix(b"Exif\0\0")) if found else None
    return upright_photo(samples, channels, orientation_of(image), image.info, told)


def to_pillow(pixels: np.ndarray, like: Photo) -> PIL.Image.Image:
    """A Pillow image with the profile, EXIF and resolution of a photo.

    Args:
      pixels: [H, W, C], of the dtype and channels of `like`, alpha (if any) last.
      like: a photo that Pillow can hold: see `check_pillow`.
    """
    if like.pixels.shape[2] == 4:
        result = PIL.Image.frombytes("CMYK", (pixels.shape[1], pixels.shape[0]), np.ascontiguousarray(pixels))
    else:
        result = PIL.Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    told = {"icc_profile": like.icc_profile, "exif": like.exif, "dpi": like.dpi}
    result.info |= {name: value for name, value in told.items() if value}
    return result


def check_pillow(photo: Photo, name: object) -> None:
    """Raises `UserError` for 16 bits of colour and for CMYK with transparency, which Pillow has no mode for."""
    channels, alpha = photo.pixels.shape[2], photo.alpha is not None
    if photo.pixels.dtype == np.uint16 and (channels > 1 or alpha):
        raise UserError(f"{name} has 16 bits of colour, more than Pillow can hold: use `lapsrn upscale`")
    if channels == 4 and alpha:
        raise UserError(f"{name} is CMYK with transparency, which Pillow cannot hold: use `lapsrn upscale`")
