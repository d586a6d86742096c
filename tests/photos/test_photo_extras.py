"""What files hold beyond samples, profile, EXIF, XMP and resolution is kept, or named before it is lost."""

import io
import struct

import numpy as np
import PIL.Image
import PIL.ImageCms
import PIL.IptcImagePlugin
import pytest
import tifffile

from lapsrn_jax.errors import UserError
from lapsrn_jax.photos.extras import extras
from lapsrn_jax.photos.photo import Photo, samples_of
from lapsrn_jax.photos.reading import read_photo
from lapsrn_jax.photos.writing import what_is_lost, write_photo
from tests.photos import pictures
from tests.photos.pictures import PROFILE, chunk, encoded, smooth

RGB = smooth("RGB")
TEXTS = (
    (b"tEXt", b"Author\0Ann"),
    (b"zTXt", b"Comment\0\0x\x9cK\xce\xcfM\x05\0\x04X\x01\xb4"),
    (b"iTXt", b"T\0\0\0\0\0hi"),
)
IPTC = b"\x1c\x02\x78\0\x05hello"  # a caption
COLOURS = ((b"cICP", b"\x09\x10\0\1"), (b"gAMA", struct.pack(">I", 100_000)), (b"cHRM", bytes(range(32))))


def png(*chunks: tuple[bytes, bytes]) -> io.BytesIO:
    """A PNG with further chunks after its header."""
    content = encoded(RGB, "PNG").getvalue()
    return io.BytesIO(content[:33] + b"".join(chunk(*further) for further in chunks) + content[33:])


def rewritten(photo: Photo, format: str, **options: object) -> bytes:
    file = io.BytesIO()
    height, width = photo.pixels.shape[:2]
    write_photo(file, (width, height), [samples_of(photo)], photo, format=format, **options)
    return file.getvalue()


def test_png_keeps_text_and_colour():
    photo = read_photo(png(*COLOURS, *TEXTS))
    assert what_is_lost("PNG", photo) is None
    back = read_photo(io.BytesIO(rewritten(photo, "PNG")))
    assert set(back.chunks) == set(COLOURS + TEXTS)
    assert set(read_photo(io.BytesIO(rewritten(photo, "PNG", strip=True))).chunks) == set(COLOURS)


def test_other_formats_say_what_they_lose():
    photo = read_photo(png(*COLOURS, *TEXTS))
    assert what_is_lost("JPEG", photo) == "JPEG cannot store text and cICP colour and gamma, which will be left out"
    assert what_is_lost("JPEG", photo, strip=True) == "JPEG cannot store cICP colour and gamma, which will be left out"


@pytest.mark.parametrize(
    "chunks", [[(b"cICP", b"\1\x0d\0\1")], [(b"gAMA", struct.pack(">I", 45455))], [(b"sRGB", b"\0"), COLOURS[1]], []]
)
def test_srgb_is_no_loss(chunks):
    assert what_is_lost("JPEG", read_photo(png(*chunks))) is None


def test_exif_and_xmp_are_not_kept_twice():
    """XMP is a text chunk of PNG, and older ImageMagick wrote EXIF as one."""
    old = (b"tEXt", b"Raw profile type exif\0\nexif\n4\n00000000")
    assert read_photo(png(old)).chunks == ()
    back = read_photo(io.BytesIO(rewritten(Photo(RGB, exif=pictures.exif(), xmp=pictures.XMP), "PNG")))
    assert (back.xmp, back.chunks) == (pictures.XMP, ())


def with_iptc() -> io.BytesIO:
    """A JPEG file with IPTC data among the resources that Photoshop writes."""
    other = b"8BIM\x04\x25\0\0\0\0\0\x02ab"
    segment = b"Photoshop 3.0\0" + other + b"8BIM\x04\x04\0\0" + struct.pack(">I", len(IPTC)) + IPTC + b"\0"
    content = encoded(RGB, "JPEG").getvalue()
    return io.BytesIO(content[:2] + b"\xff\xed" + struct.pack(">H", len(segment) + 2) + segment + content[2:])


def test_iptc_goes_from_format_to_format_or_is_named():
    photo = read_photo(with_iptc())
    assert photo.iptc == IPTC
    assert what_is_lost("PNG", photo) == "PNG cannot store IPTC, which will be left out"
    assert what_is_lost("PNG", photo, strip=True) is None
    for format in ("JPEG", "TIFF"):
        assert what_is_lost(format, photo) is None
        file = io.BytesIO(rewritten(photo, format))
        assert read_photo(file).iptc == IPTC
        file.seek(0)
        with PIL.Image.open(file) as image:  # an independent reader
            assert PIL.IptcImagePlugin.getiptcinfo(image)[2, 120] == b"hello"
        assert read_photo(io.BytesIO(rewritten(photo, format, strip=True))).iptc is None


