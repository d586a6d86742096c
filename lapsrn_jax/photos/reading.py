"""Reads an image file, or each image of a file with several, with its metadata."""

import contextlib
import dataclasses
import fractions
import io
import logging
import math
import os
import threading
import warnings
from collections.abc import Iterator
from typing import Any, BinaryIO, Literal

import numpy as np
import PIL.Image
import PIL.PngImagePlugin
import tifffile

from lapsrn_jax.errors import UserError
from lapsrn_jax.images.formats import PILLOW_NAMES, format_of
from lapsrn_jax.photos import exif
from lapsrn_jax.photos.decoding import decode
from lapsrn_jax.photos.extras import extras, georeference
from lapsrn_jax.photos.photo import Album, Frame, Photo
from lapsrn_jax.photos.reading_tiff import JPEG, MAGIC, pages_of, read_page, shape_of
from lapsrn_jax.photos.upright import exif_of, orientation_of, upright_photo

_FINEST = 65535  # parts of a second
_MAX_STREAM = 2**31  # bytes to read from a pipe before giving up

# Pillow takes larger colour profiles for attacks; some printers' profiles have a few MB.
PIL.PngImagePlugin.MAX_TEXT_CHUNK = max(2**24, PIL.PngImagePlugin.MAX_TEXT_CHUNK)

logging.getLogger("tifffile").addHandler(logging.NullHandler())  # it also raises what matters


def read_photo(source: str | os.PathLike[str] | BinaryIO, name: str | None = None) -> Photo:
    """Reads an image at its full bit depth.

    16-bit samples stay 16-bit and CMYK stays CMYK. Palette images become RGB, 1-bit images become gray, and every kind
    of transparency becomes alpha. The content determines the format, not the suffix. A JPEG with further images after
    the first (gain maps and previews of phones) is read as its first image, and AVIF is read as 8 bits. `Photo.dropped`
    names what was left out.

    Args:
      source: a path, or a binary stream, which is read to its end.
      name: name of the image in messages, in place of the path.

    Raises:
      UserError: the file does not exist, is not an image, is damaged, or holds several images; its samples are not
        unsigned 8-bit or 16-bit; or it has more pixels than Pillow allows, which is twice
        `PIL.Image.MAX_IMAGE_PIXELS` (179 million by default).
    """
    with open_album(source, name) as album:
        if len(album.shapes) > 1:
            name = _name_of(source, name)
            raise UserError(f"{name} holds {len(album.shapes)} pictures: save the one to enlarge as a separate file")
        return next(album.frames).photo


@contextlib.contextmanager
def open_album(source: str | os.PathLike[str] | BinaryIO, name: str | None = None) -> Iterator[Album]:
    """Opens an image, an animation (GIF, PNG or WebP) or a TIFF with several pages as `read_photo` reads an image.

    Args:
      source: a path, or a binary stream, which is read to its end.
      name: name of the file in messages, in place of the path.

    Raises:
      UserError: as `read_photo`. The frames of the album raise it as well, when one is damaged.
    """
    name = _name_of(source, name)
    with contextlib.ExitStack() as stack:
        with _explained(name):
            file = stack.enter_context(_opened(source, name))
            head = file.read(4)
            file.seek(0)
            if not head:
                raise UserError(f"{name} is empty")
            if head in MAGIC:
                album = _document(stack.enter_context(tifffile.TiffFile(file)), file, name)
            else:
                album = _album(stack.enter_context(PIL.Image.open(file, formats=PILLOW_NAMES)), file, name)
            if not all(map(math.prod, album.shapes)):
                raise UserError(f"{name} has no pixels")
        yield album


def _name_of(source: str | os.PathLike[str] | BinaryIO, name: str | None = None) -> str:
    """Returns the name of a source for messages."""
    return str(name or (source if isinstance(source, str | os.PathLike) else getattr(source, "name", "the picture")))


class _Silence:
    """Silences warnings while at least one thread is inside. `warnings.catch_warnings` mixes up threads."""

    def __init__(self) -> None:
        self._lock, self._inside, self._caught = threading.Lock(), 0, warnings.catch_warnings()

    def __enter__(self) -> None:
        with self._lock:
            self._inside += 1
            if self._inside == 1:
                self._caught = warnings.catch_warnings()
                self._caught.__enter__()
                warnings.simplefilter("ignore")  # Pillow warns of odd metadata and of 89 million pixels

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                self._caught.__exit__(None, None, None)


_SILENCE = _Silence()


