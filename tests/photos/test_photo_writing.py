"""Images written from bands: any grouping of rows, complete files only, limits checked first."""

import io

import imagecodecs
import numpy as np
import PIL.Image
import pytest
import tifffile

from lapsrn_jax.errors import UserError
from lapsrn_jax.images.formats import check_writable
from lapsrn_jax.photos import writing, writing_tiff
from lapsrn_jax.photos.photo import samples_of
from lapsrn_jax.photos.reading import read_photo
from lapsrn_jax.photos.writing import write_photo
from tests.photos.pictures import HEIGHT, KINDS, PROFILE, WIDTH, exif, photo, smooth

SIZE = (WIDTH, HEIGHT)


def content(name: str, kind: str, bands: list[np.ndarray], dtype: type = np.uint8, **metadata: object) -> bytes:
    file = io.BytesIO()
    write_photo(file, SIZE, bands, photo(smooth(kind, dtype), kind, **metadata), format=name)
    return file.getvalue()


@pytest.mark.parametrize("name", ["PNG", "TIFF", "JPEG", "BMP"])
@pytest.mark.parametrize("heights", [[1] * HEIGHT, [36, 1], [3, 0, 17, 17], [5] * 7 + [2]], ids=str)
def test_bands_of_any_heights_are_one_picture(name, heights, monkeypatch):
    monkeypatch.setattr(writing, "_AT_ONCE", WIDTH * 3 * 7)  # seven rows
    samples = smooth("RGB")
    bands = np.split(samples, np.cumsum(heights)[:-1])
    assert content(name, "RGB", bands) == content(name, "RGB", [samples])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("kind", KINDS)
def test_other_readers_agree(kind, dtype):
    samples = smooth(kind, dtype)
    bands = [samples[:10], samples[10:]]
    if kind != "CMYK":
        decoded = imagecodecs.png_decode(content("PNG", kind, bands, dtype))
        np.testing.assert_array_equal(decoded.reshape(samples.shape), samples)
        image = PIL.Image.open(io.BytesIO(content("PNG", kind, bands, dtype)))
        assert image.mode in {"gray": ("L", "I;16")}.get(kind, image.mode)
        if dtype == np.uint8 or kind == "gray":
            np.testing.assert_array_equal(np.asarray(image).reshape(samples.shape), samples)
    with tifffile.TiffFile(io.BytesIO(content("TIFF", kind, bands, dtype, exif=exif()))) as tiff:
        np.testing.assert_array_equal(tiff.asarray().reshape(samples.shape), samples)
        assert len(tiff.pages) == 1
    if dtype == np.uint8:  # libtiff
        image = PIL.Image.open(io.BytesIO(content("TIFF", kind, bands, exif=exif())))
        np.testing.assert_array_equal(np.asarray(image).reshape(samples.shape), samples)


def test_bigtiff_where_offsets_need_it(monkeypatch):
    monkeypatch.setattr(writing_tiff, "_BIG", 100)
    written = content("TIFF", "RGB", [smooth("RGB")], exif=exif(), icc_profile=PROFILE)
    assert written[:4] == b"MM\0+"  # in the order of its EXIF
    back = read_photo(io.BytesIO(written))
    np.testing.assert_array_equal(back.pixels, smooth("RGB"))
    assert back.icc_profile == PROFILE
    with tifffile.TiffFile(io.BytesIO(written)) as tiff:  # another reader
        assert tiff.pages[0].tags[34665].value["ISOSpeedRatings"] == 200


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.jpg"])
def test_a_failure_in_the_middle_leaves_nothing(tmp_path, name):
    samples = smooth("RGB")

    def bands():
        yield samples[:20]
        raise RuntimeError("no more")

    (tmp_path / name).write_bytes(b"the one before")
    with pytest.raises(RuntimeError, match="no more"):
        write_photo(tmp_path / name, SIZE, bands(), photo(samples, "RGB"))
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_bytes() == b"the one before"
    stream = io.BytesIO()
    with pytest.raises(RuntimeError, match="no more"):
        write_photo(stream, SIZE, bands(), photo(samples, "RGB"), format=name[2:])
    assert not stream.getvalue()


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.jpg"])
@pytest.mark.parametrize("bands", [[20], [20, 16], [20, 17, 1], [37, 37], []], ids=str)
def test_bands_that_do_not_add_up_to_the_picture_are_a_bug(tmp_path, name, bands):
    samples = smooth("RGB", height=40)
    with pytest.raises(ValueError, match="rows"):
        write_photo(tmp_path / name, SIZE, [samples[:rows] for rows in bands], photo(samples, "RGB"))
    with pytest.raises(ValueError, match="a band is uint16"):
        write_photo(tmp_path / name, SIZE, [samples.astype(np.uint16)], photo(samples, "RGB"))
    assert not list(tmp_path.iterdir())