def test_iptc_of_tiff_may_be_declared_as_numbers():
    file = io.BytesIO()
    numbers = np.frombuffer(IPTC + bytes(-len(IPTC) % 4), "<u4")
    tifffile.imwrite(file, RGB, byteorder="<", extratags=[(33723, 4, len(numbers), numbers, True)])
    assert read_photo(io.BytesIO(file.getvalue())).iptc == numbers.tobytes()


def test_too_much_iptc_for_jpeg_is_refused():
    with pytest.raises(UserError, match="JPEG has no room for so much metadata"):
        rewritten(Photo(RGB, iptc=bytes(65505)), "JPEG")


def test_further_pictures_are_named():
    second = PIL.Image.fromarray(RGB[::2, ::2])
    photo = read_photo(encoded(RGB, "MPO", save_all=True, append_images=[second]))
    assert what_is_lost("PNG", photo) == "the picture's further images will be left out"
    assert read_photo(encoded(RGB, "JPEG")).dropped == ()


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize(
    ("further", "name"),
    [
        (encoded(RGB[::2], "JPEG").getvalue(), "further images"),  # the gain map of an HDR photo
        (b"\0\0\0\x18ftypmp42" + bytes(12), "video"),  # of a motion photo
        (b"\0\xff" * 20, None),  # some cameras fill up their files
        (b"anything", "further data"),
    ],
)
def test_what_follows_a_jpeg_is_named(rng, progressive, further, name):
    noise = rng.integers(0, 256, (40, 50, 3), np.uint8)
    gain_map = b'<x xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/" hdrgm:Version="1.0"/>'  # no MPO for Pillow
    content = encoded(noise, "JPEG", progressive=progressive, xmp=gain_map, restart_marker_blocks=3).getvalue()
    photo = read_photo(io.BytesIO(content + further))
    assert photo.dropped == ((name,) if name else ())
    assert what_is_lost("JPEG", photo) == (f"the picture's {name} will be left out" if name else None)


def test_a_comment_of_jpeg_is_named():
    photo = read_photo(encoded(RGB, "JPEG", comment="by hand"))
    assert what_is_lost("JPEG", photo) == "the picture's comment will be left out"
    assert what_is_lost("JPEG", photo, strip=True) is None


@pytest.mark.parametrize("name", ["exif", "APP1"])
def test_exif_that_imagemagick_wrote_into_text_is_read(name):
    content = b"Exif\0\0" + pictures.exif(6)
    text = f"\n{name}\n{len(content):8}\n{content.hex()}\n".encode()
    photo = read_photo(png((b"tEXt", f"Raw profile type {name}".encode() + b"\0" + text)))
    assert photo.pixels.shape[:2] == RGB.shape[1::-1]  # turned
    assert photo.exif
    assert photo.chunks == ()


def test_a_georeference_is_named():
    file = io.BytesIO()
    tifffile.imwrite(file, RGB, extratags=[(33550, 12, 3, (1.0, 1.0, 0.0), True)])
    assert read_photo(io.BytesIO(file.getvalue())).dropped == ("georeference",)


def test_deep_and_hdr_avif_is_named():
    """Pillow writes 8 bits of SDR, so the header is edited; the pixels do not change."""
    pytest.importorskip("PIL._avif")
    content = encoded(RGB, "AVIF").getvalue()
    assert read_photo(io.BytesIO(content)).dropped == ()
    at, colour = content.index(b"pixi") + 9, content.index(b"colrnclx") + 10
    edited = bytearray(content)
    edited[at : at + 3] = b"\x0a\x0a\x0a"
    edited[colour : colour + 2] = b"\0\x10"
    assert extras(io.BytesIO(edited), "AVIF", {})["dropped"] == ("bits beyond 8 of 10 per sample", "HDR colour (PQ)")


def test_lossless_webp_stays_lossless():
    for options in ({}, {"exif": b"Exif\0\0" + pictures.exif(), "icc_profile": PROFILE}):
        photo = read_photo(encoded(RGB, "WEBP", lossless=True, **options))
        np.testing.assert_array_equal(read_photo(io.BytesIO(rewritten(photo, "WEBP"))).pixels, RGB)
    assert read_photo(encoded(RGB, "WEBP", quality=95)).lossy


def test_bmp_takes_no_profile_that_only_mentions_srgb(tmp_path):
    other = PIL.ImageCms.ImageCmsProfile(PIL.ImageCms.createProfile("LAB")).tobytes() + b"better than sRGB"
    with pytest.raises(UserError, match="BMP cannot store colour profiles"):
        rewritten(Photo(RGB, icc_profile=other), "BMP")
    assert rewritten(Photo(RGB, icc_profile=PROFILE), "BMP")
