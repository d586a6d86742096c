"""The page's behaviour in Chromium: web/test/page.test.mjs, with pictures and bad files made here."""

import io
import json
import re
import struct
import zlib

import numpy as np
import PIL.Image
import pytest
import skimage.data

from tests.photos.pictures import png
from tests.web.conftest import TESTS, node

pytestmark = pytest.mark.slow

IMAGE = PIL.Image.fromarray(skimage.data.astronaut()[100:120, 180:204])
DAMAGED, CUT_OFF, UNKNOWN = "is damaged", "is cut off or damaged", "not a picture"


def encoded(format, **options):
    file = io.BytesIO()
    IMAGE.save(file, format, **options)
    return file.getvalue()


def bad_files():
    """Returns name: (content, what the message has to say)."""
    good_png, jpeg, webp = encoded("PNG"), encoded("JPEG"), encoded("WEBP")
    frames = {"save_all": True, "append_images": [IMAGE.rotate(90)]}
    return {
        "empty.png": (b"", "is empty"),
        "text.png": (b"No picture.\n", UNKNOWN),
        "zeros.jpg": (bytes(1000), UNKNOWN),
        "noise.png": (np.random.default_rng(0).bytes(5000), UNKNOWN),
        "page.html": (b"<!doctype html><title>x</title>", UNKNOWN),
        "program.exe": (b"MZ" + bytes(100), UNKNOWN),
        "signature.png": (good_png[:8], CUT_OFF),
        "cut_off.png": (good_png[: len(good_png) // 2], CUT_OFF),
        "cut_off.jpg": (jpeg[: len(jpeg) // 2], CUT_OFF),
        "header.jpg": (jpeg[:20], CUT_OFF),
        "cut_off.webp": (webp[: len(webp) // 2], CUT_OFF),
        "damaged.png": (good_png.replace(b"IDAT", b"IDAT" + b"\xff" * 8), DAMAGED + "|" + CUT_OFF),
        "no_data.png": (png((24, 20), 8, 2, zlib.compress(b"x")), DAMAGED),
        "bomb.png": (png((100_000, 100_000), 8, 2, zlib.compress(b"")), "10,000 megapixels"),
        "bomb.bmp": (b"BM" + bytes(16) + struct.pack("<ii", 90_000, 90_000) + bytes(40), "8,100 megapixels"),
        "no_pixels.png": (png((0, 10), 8, 2, zlib.compress(b"")), CUT_OFF),
        "script.svg": (b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>', "SVG"),
        "photo.heic": (b"\0\0\0\x18ftypheic" + bytes(100), "HEIC"),
        "scan.tif": (encoded("TIFF"), "TIFF"),
        "moving.gif": (encoded("GIF"), "GIF"),
        "several.png": (encoded("PNG", **frames), "several pictures"),
        "several.webp": (encoded("WEBP", **frames), "several pictures"),
        "broken.avif": (b"\0\0\0\x1cftypavif" + bytes(100), CUT_OFF),
    }


FILES = ("page.test.mjs", "browsers.test.mjs")  # of web/test


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    """Runs the tests in Node; returns {name: None or what failed}."""
    folder = tmp_path_factory.mktemp("pictures")
    for inner in ("bad", "copy"):
        (folder / inner).mkdir()
    for name, (content, _) in bad_files().items():
        (folder / "bad" / name).write_bytes(content)
    (folder / "bad.json").write_text(json.dumps({name: words for name, (_, words) in bad_files().items()}))
    rng = np.random.default_rng(0)
    for name in ("small.png", "copy/Small.png"):
        IMAGE.save(folder / name)
    IMAGE.convert("RGB").save(folder / "small.jpg")
    PIL.Image.fromarray(rng.integers(0, 256, (512, 512, 3), dtype=np.uint8)).save(folder / "large.png")
    PIL.Image.fromarray(rng.integers(0, 256, (2, 12_000), dtype=np.uint8)).save(folder / "wide.png")
    found = {}
    for file in FILES:
        result = node("--test", "--test-reporter=tap", file, LAPSRN_PICTURES=str(folder))
        parts = re.split(r"^(ok|not ok) \d+ - (.*)$", result.stdout, flags=re.MULTILINE)
        assert len(parts) > 1, result.stdout + result.stderr
        found |= {parts[i + 1]: (None if parts[i] == "ok" else parts[i + 2]) for i in range(1, len(parts), 3)}
    return found


NAMES = [name for file in FILES for name in re.findall(r'^test\("(.*?)"', (TESTS / file).read_text(), re.MULTILINE)]


@pytest.mark.parametrize("name", NAMES)
def test_the_page(reports, name):
    assert name in reports
    assert reports[name] is None, reports[name]
