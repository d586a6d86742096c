"""The table of formats in docs/guides/upscale.md says what really survives a round trip."""

import io
import struct

import numpy as np
import pytest

from lapsrn_jax.errors import UserError
from lapsrn_jax.images.formats import PILLOW_NAMES
from lapsrn_jax.photos.photo import Photo, samples_of
from lapsrn_jax.photos.reading import read_photo
from lapsrn_jax.photos.writing import what_is_lost, write_photo
from tests.conftest import ROOT
from tests.photos import pictures
from tests.photos.pictures import KINDS, PROFILE, smooth

NAMES = [name for name in PILLOW_NAMES if name != "HEIF"]  # an extra, which the guide compares with AVIF
GUIDE = ROOT / "docs" / "guides" / "upscale.md"
IPTC = b"\x1c\x02\x78\0\x05hello"
CHUNKS = ((b"tEXt", b"Author\0Ann"), (b"gAMA", struct.pack(">I", 100_000)))


def of_kind(kind: str, **metadata: object) -> Photo:
    samples, (channels, alpha) = smooth(kind), KINDS[kind]
    return Photo(samples[:, :, :channels], samples[:, :, channels] if alpha else None, **metadata)


# What the table lists: a photo that has it, and whether another photo still has it.
ROWS = {
    "16 bits per sample": (Photo(smooth("RGB", np.uint16)), lambda back: back.pixels.dtype == np.uint16),
    "transparency": (of_kind("RGBA"), lambda back: back.alpha is not None),
    "gray as one channel": (of_kind("gray"), lambda back: back.pixels.shape[2] == 1),
    "CMYK": (of_kind("CMYK"), lambda back: back.pixels.shape[2] == 4),
    "colour profile": (of_kind("RGB", icc_profile=PROFILE), lambda back: back.icc_profile == PROFILE),
    "EXIF": (of_kind("RGB", exif=pictures.exif()), lambda back: back.exif is not None),
    "XMP": (of_kind("RGB", xmp=pictures.XMP), lambda back: back.xmp == pictures.XMP),
    "IPTC": (of_kind("RGB", iptc=IPTC), lambda back: back.iptc == IPTC),
    "resolution": (of_kind("RGB", dpi=(300.0, 150.0)), lambda back: back.dpi is not None),
    "text and gamma of PNG": (of_kind("RGB", chunks=CHUNKS), lambda back: set(back.chunks) == set(CHUNKS)),
}
SILENT = {  # no loss: viewers assume sRGB anyway, and three equal channels are gray
    *((name, "colour profile") for name in ("BMP", "GIF")),
    *((name, "gray as one channel") for name in PILLOW_NAMES),
}


def survives(photo: Photo, kept, format: str) -> bool:
    file = io.BytesIO()
    try:
        write_photo(file, photo.pixels.shape[1::-1], [samples_of(photo)], photo, format=format)
    except UserError:
        return False
    return bool(kept(read_photo(io.BytesIO(file.getvalue()))))


@pytest.mark.skipif("AVIF" not in PILLOW_NAMES, reason="the table has a column for AVIF, which this Pillow lacks")
def test_the_guide_has_the_table_that_this_test_computes():
    lines = ["| | " + " | ".join(name.replace("WEBP", "WebP") for name in NAMES) + " |"]
    lines.append("| --- " * (1 + len(NAMES)) + "|")
    for row, (photo, kept) in ROWS.items():
        answers = ["yes" if survives(photo, kept, name) else "no" for name in NAMES]
        lines.append(f"| {row} | " + " | ".join(answers) + " |")
    table = "\n".join(lines)
    assert table in GUIDE.read_text(), f"the guide needs this table:\n{table}"


@pytest.mark.parametrize("format", PILLOW_NAMES)
@pytest.mark.parametrize("row", ROWS)
def test_every_loss_is_said_or_refused_before_it_happens(format, row):
    photo, kept = ROWS[row]
    if survives(photo, kept, format) or (format, row) in SILENT:
        return
    try:
        said = what_is_lost(format, photo) is not None
        write_photo(io.BytesIO(), photo.pixels.shape[1::-1], [samples_of(photo)], photo, format=format)
    except UserError:
        said = True
    assert said
