"""The limits of each format."""

import pytest

from lapsrn_jax.errors import UserError
from lapsrn_jax.images.formats import PILLOW_NAMES, check_writable, format_of

SIDES = {"PNG": 2**31 - 1, "TIFF": 2**31 - 1, "JPEG": 65500, "WEBP": 16383, "AVIF": 32768}
AREAS = {"BMP": (2**15, 2**15), "AVIF": (2**14, 2**14)}


@pytest.mark.parametrize("name", [name for name in PILLOW_NAMES if name in SIDES])
def test_a_side_may_be_as_long_as_the_format_allows(name):
    for size in ((SIDES[name], 1), (1, SIDES[name])):
        check_writable(name, size, 3, alpha=False)
        larger = tuple(side + (side > 1) for side in size)
        with pytest.raises(UserError, match=f"{name} allows at most {SIDES[name]} pixels per side, not {larger[0]} x"):
            check_writable(name, larger, 3, alpha=False)


@pytest.mark.parametrize("name", [name for name in PILLOW_NAMES if name in AREAS])
def test_the_area_may_be_as_large_as_the_format_allows(name):
    height, width = AREAS[name]
    check_writable(name, (width, height), 3, alpha=False)
    with pytest.raises(UserError, match=f"{name} allows at most {height * width} pixels, not {width} x {height + 1}"):
        check_writable(name, (width, height + 1), 3, alpha=False)


def test_the_message_names_the_formats_that_can_hold_the_picture():
    with pytest.raises(UserError, match=r"^cannot write a\.jpg: JPEG cannot store transparency; write PNG or TIFF or"):
        check_writable("a.jpg", (10, 10), 3, alpha=True)
    with pytest.raises(UserError, match=r"PNG cannot store CMYK; write TIFF or JPEG instead$"):
        check_writable("PNG", (10, 10), 4, alpha=False)
    with pytest.raises(UserError, match=r"allows at most 65500 .*; write PNG or TIFF or BMP instead$"):
        check_writable("JPEG", (65501, 10), 3, alpha=False)


def test_suffixes_and_names_find_their_format():
    for target, name in {"a.JPEG": "JPEG", "b.c.jpg": "JPEG", "tif": "TIFF", "x/y.png": "PNG", "BMP": "BMP"}.items():
        assert format_of(target).name == name
    with pytest.raises(UserError, match=r"cannot write a\.psd: its suffix must be one of"):
        format_of("a.psd")
