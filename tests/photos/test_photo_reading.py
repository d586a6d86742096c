"""Reading what a plain decoder drops, clips or leaves rotated."""

import io
import math
import struct
import zlib

import imagecodecs
import numpy as np
import PIL.Image
import pytest
import tifffile

from lapsrn_jax.errors import UserError
from lapsrn_jax.photos.photo import samples_of
from lapsrn_jax.photos.pillow import from_pillow
from lapsrn_jax.photos.reading import open_album, read_photo
from tests.photos import pictures
from tests.photos.pictures import encoded, smooth

RGB, GRAY = smooth("RGB"), smooth("gray")[:, :, 0]


def tiff(samples: np.ndarray, **options: object) -> io.BytesIO:
    file = io.BytesIO()
    tifffile.imwrite(file, samples, metadata=None, **options)
    file.seek(0)
    return file


TURNS = {1: lambda a: a, 2: np.fliplr, 3: lambda a: np.rot90(a, 2), 4: np.flipud, 5: lambda a: a.swapaxes(0, 1),
         6: lambda a: np.rot90(a, -1), 7: lambda a: np.rot90(a.swapaxes(0, 1), 2), 8: np.rot90}  # fmt: skip


@pytest.mark.parametrize("orientation", TURNS)
@pytest.mark.parametrize("format", ["PNG", "TIFF 8", "TIFF 16", "TIFF palette", "JPEG", "WEBP", "PNG 16"])
def test_orientation_is_applied_and_reset(orientation, format):
    exif, upright = b"Exif\0\0" + pictures.exif(orientation), TURNS[orientation](RGB)
    if format == "TIFF palette":
        image = PIL.Image.fromarray(RGB).quantize(256)
        upright = TURNS[orientation](np.asarray(image.convert("RGB")))
        file = encoded(image, "TIFF", tiffinfo={274: orientation}, dpi=(100, 50))
    elif "TIFF" in format:
        deep = RGB.astype(np.uint16) if "16" in format else RGB
        file = tiff(deep, photometric="rgb", resolution=(100, 50), extratags=[(274, 3, 1, orientation, True)])
    elif format == "PNG 16":
        content = imagecodecs.png_encode(RGB.astype(np.uint16))
        late = pictures.chunk(b"eXIf", exif.removeprefix(b"Exif\0\0"))  # after the pixels, where exiftool writes it
        file = io.BytesIO(content[:-12] + late + content[-12:])
    else:
        options = {"lossless": True} if format == "WEBP" else {"quality": 100, "subsampling": 0}
        file = encoded(RGB, format, exif=exif, **options)
    photo = read_photo(file)
    assert photo.pixels.shape == upright.shape
    assert np.abs(photo.pixels.astype(int) - upright).max() <= (4 if format == "JPEG" else 0)
    if "TIFF" in format:
        assert photo.dpi == ((100, 50) if orientation < 5 else (50, 100))
    else:
        assert pictures.directories(photo.exif)[0][274] == 1


@pytest.mark.parametrize("format", ["TIFF", "TIFF palette", "JPEG", "WEBP"])
def test_an_orientation_that_does_not_exist_turns_nothing(format):
    """Neither the pixels, nor the announced shape, nor the resolution."""
    exif, resolution = b"Exif\0\0" + pictures.exif(9), {"dpi": (100, 50)}
    if format == "TIFF":
        file = tiff(RGB, photometric="rgb", resolution=(100, 50), extratags=[(274, 3, 1, 9, True)])
    elif format == "TIFF palette":
        file = encoded(PIL.Image.fromarray(RGB).quantize(256), "TIFF", tiffinfo={274: 9}, **resolution)
    elif format == "JPEG":
        file = encoded(RGB, "JPEG", exif=exif, **resolution)
    else:
        further = [PIL.Image.fromarray(255 - RGB)]
        file = encoded(RGB, "WEBP", exif=exif, save_all=True, append_images=further)
    with open_album(file) as album:
        photos = [frame.photo for frame in album.frames]
    assert album.shapes == [photo.pixels.shape[:2] for photo in photos] == [RGB.shape[:2]] * len(photos)
    if format != "WEBP":
        assert photos[0].dpi == pytest.approx((100, 50), abs=0.1)


def test_thumbnails_and_the_orientation_in_xmp_go():
    made = PIL.Image.Exif()
    made[271] = "Maker"
    blob = bytearray(made.tobytes()[6:])
    struct.pack_into("<I", blob, 10 + 12, len(blob))  # a second directory: the thumbnail's
    blob += struct.pack("<HHHIII", 1, 513, 4, 1, 8, 0)
    xmp = b'<rdf:Description tiff:Orientation="6" xmp:Rating="3"/>'
    photo = read_photo(encoded(RGB, "JPEG", exif=b"Exif\0\0" + bytes(blob), xmp=xmp))
    assert struct.unpack_from("<I", photo.exif, 10 + 12) == (0,)
    assert photo.xmp == b'<rdf:Description  xmp:Rating="3"/>'
    assert photo.pixels.shape == (RGB.shape[1], RGB.shape[0], 3)


