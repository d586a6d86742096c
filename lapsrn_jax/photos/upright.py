"""Makes upright photos from decoded samples and from the metadata that Pillow finds."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import PIL.Image

from lapsrn_jax.photos import exif
from lapsrn_jax.photos.photo import Photo


def upright_photo(
    samples: np.ndarray,
    channels: int,
    orientation: int,
    info: Mapping[Any, Any],
    exif_bytes: bytes | None,
    format: str = "PNG",
) -> Photo:
    """Makes a photo from samples and turns it upright.

    Args:
      samples: uint8 or uint16 [H, W, C]; alpha, if any, comes last.
      channels: number of colour channels, C without alpha.
      orientation: EXIF's number for the orientation; 1 is upright.
      info: ICC profile, XMP and DPI under Pillow's names.
      exif_bytes: the EXIF, in the form that `Photo` has it.
      format: Pillow's name of the format.
    """
    samples, dpi, profile = _upright(samples, orientation), _dpi(info), info.get("icc_profile")
    return Photo(
        pixels=np.ascontiguousarray(samples[:, :, :channels]),
        alpha=np.ascontiguousarray(samples[:, :, channels]) if samples.shape[2] > channels else None,
        icc_profile=profile or None,
        exif=exif_bytes,
        dpi=dpi[::-1] if dpi and orientation in exif.SIDEWAYS else dpi,
        format=format,
        xmp=_xmp(info),
    )


def orientation_of(image: PIL.Image.Image) -> int:
    """Returns EXIF's number for the orientation of an image, 1 (upright) if there is none."""
    try:
        return int(image.getexif().get(exif.ORIENTATION, 1))
    except Exception:  # damaged EXIF does not make the image unreadable
        return 1


def exif_of(info: Mapping[Any, Any]) -> bytes | None:
    """Returns the EXIF in Pillow's `info` as a `Photo` has it, or None if it is missing or damaged."""
    found = info.get("exif")
    if not found and "Raw profile type exif" in info:  # written to PNG by older versions of ImageMagick
        try:
            found = bytes.fromhex("".join(info["Raw profile type exif"].split("\n")[3:]))
        except ValueError:
            return None
    return exif.upright(found.removeprefix(b"Exif\0\0")) if found else None


def _upright(samples: np.ndarray, orientation: int) -> np.ndarray:
    """Turns samples [H, W, C] upright. Orientations that do not exist turn nothing."""
    if orientation in exif.SIDEWAYS:
        samples = samples.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        samples = samples[::-1]
    if orientation in (2, 3, 6, 7):
        samples = samples[:, ::-1]
    return samples


def _dpi(info: Mapping[Any, Any]) -> tuple[float, float] | None:
    """Returns the horizontal and the vertical resolution, or None if they are missing or make no sense."""
    try:
        across, down = (float(value) for value in info["dpi"])
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    return (across, down) if 0 < across < 65535 and 0 < down < 65535 else None


def _xmp(info: Mapping[Any, Any]) -> bytes | None:
    found = info.get("xmp") or info.get("XML:com.adobe.xmp")
    if isinstance(found, str):
        found = found.encode()
    return exif.upright_xmp(found) if found else None
