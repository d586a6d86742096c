"""Writes an image, which arrives in bands of rows, with its metadata."""

import contextlib
import dataclasses
import math
import os
import pathlib
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from typing import IO, Any, BinaryIO, Literal

import numpy as np
import PIL.Image

from lapsrn_jax.errors import UserError
from lapsrn_jax.files import atomic_write
from lapsrn_jax.images.formats import Format, check_writable, format_of, save_options
from lapsrn_jax.photos import exif
from lapsrn_jax.photos.extras import METADATA, TEXT_CHUNKS, iptc_segment, is_srgb, lost_outside_of_png
from lapsrn_jax.photos.photo import Photo
from lapsrn_jax.photos.writing_gif import write_gif
from lapsrn_jax.photos.writing_png import write_png
from lapsrn_jax.photos.writing_tiff import Page, needs_big, write_tiff

_AT_ONCE = 2**20  # bytes of a band; small enough for the processor's cache
_JPEG_MOST = 65504  # bytes that a JPEG segment holds after its length and identifier


def write_photo(
    target: str | os.PathLike[str] | BinaryIO,
    size: tuple[int, int],
    bands: Iterable[np.ndarray],
    like: Photo,
    *,
    strip: bool = False,
    format: str | None = None,
    quality: int | None = None,
    lossless: bool = False,
    on_complete: Callable[[pathlib.Path], None] | None = None,
) -> None:
    """Writes an image as its rows arrive, with the ICC profile, EXIF, XMP, IPTC and resolution of `like`.

    PNG and TIFF are written band by band. The other formats first gather the whole image, up to 4 bytes per pixel, and
    reduce 16 bits to 8. EXIF is updated to the new size. BMP stores neither EXIF nor XMP, WebP and AVIF store no
    resolution outside of EXIF, and AVIF's alpha is slightly lossy.

    Args:
      target: a path, where the file appears only once it is complete; or a binary stream, which receives the file only
        once it is complete.
      size: (width, height) of the image in pixels.
      bands: the rows from top to bottom, [rows, W, C] with the dtype and channels of `like`; alpha, if any, last.
      like: the image that the metadata is copied from.
      strip: leave out EXIF, XMP, IPTC and resolution. The ICC profile stays, because the colours depend on it.
      format: the format, such as "PNG", in place of the suffix of `target`; required for a stream.
      quality: quality of lossy formats, from 1 to 100; None for the package's choice, which is lossless for WebP if
        `like` is a lossless WebP.
      lossless: write without loss, which excludes `quality`.
      on_complete: called with the complete temporary file before it is renamed to the path `target`.

    Raises:
      UserError: the format cannot hold the image (raised before the first band is taken), or `target` cannot be
        written.
      ValueError: the bands do not add up to the image.
    """
    if not isinstance(target, str | os.PathLike) and format is None:
        raise ValueError("a stream needs a format")
    where = target if isinstance(target, str | os.PathLike) else f"the {format} stream"
    check_writable(format or str(target), size, like.channels, like.alpha is not None, lossless=lossless)
    form = format_of(format or str(target))
    like, options = described(like, form, size, strip, where), options_for(form, like, quality, lossless)
    with opened_for_writing(target, where, on_complete) as file:
        _write(file, form, size, bands, like, options)


@contextlib.contextmanager
def opened_for_writing(
    target: str | os.PathLike[str] | BinaryIO, where: object, on_complete: Callable[[pathlib.Path], None] | None
) -> Iterator[IO[bytes]]:
    """Yields a temporary file. Once it is complete, it becomes the file `target` or goes into the stream `target`.

    Raises:
      UserError: `target`, whose name is `where`, cannot be written.
    """
    try:
        if isinstance(target, str | os.PathLike):
            with (
                atomic_write(target, on_complete=on_complete) as partial,
                partial.open("w+b") as file,
            ):
                yield file
        else:
            with tempfile.NamedTemporaryFile() as file:  # tifffile needs a named file
                yield file
                file.seek(0)
                shutil.copyfileobj(file, target)
    except OSError as error:
        raise UserError(f"cannot write {where}: {error.strerror or error}") from error


def what_is_lost(target: str | os.PathLike[str], like: Photo, *, strip: bool = False) -> str | None:
    """Describes what `write_photo` leaves out because the format of `target` cannot store it.

    Returns:
      One line, or None if nothing is lost. Losses that would spoil the image are errors in `write_photo` instead.
    """
    form, metadata = format_of(target), {"EXIF": like.exif, "XMP": like.xmp}
    lost = [] if form.metadata or strip else [name for name, value in metadata.items() if value]
    if like.iptc and not (form.iptc or strip):
        lost.append("IPTC")
    if not (form.resolution or strip) and like.dpi and not like.exif:  # EXIF holds the resolution too
        lost.append("resolution")
    if form.name != "PNG":
        lost += [name for name in lost_outside_of_png(like.chunks, like.icc_profile) if not (strip and name == "text")]
    notes = [f"cannot store {' and '.join(lost)}, which will be left out"] if lost else []
    if like.pixels.dtype == np.uint16 and not form.sixteen_bits:
        notes.append("has 8 bits per sample: the picture's 16 bits will be rounded")
    if form.palette and like.format != form.name:
        notes.append("has at most 256 colours and no partial transparency")
    lines = [f"{form.name} {'; it '.join(notes)}"] if notes else []
    if dropped := [name for name in like.dropped if not (strip and name in METADATA)]:
        lines.append(f"the picture's {' and '.join(dropped)} will be left out")
    return "; ".join(lines) or None