def test_a_stream_need_not_seek(tmp_path):
    samples = smooth("gray alpha", np.uint16)
    for name in ("PNG", "TIFF"):
        with (tmp_path / "pipe").open("wb") as file:
            file.seekable = lambda: False  # type: ignore[method-assign]
            file.seek = None  # type: ignore[assignment]
            write_photo(file, SIZE, [samples], photo(samples, "gray alpha"), format=name)
        np.testing.assert_array_equal(samples_of(read_photo(tmp_path / "pipe")), samples)


def test_a_place_that_cannot_be_written(tmp_path):
    samples = smooth("RGB")
    with pytest.raises(UserError, match=r"cannot write .*missing.*a\.png: No such file or directory"):
        write_photo(tmp_path / "missing" / "a.png", SIZE, [samples], photo(samples, "RGB"))


@pytest.mark.parametrize(
    ("name", "size", "kind", "reason"),
    [
        ("a.jpg", (65501, 9), "RGB", "at most 65500 pixels per side, not 65501 x 9; write PNG or TIFF or BMP instead"),
        ("a.webp", (9, 16384), "RGB", "at most 16383 pixels per side, not 9 x 16384; write PNG or TIFF or JPEG"),
        ("a.bmp", (40000, 30000), "RGB", "BMP allows at most .* pixels, not 40000 x 30000"),
        ("a.jpg", (9, 9), "RGBA", "JPEG cannot store transparency; write PNG or TIFF or WEBP"),
        ("a.png", (9, 9), "CMYK", "PNG cannot store CMYK; write TIFF or JPEG instead"),
        ("a.psd", (9, 9), "RGB", r"its suffix must be one of .*\.png"),
        ("a", (9, 9), "RGB", r"its suffix must be one of .*\.png"),
    ],
)
def test_limits_are_checked_before_the_work(tmp_path, name, size, kind, reason):
    def bands():
        raise AssertionError("a band was requested")
        yield

    channels, alpha = KINDS[kind]
    with pytest.raises(UserError, match=f"cannot write .*{reason}"):
        check_writable(tmp_path / name, size, channels, alpha)
    with pytest.raises(UserError, match=f"cannot write .*{reason}"):
        write_photo(tmp_path / name, size, bands(), photo(smooth(kind), kind))


def test_metadata_that_does_not_fit_is_refused_before_the_work(tmp_path):
    def refused(name: str, kind: str, **metadata: object) -> str:
        with pytest.raises(UserError, match="cannot write") as error:
            write_photo(tmp_path / name, SIZE, iter([]), photo(smooth(kind), kind, **metadata))
        return str(error.value)

    other = PROFILE.replace(b"sRGB", b"wide").replace("sRGB".encode("utf-16-be"), "wide".encode("utf-16-be"))
    assert "BMP cannot store colour profiles" in refused("a.bmp", "RGB", icc_profile=other)
    assert "WEBP cannot store gray profiles" in refused("a.webp", "gray", icc_profile=other[:16] + b"GRAY" + other[20:])
    assert "no room for so much metadata" in refused("a.jpg", "RGB", xmp=bytes(70_000))
    assert not list(tmp_path.iterdir())
