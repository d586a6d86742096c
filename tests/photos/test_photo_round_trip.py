"""Reading returns what was written: samples, alpha, depth, profile, EXIF, XMP, resolution."""

import io
import struct

import numpy as np
import pytest

from lapsrn_jax.errors import UserError
from lapsrn_jax.images.formats import PHOTOGRAPHS, format_of
from lapsrn_jax.photos.photo import Photo, samples_of
from lapsrn_jax.photos.reading import read_photo
from lapsrn_jax.photos.writing import what_is_lost, write_photo
from tests.photos import pictures
from tests.photos.pictures import HEIGHT, KINDS, PROFILE, WIDTH, XMP, directories, photo, smooth

SIZE = (WIDTH, HEIGHT)
NAMES = [format.name for format in PHOTOGRAPHS]
LOSSLESS = {"PNG", "TIFF", "BMP"}


def there_and_back(path, like: Photo, **options) -> Photo:
    write_photo(path, SIZE, [samples_of(like)], like, **options)
    return read_photo(path)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", NAMES)
def test_samples(tmp_path, name, kind, dtype):
    like, path = photo(smooth(kind, dtype), kind), tmp_path / f"a.{name}"
    channels, alpha = KINDS[kind]
    format = format_of(path)
    if (channels == 4 and not format.cmyk) or (alpha and not format.alpha):
        with pytest.raises(UserError, match=f"{name} cannot store (CMYK|transparency); write"):
            there_and_back(path, like)
        assert not path.exists()
        return
    back = there_and_back(path, like)
    expected, found = samples_of(like), samples_of(back)
    if dtype == np.uint16 and not format.sixteen_bits:
        assert "8 bits" in what_is_lost(path, like)
        expected = np.rint(expected / 257).astype(np.uint8)
    if channels == 1 and not format.gray:
        expected = np.dstack([expected[:, :, :1]] * 3 + [expected[:, :, 1:]])
    assert (back.format, found.shape, found.dtype) == (name, expected.shape, expected.dtype)
    error = np.abs(found.astype(int) - expected)
    assert error.max() <= (0 if name in LOSSLESS else 10)
    assert error.mean() <= (0 if name in LOSSLESS else 2.5 if name == "HEIF" else 1.5)  # half the colour resolution
    if alpha:  # exact in every format but AVIF and HEIF
        assert error[:, :, -1].max() <= (3 if name in ("AVIF", "HEIF") else 0)


@pytest.mark.parametrize("kind", ["gray", "RGB", "RGBA", "CMYK"])
@pytest.mark.parametrize("name", NAMES)
def test_metadata(tmp_path, name, kind):
    channels, alpha = KINDS[kind]
    path, format = tmp_path / f"a.{name}", format_of(tmp_path / f"a.{name}")
    if (channels == 4 and not format.cmyk) or (alpha and not format.alpha):
        return
    like = photo(smooth(kind), kind, icc_profile=PROFILE, exif=pictures.exif(), xmp=XMP, dpi=(300.0, 150.0))
    back = there_and_back(path, like)
    lost = {"BMP": "BMP cannot store EXIF and XMP, which will be left out"}
    assert what_is_lost(path, like) == lost.get(name)
    assert what_is_lost(path, like, strip=True) is None
    if name in ("PNG", "TIFF", "JPEG", "BMP"):
        assert back.dpi == pytest.approx((300, 150), abs=0.02)
    if name == "BMP":  # which stores no other metadata
        return
    assert back.icc_profile == PROFILE
    assert back.xmp == XMP
    main, camera, place = directories(back.exif)
    assert main.pop(274, 1) == 1
    assert main == pictures.IFD0
    assert camera == pictures.EXIF_IFD | {40962: WIDTH, 40963: HEIGHT}
    assert place == pictures.GPS_IFD


@pytest.mark.parametrize("name", ["PNG", "TIFF", "JPEG", "WEBP"])
def test_strip_leaves_the_profile_alone(tmp_path, name):
    like = photo(smooth("RGB"), "RGB", icc_profile=PROFILE, exif=pictures.exif(), xmp=XMP, dpi=(300.0, 300.0))
    back = there_and_back(tmp_path / f"a.{name}", like, strip=True)
    assert (back.icc_profile, back.exif, back.xmp, back.dpi) == (PROFILE, None, None, None)
    content = (tmp_path / f"a.{name}").read_bytes()
    assert not any(word in content for word in (b"Ann", b"Maker", b"2024", b"Rating"))


@pytest.mark.parametrize("name", ["PNG", "TIFF", "JPEG", "WEBP"])
def test_big_endian_exif_stays_so(tmp_path, name):
    """EXIF as cameras write it, with orientation, ISO 200 and a maker note, keeps its offsets."""
    exif = (b"MM\0*\0\0\0\x08" b"\0\x02" b"\x01\x12\0\x03\0\0\0\x01\0\x01\0\0" b"\x87\x69\0\x04\0\0\0\x01\0\0\0\x26"
            b"\0\0\0\0" b"\0\x02" b"\x88\x27\0\x03\0\0\0\x01\0\xc8\0\0" b"\x92\x7c\0\x07\0\0\0\x05\0\0\0\x44"
            b"\0\0\0\0" b"note\0")  # fmt: skip
    back = there_and_back(tmp_path / f"a.{name}", photo(smooth("RGB", np.uint8), "RGB", exif=exif))
    assert directories(back.exif)[1] == {34855: 200, 37500: b"note\0"}
    if name != "TIFF":
        assert back.exif == exif


def test_sixteen_bits_of_big_endian_tiff(tmp_path):
    exif = b"MM\0*\0\0\0\x08\0\x01\x01\x0f\0\x02\0\0\0\x04abc\0\0\0\0\0"
    like = photo(smooth("RGBA", np.uint16), "RGBA", exif=exif)
    back = there_and_back(tmp_path / "a.tif", like)
    np.testing.assert_array_equal(samples_of(back), samples_of(like))
    assert directories(back.exif)[0] == {271: "abc"}


def test_large_numbers_fit_into_exif():
    """A width above 65535 exceeds a SHORT."""
    from lapsrn_jax.photos.exif import resized, upright

    camera = directories(resized(upright(pictures.exif()), 100_000, 70_000))[1]
    assert (camera[40962], camera[40963]) == (100_000, 70_000)


@pytest.mark.parametrize("entry", [(34665, 12, 1, 26), (256, 4, 2**30, 26), (270, 2, 2**30, 26)], ids=str)
@pytest.mark.parametrize("name", ["PNG", "TIFF", "JPEG"])
def test_damaged_exif_stops_nothing(name, entry):
    """A directory that would lie beyond any file, and values of 1 GiB."""
    exif = b"II*\0" + struct.pack("<IHHHIII", 8, 1, *entry, 0) + b"\xff" * 8
    source, file = read_photo(pictures.encoded(smooth("RGB"), "PNG", exif=b"Exif\0\0" + exif)), io.BytesIO()
    write_photo(file, SIZE, [source.pixels], source, format=name)
    file.seek(0)
    assert read_photo(file).pixels.shape == source.pixels.shape