def test_one_bit_becomes_gray():
    bits = GRAY > 127
    for format in ("PNG", "TIFF", "BMP"):
        photo = read_photo(encoded(PIL.Image.fromarray(bits), format))
        np.testing.assert_array_equal(photo.pixels[:, :, 0], bits * 255)
    photo = read_photo(encoded(PIL.Image.fromarray(bits), "TIFF", compression="group4"))
    np.testing.assert_array_equal(photo.pixels[:, :, 0], bits * 255)


@pytest.mark.parametrize("format", ["PNG", "TIFF", "BMP"])
def test_palettes_become_rgb(format):
    image = PIL.Image.fromarray(RGB).quantize(17)
    photo = read_photo(encoded(image, format))
    assert photo.alpha is None
    np.testing.assert_array_equal(photo.pixels, np.asarray(image.convert("RGB")))


def test_transparency_of_palettes_becomes_alpha():
    image = PIL.Image.fromarray(RGB).quantize(4)
    indices, alpha = np.asarray(image), np.array([0, 80, 160, 255], np.uint8)
    photo = read_photo(encoded(image, "PNG", transparency=bytes(alpha)))
    np.testing.assert_array_equal(photo.alpha, alpha[indices])
    np.testing.assert_array_equal(photo.pixels, np.asarray(image.convert("RGB")))


@pytest.mark.parametrize(
    ("depth", "colour", "row", "key", "pixels"),
    [
        (8, 0, bytes([7, 9]), b"\0\7", [[7], [9]]),
        (2, 0, bytes([0b01_11_0000]), b"\0\1", [[85], [255]]),
        (1, 0, bytes([0b01_000000]), b"\0\0", [[0], [255]]),
        (16, 0, b"\0\7\7\0", b"\0\7", [[7], [1792]]),
        (8, 2, bytes([1, 2, 3, 1, 2, 4]), b"\0\1\0\2\0\3", [[1, 2, 3], [1, 2, 4]]),
        (16, 2, b"\1\0\2\0\3\0\1\0\2\0\3\1", b"\1\0\2\0\3\0", [[256, 512, 768], [256, 512, 769]]),
    ],
)
def test_a_colour_that_stands_for_transparency_becomes_alpha(depth, colour, row, key, pixels):
    file = pictures.png((2, 1), depth, colour, zlib.compress(b"\0" + row), pictures.chunk(b"tRNS", key))
    photo = read_photo(io.BytesIO(file))
    np.testing.assert_array_equal(photo.pixels[0], pixels)
    np.testing.assert_array_equal(photo.alpha[0], [0, np.iinfo(photo.pixels.dtype).max])
    assert photo.pixels.dtype == (np.uint16 if depth == 16 else np.uint8)