def options_for(form: Format, like: Photo, quality: int | None, lossless: bool) -> dict[str, Any]:
    """Returns options for Pillow's `save`. A lossless WebP stays lossless, unless there is a quality."""
    stays_lossless = form.name == like.format == "WEBP" and not like.lossy and quality is None
    return save_options(form, quality, lossless or stays_lossless)


def described(like: Photo, form: Format, size: tuple[int, int], strip: bool, where: object) -> Photo:
    """Returns `like` with the metadata for the new file.

    Raises:
      UserError: the format cannot hold what the colours depend on, or so much metadata.
    """
    profile, gray = like.icc_profile, like.channels == 1
    if profile and not form.profile:
        if not is_srgb(profile):  # viewers assume sRGB anyway
            raise UserError(
                f"cannot write {where}: {form.name} cannot store colour profiles; write PNG or TIFF instead"
            )
        like = dataclasses.replace(like, icc_profile=None)
    elif profile and gray and not form.gray and profile[16:20] == b"GRAY":
        raise UserError(f"cannot write {where}: {form.name} cannot store gray profiles; write PNG or TIFF instead")
    if strip:
        chunks = tuple(chunk for chunk in like.chunks if chunk[0] not in TEXT_CHUNKS)
        return dataclasses.replace(like, exif=None, xmp=None, iptc=None, dpi=None, chunks=chunks)
    if form.name == "JPEG" and max(len(like.exif or b""), len(like.xmp or b""), len(like.iptc or b"")) > _JPEG_MOST:
        raise UserError(
            f"cannot write {where}: JPEG has no room for so much metadata; write PNG or leave it out with --strip"
        )
    return dataclasses.replace(like, exif=exif.resized(like.exif, *size)) if like.exif else like


def _write(
    file: IO[bytes],
    form: Format,
    size: tuple[int, int],
    bands: Iterable[np.ndarray],
    like: Photo,
    options: dict[str, Any],
) -> None:
    """Writes an image; `options` are those of Pillow's `save`. The rest is as in `write_photo`."""
    rows, bands = in_strips(size, bands, like)
    if form.name == "PNG":
        write_png(file, size, bands, like)
    elif form.name == "TIFF":
        order: Literal["<", ">"] = exif.byte_order(like.exif) if like.exif else "<"
        big = needs_big(math.prod(size) * _bytes_per_pixel(like))
        write_tiff(file, [Page(size, bands, rows, like)], order, big=big)
    elif form.name == "GIF":
        write_gif(file, size, [(in_eight_bits(np.concatenate(list(bands))), Fraction(0))], plays=1)
    else:
        _write_whole(file, form, size, bands, like, options)
    next(bands, None)  # a writer may have stopped at the last row; this checks that no more follow


def in_strips(size: tuple[int, int], bands: Iterable[np.ndarray], like: Photo) -> tuple[int, Iterator[np.ndarray]]:
    """Regroups bands for a processor's cache. Returns the number of rows in each but the last, and the bands."""
    rows = max(1, _AT_ONCE // (size[0] * _bytes_per_pixel(like)))
    return rows, _regrouped(bands, (size[1], size[0], like.samples_per_pixel), like.pixels.dtype, rows)


def _bytes_per_pixel(photo: Photo) -> int:
    return photo.samples_per_pixel * photo.pixels.dtype.itemsize


def in_eight_bits(samples: np.ndarray) -> np.ndarray:
    """Rounds uint16 samples to uint8. Leaves uint8 samples as they are."""
    return ((samples.astype(np.uint32) + 128) // 257).astype(np.uint8) if samples.dtype == np.uint16 else samples


def _regrouped(
    bands: Iterable[np.ndarray], shape: tuple[int, int, int], dtype: np.dtype, rows: int
) -> Iterator[np.ndarray]:
    """Regroups the bands into bands of `rows` rows; the last one holds the remaining rows.

    Raises:
      ValueError: the bands do not add up to `shape` or are not of `dtype`.
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
    file: IO[bytes],
    form: Format,
    size: tuple[int, int],
    bands: Iterable[np.ndarray],
    like: Photo,
    options: dict[str, Any],
) -> None:
    """Gathers the bands, and writes the image with Pillow."""
    own = {1: "L", 3: "RGB", 4: "CMYK"}[like.channels] + ("A" if like.alpha is not None else "")
    mode = own if form.gray else own.replace("L", "RGB")
    image, top = PIL.Image.new(mode, size), 0
    for band in bands:
        band = in_eight_bits(band)
        part = PIL.Image.frombytes(own, (size[0], len(band)), np.ascontiguousarray(band))
        image.paste(part if own == mode else part.convert(mode), (0, top))
        top += len(band)
    metadata = {"icc_profile": like.icc_profile, "exif": like.exif, "xmp": like.xmp, "dpi": like.dpi}
    if form.name == "JPEG" and like.exif:
        metadata["exif"] = b"Exif\0\0" + like.exif
    if form.name == "JPEG" and like.iptc:
        metadata["extra"] = iptc_segment(like.iptc)
    image.save(file, format=form.name, **options, **{key: value for key, value in metadata.items() if value})