@contextlib.contextmanager
def _explained(name: str) -> Iterator[None]:
    """Turns what decoders raise into a `UserError`, and silences their warnings."""
    try:
        with _SILENCE:
            yield
    except UserError:
        raise
    except FileNotFoundError:
        raise UserError(f"no such image: {name}") from None
    except PIL.UnidentifiedImageError:
        raise UserError(f"{name} is not a picture in a supported format ({', '.join(PILLOW_NAMES)})") from None
    except PIL.Image.DecompressionBombError:
        limit = 2e-6 * (PIL.Image.MAX_IMAGE_PIXELS or 0)
        raise UserError(f"{name} has more than {limit:.3g} million pixels: allow more with --max-pixels") from None
    except MemoryError:
        raise UserError(f"{name} needs more memory than is available: cut it into parts first") from None
    except Exception as error:  # damaged files make decoders raise anything (struct.error, KeyError, ...)
        message = " ".join(str(getattr(error, "strerror", None) or error).split())[:200]
        reason = "" if isinstance(error, TypeError | LookupError | AttributeError) else f": {message}"
        raise UserError(f"{name} is damaged or unreadable{reason}") from None


@contextlib.contextmanager
def _opened(source: str | os.PathLike[str] | BinaryIO, name: str) -> Iterator[BinaryIO]:
    """Yields the file of a source. It can seek."""
    if isinstance(source, str | os.PathLike):
        with open(source, "rb") as file:
            yield file
    else:
        content = source.read(_MAX_STREAM + 1)  # decoders need to seek, which a pipe cannot
        if len(content) > _MAX_STREAM:
            raise UserError(f"{name} is larger than {_MAX_STREAM >> 30} GiB: give a file instead")
        yield io.BytesIO(content)


def _document(tiff: tifffile.TiffFile, file: BinaryIO, name: str) -> Album:
    """Returns the album of a TIFF."""
    numbers = pages_of(tiff, name)

    def frames() -> Iterator[Frame]:
        for number in numbers:
            with _explained(name):
                samples, channels, orientation, info = read_page(tiff, number, file, name)
                exif_bytes = exif.from_tiff(file, tiff.pages[number].offset)
                photo = upright_photo(samples, channels, orientation, info, exif_bytes, "TIFF")
                page: Any = tiff.pages[number]
                further = extras(file, "TIFF", info) | {"lossy": page.compression in JPEG}
                further["dropped"] += georeference(tag.code for tag in page.tags)
                photo = dataclasses.replace(photo, **further)
            yield Frame(photo)

    order: Literal["<", ">"] = "<" if tiff.byteorder == "<" else ">"
    return Album([shape_of(tiff.pages[number]) for number in numbers], frames(), order=order)


def _album(image: PIL.Image.Image, file: BinaryIO, name: str) -> Album:
    """Returns the album of a file that Pillow has opened."""
    format = "JPEG" if image.format == "MPO" else str(image.format)
    count = 1 if format == "JPEG" else getattr(image, "n_frames", 1)
    if count > 1 and format_of(format).animated:
        return _animation(image, count, file, name)
    if count > 1:
        raise UserError(f"{name} holds {count} pictures: save the one to enlarge as a separate file")

    def frames() -> Iterator[Frame]:
        with _explained(name):
            samples, channels = decode(image, file, name)
            info = image.info  # read last: PNG may store it after the pixels
            if "Raw profile type APP1" in info:  # another name of ImageMagick's, which Pillow does not know
                info.setdefault("Raw profile type exif", info["Raw profile type APP1"])
            orientation = orientation_of(image)
            photo = upright_photo(samples, channels, orientation, info, exif_of(info), format)
            photo = dataclasses.replace(photo, **extras(file, str(image.format), info))
        yield Frame(photo)

    turned = format != "PNG" and orientation_of(image) in exif.SIDEWAYS  # PNG may store it after the pixels
    return Album([image.size if turned else image.size[::-1]], frames())


def _animation(image: PIL.Image.Image, count: int, file: BinaryIO, name: str) -> Album:
    """Returns the album of an animation with `count` frames. Pillow composes each of them."""
    format, info, orientation = str(image.format), image.info, orientation_of(image)
    plays = info.get("loop", 0 if format != "GIF" else None)
    if format == "GIF":  # it counts repetitions
        plays = {None: 1, 0: 0}.get(plays, (plays or 0) + 1)

    def frames() -> Iterator[Frame]:
        further: dict[str, Any] = {}
        for number in range(count):
            with _explained(name):
                image.seek(number)
                samples = np.asarray(image.convert("RGBA"))
                if not number:
                    at = file.tell()  # Pillow goes on reading there
                    further = extras(file, format, image.info)
                    file.seek(at)
                photo = upright_photo(samples, 3, orientation, image.info, exif_of(image.info), format)
                seconds = fractions.Fraction(image.info.get("duration", 0) / 1000).limit_denominator(_FINEST)
            yield Frame(dataclasses.replace(photo, **further), seconds)

    shape = image.size if orientation in exif.SIDEWAYS else image.size[::-1]
    return Album([shape] * count, frames(), plays, fallback=bool(getattr(image, "default_image", False)))
