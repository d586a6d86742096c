"""Writes the frames of an animation, or the pages of a document, as they arrive."""

import math
import os
import pathlib
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from typing import BinaryIO, NamedTuple

import numpy as np

from lapsrn_jax.images.formats import format_of
from lapsrn_jax.photos.photo import Album, Photo
from lapsrn_jax.photos.writing import described, in_eight_bits, in_strips, opened_for_writing, options_for
from lapsrn_jax.photos.writing_gif import write_gif
from lapsrn_jax.photos.writing_png import write_apng
from lapsrn_jax.photos.writing_tiff import Page, needs_big, write_tiff
from lapsrn_jax.photos.writing_webp import write_animated_webp

_MOST_BYTES = 5 * 2  # of a pixel: CMYK with alpha in 16 bits


class Part(NamedTuple):
    """A frame or page to write.

    Attributes:
      bands: its rows from top to bottom, as in `write_photo`.
      like: the image that the metadata is copied from. For an animation, that of the first frame counts.
      seconds: the time for which an animation shows it.
    """

    bands: Iterable[np.ndarray]
    like: Photo
    seconds: Fraction


def write_album(
    target: str | os.PathLike[str] | BinaryIO,
    sizes: list[tuple[int, int]],
    parts: Iterator[Part],
    album: Album,
    *,
    strip: bool = False,
    format: str | None = None,
    quality: int | None = None,
    lossless: bool = False,
    on_complete: Callable[[pathlib.Path], None] | None = None,
) -> None:
    """Writes an album. Holds one image at a time.

    GIF and WebP store times in hundredths and thousandths of a second. They are rounded so that the sum stays right.
    Frames are stored as the part that has changed.

    Args:
      target: a path or a binary stream; see `write_photo`.
      sizes: (width, height) of each part in pixels. Those of frames are equal.
      parts: the frames or pages.
      album: the album that they are made of. An animation goes into GIF, PNG or WebP, a document into TIFF. The caller
        checks that with `check_holds`, and leaves out a fallback unless the format is PNG.
      strip: see `write_photo`; so are the other arguments.
      format: the format in place of the suffix of `target`.
      quality: quality of WebP.
      lossless: write WebP without loss.
      on_complete: called with the complete temporary file before it is renamed to the path `target`.

    Raises:
      UserError: `target` cannot be written, or the format cannot hold the colours or metadata.
    """
    form = format_of(format or str(target))
    where = target if isinstance(target, str | os.PathLike) else f"the {format} stream"

    def pages() -> Iterator[Page]:
        for size, part in zip(sizes, parts, strict=True):
            rows, strips = in_strips(size, part.bands, part.like)
            yield Page(size, strips, rows, described(part.like, form, size, strip, where))

    with opened_for_writing(target, where, on_complete) as file:
        if form.pages:
            big = needs_big(sum(math.prod(size) * _MOST_BYTES for size in sizes))
            write_tiff(file, pages(), album.order, big=big)
            return
        first, size, plays = next(parts), sizes[0], album.plays or 0
        like = described(first.like, form, size, strip, where)
        options = options_for(form, first.like, quality, lossless)

        def frames() -> Iterator[tuple[np.ndarray, Fraction]]:
            part: Part | None = first
            while part:
                yield in_eight_bits(np.concatenate(list(part.bands))), part.seconds
                part = next(parts, None)

        if form.name == "GIF":
            write_gif(file, size, frames(), plays)
        elif form.name == "PNG":
            write_apng(file, size, frames(), len(sizes), like, plays, album.fallback)
        else:
            write_animated_webp(file, size, frames(), like, plays, options)
