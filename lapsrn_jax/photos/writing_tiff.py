"""Writes TIFF strip by strip."""

from collections.abc import Iterable, Iterator
from typing import IO, Literal, NamedTuple

import imagecodecs
import numpy as np
import tifffile

from lapsrn_jax.photos import exif
from lapsrn_jax.photos.photo import Photo

_LEVEL = 6
_BIG = 2**32 - 2**26  # bytes of samples above which offsets may exceed 32 bits
_PHOTOMETRIC = {1: "minisblack", 3: "rgb", 4: "separated"}
_XMP, _IPTC = (700, 1), (33723, 7)  # tag and type


class Page(NamedTuple):
    """A page to write.

    Attributes:
      size: (width, height) in pixels.
      strips: uint8 or uint16 [rows, W, C], where C is 1, 3 or 4, plus 1 if `like` has alpha.
      rows: number of rows in every strip but the last, which may be shorter.
      like: the photo whose colour type and metadata are written.
    """

    size: tuple[int, int]
    strips: Iterable[np.ndarray]
    rows: int
    like: Photo


def write_tiff(file: IO[bytes], pages: Iterable[Page], order: Literal["<", ">"], *, big: bool) -> None:
    """Writes a whole TIFF, compressed by deflate with horizontal prediction.

    Args:
      file: a file that is open for reading and writing.
      pages: the pages; each is written before the next is taken.
      order: the byte order, which is that of the pages' EXIF.
      big: write a BigTIFF, which large images need; see `needs_big`.
    """
    found = []
    with tifffile.TiffWriter(file, bigtiff=big, byteorder=order) as tiff:
        for page in pages:
            _write_page(tiff, page, order)
            found.append(page.like.exif)
    for number, exif_bytes in enumerate(found):
        if exif_bytes:
            exif.into_tiff(file, exif_bytes, number)


def needs_big(samples_bytes: int) -> bool:
    """Whether so many bytes of samples may need offsets of more than 32 bits."""
    return samples_bytes > _BIG


def _write_page(tiff: tifffile.TiffWriter, page: Page, order: Literal["<", ">"]) -> None:
    (width, height), like = page.size, page.like
    samples = like.samples_per_pixel
    blocks = ((_XMP, like.xmp), (_IPTC, like.iptc))
    tiff.write(
        _encoded(page.strips, order),
        shape=(height, width, samples) if samples > 1 else (height, width),
        dtype=like.pixels.dtype,
        photometric=_PHOTOMETRIC[like.channels],
        planarconfig="contig" if samples > 1 else None,
        extrasamples=["unassalpha"] if like.alpha is not None else None,
        rowsperstrip=page.rows,
        compression="adobe_deflate",
        predictor=2,
        iccprofile=like.icc_profile,
        resolution=like.dpi,
        resolutionunit="inch" if like.dpi else None,
        extratags=[(*tag, len(value), value, True) for tag, value in blocks if value],
        metadata=None,
        software=False,
    )


def _encoded(strips: Iterable[np.ndarray], order: Literal["<", ">"]) -> Iterator[bytes]:
    """Yields each strip compressed: the differences between neighbours in a row, then deflate."""
    for strip in strips:
        differences = strip.copy()
        differences[:, 1:] -= strip[:, :-1]
        yield bytes(imagecodecs.deflate_encode(differences.astype(strip.dtype.newbyteorder(order)), level=_LEVEL))
