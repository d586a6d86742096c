"""Conversion between Pillow images and photos."""

import dataclasses

import numpy as np
import PIL.Image

from lapsrn_jax.errors import UserError
from lapsrn_jax.photos import exif
from lapsrn_jax.photos.decoding import CHANNELS, kind_of
from lapsrn_jax.photos.extras import LOSSY
from lapsrn_jax.photos.photo import Photo
from lapsrn_jax.photos.upright import orientation_of, upright_photo


def from_pillow(image: PIL.Image.Image) -> Photo:
    """Converts a Pillow image to an upright photo.

    Palette images become RGB, 1-bit images become gray, and every kind of transparency becomes alpha, including a
    single transparent colour in the image's `info`. ICC profile, EXIF and resolution are kept.

    Raises:
      UserError: the image has no pixels, it holds several pictures, or a `Photo` cannot hold its mode (such as 32 bits
        per pixel).
    """
    if 0 in image.size:
        raise UserError(f"the image has no pixels: it is {image.width} x {image.height}")
    if image.format != "MPO" and (count := getattr(image, "n_frames", 1)) > 1:  # as in files
        raise UserError(
            f"the image holds {count} pictures: pass image.copy() for the one it shows, or use `lapsrn upscale` for all"
        )
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
    upright = exif.upright(found.tobytes().removeprefix(b"Exif\0\0")) if found else None
    format = "JPEG" if image.format == "MPO" else image.format or "PNG"
    photo = upright_photo(samples, channels, orientation_of(image), image.info, upright, format)
    lossy = format in LOSSY or (format == "TIFF" and image.info.get("compression") in ("jpeg", "tiff_jpeg"))
    return dataclasses.replace(photo, lossy=lossy)


def to_pillow(pixels: np.ndarray, like: Photo) -> PIL.Image.Image:
    """Makes a Pillow image with the ICC profile, EXIF and resolution of a photo.

    Args:
      pixels: [H, W, C] with the dtype and channels of `like`; alpha, if any, comes last.
      like: a photo that Pillow can represent; see `check_pillow`.
    """
    if like.channels == 4:
        result = PIL.Image.frombytes("CMYK", (pixels.shape[1], pixels.shape[0]), np.ascontiguousarray(pixels))
    else:
        result = PIL.Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    metadata = {"icc_profile": like.icc_profile, "exif": like.exif, "dpi": like.dpi}
    result.info |= {name: value for name, value in metadata.items() if value}
    return result


def check_pillow(photo: Photo, name: object) -> None:
    """Raises `UserError` for 16-bit colour and for CMYK with transparency, for which Pillow has no mode."""
    if photo.pixels.dtype == np.uint16 and photo.samples_per_pixel > 1:
        raise UserError(f"{name} has 16-bit colour, which Pillow cannot represent: use `lapsrn upscale`")
    if photo.channels == 4 and photo.alpha is not None:
        raise UserError(f"{name} is CMYK with transparency, which Pillow cannot represent: use `lapsrn upscale`")
