"""Reading a photograph with all that its file says about it."""

import contextlib
import io
import logging
import os
import warnings
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

import numpy as np
import PIL.Image

from lapsrn_jax.errors import UserError
from lapsrn_jax.images.formats import PILLOW_NAMES
from lapsrn_jax.photos import exif
from lapsrn_jax.photos.decoding import decode
from lapsrn_jax.photos.photo import Photo
from lapsrn_jax.photos.reading_tiff import MAGIC, read_tiff

_ORIENTATION = 274
_MAX_STREAM = 2**31  # bytes read from a pipe before giving up

logging.getLogger("tifffile").addHandler(logging.NullHandler())  # what matters of its complaints it also raises


def read_photo(source: str | os.PathLike[str] | BinaryIO, name: str | None = None) -> Photo:
    """Decodes a picture so that nothing of it is lost.

    16 bits stay 16; palettes become RGB, one bit a pixel becomes gray; transparency of every kind becomes alpha; CMYK
    stays CMYK. The content says what the format is, not the suffix. A JPEG with further pictures behind it (gain maps,
    previews of phones) is its first one. More than 8 bits of AVIF are read as 8; IPTC blocks, text chunks and colour
    told by other means than an ICC profile are not kept.

    Args:
      source: path, or binary stream, read to its end.
      name: of the picture in messages, in place of the path.

    Raises:
      UserError: nothing there, no picture, a damaged one, several in one file, samples of other types than unsigned 8
        and 16 bits, or more pixels than Pillow allows (twice `PIL.Image.MAX_IMAGE_PIXELS`: 179 million).
    """
    name = str(name or (source if isinstance(source, str | os.PathLike) else getattr(source, "name", "the picture")))
    try:
        with _opened(source, name) as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's, about odd metadata and about more than 89 million pixels
            if not file.read(1):
                raise UserError(f"{name} is empty")
            file.seek(0)
            return _read(file, name)
    except UserError:
        raise
    except FileNotFoundError:
        raise UserError(f"no such image: {name}") from None
    except PIL.UnidentifiedImageError:
        raise UserError(f"{name} is not a picture that can be read ({', '.join(PILLOW_NAMES)})") from None
    except PIL.Image.DecompressionBombError:
        limit = 2 * (PIL.Image.MAX_IMAGE_PIXELS or 0) / 1e6
        raise UserError(f"{name} says it has more than {limit:.0f} million pixels: cut it into parts first") from None
    except MemoryError:
        raise UserError(f"{name} needs more memory than there is") from None
    except Exception as error:  # a stranger's bytes: decoders raise what they like (struct.error, KeyError, ...)
        told = " ".join(str(getattr(error, "strerror", None) or error).split())[:200]
        reason = "" if isinstance(error, TypeError | LookupError | AttributeError) else f": {told}"
        raise UserError(f"{name} is damaged or unreadable{reason}") from None


@contextlib.contextmanager
def _opened(source: str | os.PathLike[str] | BinaryIO, name: str) -> Iterator[BinaryIO]:
    if isinstance(source, str | os.PathLike):
        with open(source, "rb") as file:
            yield file
    else:
        content = source.read(_MAX_STREAM + 1)  # a pipe cannot seek, decoders must
        if len(content) > _MAX_STREAM:
            raise UserError(f"{name} does not end within {_MAX_STREAM >> 30} GiB")
        yield io.BytesIO(content)


def _read(file: BinaryIO, name: str) -> Photo:
    if file.read(4) in MAGIC:
        info: Mapping[Any, Any]
        samples, channels, orientation, info = read_tiff(file, name)
        format, told = "TIFF", exif.from_tiff(file)
    else:
        file.seek(0)
        with PIL.Image.open(file, formats=PILLOW_NAMES) as image:
            format = "JPEG" if image.format == "MPO" else str(image.format)
            frames = getattr(image, "n_frames", 1)
            if frames > 1 and format != "JPEG":
                raise UserError(f"{name} holds {frames} pictures: save the wanted one as a file of its own")
            samples, channels = decode(image, file, name)
            orientation, info = orientation_of(image), image.info  # only now: PNG can have them behind the pixels
            told = _exif(info)
    if not samples.size:
        raise UserError(f"{name} has no pixels")
    return upright_photo(samples, channels, orientation, info, told, format)


def upright_photo(
    samples: np.ndarray,
    channels: int,
    orientation: int,
    info: Mapping[Any, Any],
    told: bytes | None,
    format: str = "PNG",
) -> Photo:
    """The photo with these samples, turned upright.

    Args:
      samples: uint8 or uint16 [H, W, C], alpha (if any) last.
      channels: how many of C are colour.
      orientation: how the rows lie, as EXIF numbers it; 1 is upright.
      info: profile, XMP and DPI under Pillow's names.
      told: the EXIF, as `Photo` has it.
      format: Pillow's name.
    """
    samples, dpi, profile = _upright(samples, orientation), _dpi(info), info.get("icc_profile")
    return Photo(
        pixels=np.ascontiguousarray(samples[:, :, :channels]),
        alpha=np.ascontiguousarray(samples[:, :, channels]) if samples.shape[2] > channels else None,
        icc_profile=profile or None,
        exif=told,
        dpi=dpi[::-1] if dpi and orientation >= 5 else dpi,
        format=format,
        xmp=_xmp(info),
    )


def orientation_of(image: PIL.Image.Image) -> int:
    """How the rows of an image lie, as EXIF numbers it; 1 (upright) if it does not say."""
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # damaged EXIF is no damaged picture
        return 1


def _upright(samples: np.ndarray, orientation: int) -> np.ndarray:
    if orientation in (5, 6, 7, 8):
        samples = samples.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        samples = samples[::-1]
    if orientation in (2, 3, 6, 7):
        samples = samples[:, ::-1]
    return samples


def _dpi(info: Mapping[Any, Any]) -> tuple[float, float] | None:
    try:
        across, down = (float(value) for value in info["dpi"])
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    return (across, down) if 0 < across < 65535 and 0 < down < 65535 else None


def _exif(info: Mapping[Any, Any]) -> bytes | None:
    found = info.get("exif")
    if not found and "Raw profile type exif" in info:  # older ImageMagick's way in PNG
        try:
            found = bytes.fromhex("".join(info["Raw profile type exif"].split("\n")[3:]))
        except ValueError:
            return None
    return exif.upright(found.removeprefix(b"Exif\0\0")) if found else None


def _xmp(info: Mapping[Any, Any]) -> bytes | None:
    found = info.get("xmp") or info.get("XML:com.adobe.xmp")
    if isinstance(found, str):
        found = found.encode()
    return exif.upright_xmp(found) if found else None