def test_dark_sixteen_bits_are_sixteen_bits():
    """The file determines the bit depth, not the values."""
    for samples in (smooth("RGB", np.uint16) // 400, smooth("gray", np.uint16)[:, :, 0] // 400):
        png, tif = io.BytesIO(imagecodecs.png_encode(samples)), tiff(samples)
        for photo in (read_photo(png), read_photo(tif)):
            assert photo.pixels.dtype == np.uint16
            np.testing.assert_array_equal(photo.pixels.squeeze(), samples)


@pytest.mark.parametrize(
    "options",
    [
        {"compression": "lzw", "predictor": True},
        {"compression": "adobe_deflate", "tile": (16, 32)},
        {"compression": "packbits", "bigtiff": True},
        {"byteorder": ">", "rowsperstrip": 5},
        {"compression": "zstd"},
        {"planarconfig": "separate", "compression": "zlib"},
    ],
    ids=str,
)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_tiff_as_others_write_it(options, dtype):
    samples = smooth("RGBA", dtype)
    stored = np.moveaxis(samples, -1, 0) if "planarconfig" in options else samples
    photo = read_photo(tiff(stored, photometric="rgb", extrasamples=["unassalpha"], **options))
    np.testing.assert_array_equal(samples_of(photo), samples)


def test_tiff_where_white_is_zero():
    for dtype in (np.uint8, np.uint16):
        gray = smooth("gray", dtype)[:, :, 0]
        np.testing.assert_array_equal(read_photo(tiff(gray, photometric="miniswhite")).pixels[:, :, 0], ~gray)


def test_jpeg_within_tiff():
    photo = read_photo(encoded(RGB, "TIFF", compression="jpeg", quality=95))
    assert np.abs(photo.pixels.astype(int) - RGB).max() < 20


def test_premultiplied_tiff_gets_its_colours_back():
    straight = smooth("RGBA", np.uint16)
    straight[:, :, 3] = np.maximum(straight[:, :, 3], 3000)
    multiplied = straight.copy()
    multiplied[:, :, :3] = np.rint(straight[:, :, :3] * (straight[:, :, 3:] / 65535))
    photo = read_photo(tiff(multiplied, photometric="rgb", extrasamples=["assocalpha"]))
    np.testing.assert_array_equal(photo.alpha, straight[:, :, 3])
    assert np.abs(photo.pixels.astype(int) - straight[:, :, :3]).max() <= 65535 / 3000


def test_ink_of_cmyk_is_not_inverted():
    """Adobe's JPEGs store 255 - ink: cyan, then half black."""
    ink = np.zeros((16, 32, 4), np.uint8)
    ink[:, :16, 0], ink[:, 16:, 3] = 255, 128
    image = PIL.Image.frombytes("CMYK", (32, 16), ink.tobytes())
    jpeg = encoded(image, "JPEG", quality=100)
    assert b"Adobe" in jpeg.getvalue()
    assert imagecodecs.jpeg_decode(jpeg.getvalue(), outcolorspace="CMYK")[0, 31].tolist() == [255, 255, 255, 127]
    for file in (jpeg, encoded(image, "TIFF"), tiff(ink, photometric="separated")):
        assert np.abs(read_photo(file).pixels.astype(int) - ink).max() <= 2


def test_the_content_determines_the_format(tmp_path):
    for format, suffix in (("PNG", ".jpg"), ("JPEG", ".tif"), ("TIFF", ".png"), ("WEBP", "")):
        (tmp_path / f"a{suffix}").write_bytes(encoded(RGB, format).getvalue())
        assert read_photo(tmp_path / f"a{suffix}").format == format


def test_a_phone_jpeg_with_a_second_picture_is_read_as_its_first():
    further = PIL.Image.fromarray(RGB[::2, ::2])
    assert read_photo(encoded(RGB, "MPO", save_all=True, append_images=[further])).format == "JPEG"


@pytest.mark.parametrize("format", ["PNG", "WEBP", "TIFF"])
def test_several_pictures_in_one_file_are_refused(format):
    frames = [PIL.Image.fromarray(RGB // 2)]
    with pytest.raises(UserError, match="holds 2 pictures: save the one to enlarge"):
        read_photo(encoded(RGB, format, save_all=True, append_images=frames))


def test_a_smaller_version_in_a_tiff_does_not_count():
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as pages:
        pages.write(RGB, photometric="rgb", metadata=None)
        pages.write(RGB[::2, ::2], photometric="rgb", subfiletype=1, metadata=None)
    np.testing.assert_array_equal(read_photo(io.BytesIO(file.getvalue())).pixels, RGB)


def test_samples_that_cannot_be_kept_are_refused():
    deep = smooth("RGB", np.uint16)
    for file, reason in [
        (tiff(deep.astype(np.float32), photometric="rgb"), "32 bits per pixel: convert"),
        (tiff(deep[:, :, 0].astype(np.uint32)), "32 bits per pixel: convert"),
        (encoded(PIL.Image.fromarray(GRAY.astype(np.float32)), "TIFF"), "32 bits per pixel"),
        (tiff(deep.astype(np.int16), photometric="rgb"), "16 bits per pixel of a rare kind"),
        (encoded(PIL.Image.fromarray(RGB).convert("LAB"), "TIFF"), "LAB: convert it to gray, RGB or CMYK"),
        (tiff(smooth("RGBA"), photometric="rgb", extrasamples=["unspecified"]), "not marked as transparency"),
        (tiff(RGB, photometric="rgb", subfiletype=1), "begins with a preview"),
    ]:
        with pytest.raises(UserError, match=reason):
            read_photo(file, "a.tif")


def test_damaged_exif_does_not_damage_the_picture():
    for damage in (b"Exif\0\0", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0" + pictures.exif(6)[:40]):
        photo = read_photo(encoded(RGB, "PNG", exif=damage))
        assert photo.pixels.shape[2] == 3


@pytest.mark.parametrize("tags", [{282: 300, 283: 300}, {700: 300}, {34675: 300}], ids=["DPI", "XMP", "profile"])
def test_metadata_of_a_wrong_type_does_not_damage_a_tiff(tags):
    """Whole numbers of 32 bits in place of fractions or bytes."""
    photo = read_photo(io.BytesIO(pictures.tiff((2, 1), 8, 1, b"\7\x09", tags)))
    np.testing.assert_array_equal(photo.pixels, [[[7], [9]]])
    assert (photo.dpi, photo.xmp, photo.icc_profile) == (None, None, None)


def test_xmp_of_tiff_may_be_declared_as_text():
    text = '<rdf:Description xmp:Rating="5"/>'
    file = tiff(RGB, photometric="rgb", extratags=[(700, 2, 0, text, True)])
    assert read_photo(file).xmp == text.encode()


def test_large_profiles_are_no_damage(rng):
    """Printers' profiles may have a few MB."""
    profile = pictures.PROFILE + rng.bytes(3 * 2**20)
    assert read_photo(encoded(RGB, "PNG", icc_profile=profile)).icc_profile == profile


def test_a_resolution_that_is_no_number_is_ignored():
    image = PIL.Image.fromarray(RGB)
    for dpi in ((math.nan, math.nan), (0, 0), ("a", "b"), 300, None):
        image.info["dpi"] = dpi
        assert from_pillow(image).dpi is None
