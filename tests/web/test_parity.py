"""The page's results beside the package's: at most one level of 255 apart."""

import numpy as np
import PIL.Image
import pytest
import scipy.ndimage
import skimage.data

import lapsrn_jax
from tests.web.conftest import on_the_page

pytestmark = pytest.mark.slow


def photograph(height, width):
    return skimage.data.astronaut()[60 : 60 + height, 170 : 170 + width]


def pictures(rng):
    """Returns a name, an image, options to save it with, and the size for each case."""
    color, gray = photograph(60, 47), photograph(41, 64)[:, :, 1]
    soft = scipy.ndimage.gaussian_filter(rng.random((50, 43)), 4)
    alpha = np.clip(255 * (soft - soft.min()) / np.ptp(soft) * 1.6 - 70, 0, 255).astype(np.uint8)
    hard = np.where(soft > np.median(soft), 255, 0).astype(np.uint8)
    turned = PIL.Image.Exif()
    turned[274] = 6
    noise = rng.integers(0, 256, (33, 21, 3), dtype=np.uint8)
    image = PIL.Image.fromarray
    return [
        ("color.png", image(color), {}, {"scale": 4}),
        ("color_x2.png", image(color), {}, {"scale": 2}),
        ("color_x8.png", image(color[:30]), {}, {"scale": 8}),
        ("fast.png", image(color), {}, {"scale": 4, "fast": True}),
        ("width.png", image(color), {}, {"width": 130}),
        ("odd_width.png", image(gray), {}, {"width": 99}),
        ("noise.png", image(noise), {}, {"scale": 2}),
        ("gray.png", image(gray), {}, {"scale": 4}),
        ("palette.png", image(color).quantize(16), {}, {"scale": 2}),
        ("one_bit.png", image(gray).convert("1"), {}, {"scale": 2}),
        ("pixel.png", image(color[:1, :1]), {}, {"scale": 8}),
        ("line.png", image(color[:1]), {}, {"scale": 4}),
        ("alpha.png", image(np.dstack([color[:50, :43], alpha])), {}, {"scale": 2}),
        ("cut_out.png", image(np.dstack([noise, hard[:33, :21]])), {}, {"scale": 4}),
        (
            "dots.png",
            image(np.dstack([noise, np.where(rng.random((33, 21)) < 0.02, 200, 0)]).astype(np.uint8)),
            {},
            {"scale": 2},
        ),
        ("gray_alpha.png", image(np.dstack([gray[:41, :43], alpha[:41]])), {}, {"scale": 2}),
        ("photo.jpg", image(color), {"quality": 92}, {"scale": 2}),
        ("gray.jpg", image(gray), {}, {"scale": 2}),
        ("turned.jpg", image(color), {"exif": turned}, {"scale": 2}),
        ("turned.png", image(color), {"exif": turned}, {"scale": 2}),
        ("lossy.jpg", image(color), {"quality": 30}, {"scale": 4}),
        ("lossy.webp", image(color), {"quality": 30}, {"scale": 2}),
        ("lossy_alpha.webp", image(np.dstack([color[:50, :43], alpha])), {"quality": 30}, {"scale": 2}),
        ("lossless.webp", image(color), {"lossless": True}, {"scale": 2}),
        ("fast.jpg", image(color), {"quality": 30}, {"scale": 2, "fast": True}),
        ("named.jpg", image(color), {"quality": 30}, {"scale": 2, "weights": "cms-lapsrn"}),
        ("named.png", image(color), {}, {"scale": 2, "weights": "cms-lapsrn-photo"}),
        ("photo.bmp", image(color), {}, {"scale": 2}),
    ]


def difference(path, result, size):
    expected = np.asarray(lapsrn_jax.upscale(path, **size)).astype(int)
    found = np.asarray(PIL.Image.open(result)).astype(int)
    assert found.shape == expected.shape, path.name
    return np.abs(found - expected).max()


def check(cases, folder, webgpu=False):
    jobs = []
    for name, image, options, size in cases:
        image.save(folder / name, **options)
        jobs.append({"file": str(folder / name), **size})
    answer = on_the_page(jobs, folder, webgpu)
    apart = {case[0]: difference(folder / case[0], folder / f"{i}.png", case[3]) for i, case in enumerate(cases)}
    assert max(apart.values()) <= 1, apart
    return answer


def test_every_kind_of_picture(rng, tmp_path):
    answer = check(pictures(rng), tmp_path)
    assert "WebAssembly" in answer["runs"]


def test_tiles_leave_no_seam(rng, tmp_path):
    """The picture takes several tiles of the page along both axes, and one of the package."""
    noise = PIL.Image.fromarray(rng.integers(0, 2, (301, 290), dtype=np.uint8) * 255)
    check([("noise.png", noise, {}, {"scale": 2})], tmp_path)


def test_webgpu_gives_the_same(tmp_path):
    """Chromium computes WebGPU on the processor here, which takes long: a small picture."""
    alpha = np.full((12, 14), 255, np.uint8)
    alpha[3:7, 4:9] = 90
    image = PIL.Image.fromarray(np.dstack([photograph(12, 14), alpha]))
    answer = check([("alpha.png", image, {}, {"scale": 2})], tmp_path, webgpu=True)
    assert "WebGPU" in answer["runs"]
