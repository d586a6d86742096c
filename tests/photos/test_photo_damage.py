"""Damaged and hostile files are read or refused in one line, quickly and within a memory limit."""

import io
import lzma
import os
import pathlib
import resource
import struct
import subprocess
import sys
import time
import zlib

import imagecodecs
import numpy as np
import PIL.Image
import pytest
import tifffile

from lapsrn_jax.errors import UserError
from lapsrn_jax.photos.photo import Photo
from lapsrn_jax.photos.reading import read_photo
from tests.conftest import ROOT
from tests.photos import pictures
from tests.photos.pictures import encoded, png, smooth, tiff

RGB, DEEP = smooth("RGB"), smooth("RGB", np.uint16)


def deep_tiff(**options: object) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, DEEP, photometric="rgb", **options)
    return file.getvalue()


def whole_files() -> dict[str, bytes]:
    exif, image = b"Exif\0\0" + pictures.exif(6), PIL.Image.fromarray(RGB)
    files = {
        "a.png": encoded(RGB, "PNG", exif=exif, icc_profile=pictures.PROFILE),
        "palette.png": encoded(image.quantize(16), "PNG", transparency=3),
        "a.jpg": encoded(RGB, "JPEG", exif=exif, icc_profile=pictures.PROFILE),
        "progressive.jpg": encoded(RGB, "JPEG", progressive=True),
        "cmyk.jpg": encoded(image.convert("CMYK"), "JPEG"),
        "a.webp": encoded(RGB, "WEBP", exif=exif),
        "lossless.webp": encoded(RGB, "WEBP", lossless=True),
        "a.bmp": encoded(RGB, "BMP"),
        "palette.tif": encoded(image.quantize(16), "TIFF"),
        "lzw.tif": encoded(RGB, "TIFF", compression="tiff_lzw"),
    }
    return {name: file.getvalue() for name, file in files.items()} | {
        "16.png": imagecodecs.png_encode(DEEP),
        "16.tif": deep_tiff(compression="adobe_deflate", predictor=2),
        "raw.tif": deep_tiff(),
        "tiles.tif": deep_tiff(compression="lzw", tile=(16, 16)),
        "planes.tif": deep_tiff(compression="packbits", bigtiff=True),
    }


WHOLE = whole_files()


def outcome(content: bytes, name: str = "a.png") -> Photo | str:
    """Returns a photo or the error's one line; anything else is a bug."""
    before = time.monotonic()
    try:
        result: Photo | str = read_photo(io.BytesIO(content), name)
    except UserError as error:
        result = str(error)
    assert isinstance(result, Photo) or (result.startswith(name) and result.isprintable())
    assert time.monotonic() - before < 5
    return result


@pytest.mark.parametrize("name", WHOLE)
def test_damage(name, rng):
    """Damages each file in 24 ways: cut off, bits flipped, a piece replaced, extreme values near the beginning."""
    assert isinstance(outcome(WHOLE[name], name), Photo)
    for _ in range(6):
        flipped, replaced, extreme = (bytearray(WHOLE[name]) for _ in range(3))
        outcome(WHOLE[name][: rng.integers(len(flipped))], name)
        for _ in range(rng.integers(1, 20)):
            flipped[rng.integers(len(flipped))] ^= 1 << rng.integers(8)
        outcome(bytes(flipped), name)
        start = rng.integers(len(replaced))
        replaced[start : start + rng.integers(1, 40)] = rng.bytes(rng.integers(40))
        outcome(bytes(replaced), name)
        for _ in range(rng.integers(1, 4)):
            extreme[rng.integers(min(len(extreme), 200))] = rng.choice([0, 127, 128, 255])
        outcome(bytes(extreme), name)


@pytest.mark.parametrize("size", [(0, 3), (3, 0)])
def test_a_file_without_pixels_is_refused(size):
    assert outcome(tiff(size, 8, 1, b""), "a.tif") == "a.tif has no pixels"


