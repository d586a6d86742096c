"""Writing a picture that arrives in bands, with all that is known about it."""

import dataclasses
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from typing import IO, BinaryIO

import numpy as np
import PIL.Image

from lapsrn_jax.errors import UserError
from lapsrn_jax.files import atomic_write
from lapsrn_jax.images.formats import Format, check_writable, format_of
from lapsrn_jax.photos import exif
from lapsrn_jax.photos.photo import Photo
from lapsrn_jax.photos.writing_png import write_png
from lapsrn_jax.photos.writing_tiff import write_tiff

_AT_ONCE = 2**20  # bytes; small enough for the processor's cache
_JPEG_MOST = 65504  # bytes of a JPEG's segment after the words that say what is in it


def write_photo(
    target: str | os.PathLike[str] | BinaryIO,
    size: tuple[int, int],
    bands: Iterable[np.ndarray],
    like: Photo,
    *,
    strip: bool = False,
    format: str | None = None,
) -> None:
    """Writes a picture as its rows arrive, with the profile, EXIF, XMP and resolution of another one.

    PNG and TIFF are written on the way; the other formats gather up to 4 bytes a pixel first, and get 8 of 16 bits.
    EXIF tells the new size. BMP holds neither EXIF nor XMP, WebP and AVIF no resolution of their own, and AVIF's alpha
    is not quite exact.

    Args:
      target: path, which appears whole or not at all; or a binary stream, which gets nothing before all went well.
      size: (width, height) of the picture.
      bands: its rows from top to bottom, [rows, W, C] of the dtype and channels of `like`, alpha (if any) last.
      like: the picture it was made from.
      strip: leave out EXIF, XMP and resolution. The profile stays: without it the colours would change.
      format: such as "PNG", in place of the suffix of `target`; a stream needs it.

    Raises:
      UserError: before the first band is taken, a format that cannot hold the picture; a place that cannot be written.
      ValueError: bands that do not make up the picture.
    """
    if not isinstance(target, str | os.PathLike) and format is None:
        raise ValueError("a stream needs a format")
    where = target if isinstance(target, str | os.PathLike) else f"the {format} stream"
    check_writable(format or str(target), size, like.pixels.shape[2], like.alpha is not None)
    form = format_of(format or str(target))
    like = _told(like, form, size, strip, where)
    try:
        if isinstance(target, str | os.PathLike):
            with atomic_write(target) as partial, partial.open("w+b") as file:
                _write(file, form, size, bands, like)
        else:
            with tempfile.NamedTemporaryFile() as file:  # tifffile wants a name
                _write(file, form, size, bands, like)
                file.seek(0)
                shutil.copyfileobj(file, target)
    except OSError as error:
        raise UserError(f"cannot write {where}: {error.strerror or error}") from None


def what_is_lost(target: str | os.PathLike[str], like: Photo, *, strip: bool = False) -> str | None:
    """What `write_photo` leaves out of a picture because the format of `target` has no place for it.

    Returns:
      One line, or None; what nobody could accept is refused by `write_photo` instead.
    """
    form, told = format_of(target), {"EXIF": like.exif, "XMP": like.xmp}
    lost = [] if form.metadata or strip else [name for name, value in told.items() if value]
    if not (form.resolution or strip) and like.dpi and not like.exif:  # EXIF has it too
        lost.append("resolution")
    notes = [f"has no place for {' and '.join(lost)}, left out"] if lost else []
    if like.pixels.dtype == np.uint16 and not form.sixteen_bits:
        notes.append("has 8 bits a sample: the 16 of the picture are rounded")
    return f"{form.name} {'; it '.join(notes)}" if notes else None


def _told(like: Photo, form: Format, size: tuple[int, int], strip: bool, where: object) -> Photo:
    """`like` with what the new file shall say."""
    profile, gray = like.icc_profile, like.pixels.shape[2] == 1
    if profile and not form.profile:
        if not any("sRGB".encode(code) in profile for code in ("ascii", "utf-16-be")):  # sRGB is what all assume
            raise UserError(f"cannot write {where}: {form.name} has no colour profiles; write PNG or TIFF instead")
        like = dataclasses.replace(like, icc_profile=None)
    elif profile and gray and not form.gray and profile[16:20] == b"GRAY":
        raise UserError(f"cannot write {where}: {form.name} has no gray profiles; write PNG or TIFF instead")
    if strip:
        return dataclasses.replace(like, exif=None, xmp=None, dpi=None)
    if form.name == "JPEG" and max(len(like.exif or b""), len(like.xmp or b"")) > _JPEG_MOST:
        raise UserError(f"cannot write {where}: JPEG has no room for so much metadata; write PNG, or leave it out")
    return dataclasses.replace(like, exif=exif.resized(like.exif, *size)) if like.exif else like


def _write(file: IO[bytes], form: Format, size: tuple[int, int], bands: Iterable[np.ndarray], like: Photo) -> None:
    samples = like.pixels.shape[2] + (like.alpha is not None)
    shape = (size[1], size[0], samples)
    rows = max(1, _AT_ONCE // (size[0] * samples * like.pixels.dtype.itemsize))
    bands = _regrouped(bands, shape, like.pixels.dtype, rows)
    if form.name == "PNG":
        write_png(file, size, bands, like)
    elif form.name == "TIFF":
        write_tiff(file, size, bands, rows, like)
    else:
        _write_whole(file, form, size, bands, like)
    next(bands, None)  # whatever did not ask for more than it needed


def _regrouped(
    bands: Iterable[np.ndarray], shape: tuple[int, int, int], dtype: np.dtype, rows: int
) -> Iterator[np.ndarray]:
    """The same picture in bands of `rows` rows, the last one of what is left.

    Raises:
      ValueError: they are not of `shape` in all, or not of `dtype`.
    """
    waiting: list[np.ndarray] = []
    count, missing = 0, shape[0]
    for band in bands:
        if band.shape[1:] != shape[1:] or band.dtype != dtype:
            raise ValueError(f"a band is {band.dtype} {band.shape}, not {dtype} of width and samples {shape[1:]}")
        missing, start = missing - len(band), 0
        if missing < 0:
            break
        while len(band) - start + count >= rows:
            end = start + rows - count
            yield np.concatenate([*waiting, band[start:end]]) if waiting else band[start:end]
            waiting, count, start = [], 0, end
        if start < len(band):
            waiting.append(band[start:])
            count += len(band) - start
    if missing:
        raise ValueError(f"the bands have {shape[0] - missing} rows, not {shape[0]}")
    if waiting:
        yield np.concatenate(waiting)


def _write_whole(
    file: IO[bytes], form: Format, size: tuple[int, int], bands: Iterable[np.ndarray], like: Photo
) -> None:
    channels, alpha = like.pixels.shape[2], like.alpha is not None
    own = {1: "L", 3: "RGB", 4: "CMYK"}[channels] + "A" * alpha
    mode = own if form.gray else own.replace("L", "RGB")
    image, top = PIL.Image.new(mode, size), 0
    for band in bands:
        if band.dtype == np.uint16:
            band = ((band.astype(np.uint32) + 128) // 257).astype(np.uint8)
        part = PIL.Image.frombytes(own, (size[0], len(band)), np.ascontiguousarray(band))
        image.paste(part if own == mode else part.convert(mode), (0, top))
        top += len(band)
    told = {"icc_profile": like.icc_profile, "exif": like.exif, "xmp": like.xmp, "dpi": like.dpi}
    if form.name == "JPEG" and like.exif:
        told["exif"] = b"Exif\0\0" + like.exif
    options = {key: value for key, value in told.items() if value}
    image.save(file, format=form.name, **form.options, **options)