@pytest.mark.parametrize("name", WHOLE)
def test_a_file_cut_in_the_middle_is_never_taken_for_a_whole_one(name):
    assert "damaged" in str(outcome(WHOLE[name][: len(WHOLE[name]) // 2], name))


def zeros(size: int) -> bytes:
    deflate = zlib.compressobj(9)
    return b"".join([*(deflate.compress(bytes(2**20)) for _ in range(size >> 20)), deflate.flush()])


def bombs() -> dict[str, bytes]:
    many, huge = zeros(2**28), (100_000, 100_000)
    jpeg = encoded(RGB, "JPEG").getvalue()
    frame = jpeg.index(b"\xff\xc0") + 5
    jpeg = jpeg[:frame] + struct.pack(">HH", 65000, 65000) + jpeg[frame + 4 :]
    profile = pictures.chunk(b"iCCP", b"a\0\0" + many)
    chain = bytearray(tiff((4, 4), 8, 1, bytes(16)))
    struct.pack_into("<I", chain, 10 + 12 * chain[8], 8)  # the next page points to this one
    return {
        "huge.png": png(huge, 8, 2, b""),
        "huge16.png": png(huge, 16, 6, b""),
        "huge.tif": tiff(huge, 8, 8, b""),
        "huge16.tif": tiff(huge, 16, 1, b""),
        "largest.tif": tiff((2**32 - 1, 2**32 - 1), 16, 1, b""),
        "huge.jpg": jpeg,
        "huge.bmp": b"BM" + struct.pack("<IHHIIiiHHIIiiII", 100, 0, 0, 54, 40, *huge, 1, 24, 0, 0, 0, 0, 0, 0),
        "lying.webp": b"RIFF\x1e\0\0\0WEBPVP8X\x0a\0\0\0" + bytes(4) + b"\xff" * 6,
        "inflating.png": png((9, 9), 8, 2, many),
        "inflating16.png": png((9, 9), 16, 2, many),
        "inflating.tif": tiff((9, 9), 8, 8, many),
        "inflating16.tif": tiff((9, 9), 16, 8, many),
        "lzma.tif": tiff((9, 9), 8, 34925, lzma.compress(bytes(2**26))),
        "zstd.tif": tiff((9, 9), 8, 50000, imagecodecs.zstd_encode(bytes(2**26))),
        "lying.tif": tiff((9, 9), 8, 7, jpeg),
        "profile.png": png((9, 9), 8, 2, zlib.compress(bytes(252)), profile),
        "profile16.png": png((9, 9), 16, 2, zlib.compress(bytes(495)), profile),
        "empty.tif": tiff((13_000, 13_000), 16, 8, zlib.compress(b"")),
        "tile.tif": tiff((9, 9), 16, 8, b"xx", {322: 60_000, 323: 60_000, 324: 0, 325: 2}),
        "samples.tif": tiff((9_000, 9_000), 16, 8, zeros(2**20), {277: 1000}),
        "loop.tif": bytes(chain),
    }


def test_bombs(tmp_path):
    """Reading all of them takes less than 200 MB, measured in a separate process."""
    files = bombs()
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    command = [sys.executable, "-m", "tests.photos.test_photo_damage", tmp_path]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stderr
    refused = dict(line.split(": ", 1) for line in run.stdout.splitlines())
    harmless = {"inflating.png", "inflating16.png", "lzma.tif"}  # their first bytes hold the whole image
    assert refused.keys() == files.keys() - harmless
    for name in refused:
        assert "179 million pixels" in refused[name] or not name.startswith("huge"), (name, refused[name])


def test_empty_and_foreign_files(tmp_path):
    assert outcome(b"") == "a.png is empty"
    for content in (b"\0", bytes(1000), b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"):
        assert "is not a picture in a supported format (PNG," in str(outcome(content))
    for format in ("DIB", "PPM", "ICO", "TGA"):  # Pillow reads these, but they are not on our list
        assert "is not a picture" in str(outcome(encoded(RGB, format).getvalue()))


def test_places_that_cannot_be_read(tmp_path):
    with pytest.raises(UserError, match=r"no such image: .*missing\.png"):
        read_photo(tmp_path / "missing.png")
    with pytest.raises(UserError, match="Is a directory"):
        read_photo(tmp_path)
    (tmp_path / "secret.png").touch(0o000)
    if os.geteuid():  # root can read everything
        with pytest.raises(UserError, match="Permission denied"):
            read_photo(tmp_path / "secret.png")


def test_the_limit_is_pillows(monkeypatch):
    for limit in (RGB[:, :, 0].size // 2 - 1, 0):
        monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", limit)
        for name in ("16.png", "raw.tif", "a.jpg"):
            assert "--max-pixels" in str(outcome(WHOLE[name], name))
    monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", None)
    assert isinstance(outcome(WHOLE["raw.tif"]), Photo)


def _read_all(folder: pathlib.Path) -> None:
    read_photo(io.BytesIO(WHOLE["16.tif"]))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for path in sorted(folder.iterdir()):
        result = outcome(path.read_bytes(), path.name)
        if isinstance(result, str):
            print(f"{path.name}: {result}")
        used = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 2**10
        assert used < 200, f"{path.name}: {used} MB"


if __name__ == "__main__":
    _read_all(pathlib.Path(sys.argv[1]))
