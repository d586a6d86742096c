"""Luminance and colours of enlarged frames."""

import jax
import numpy as np
import pytest

from lapsrn_jax.models import MDSR, Pyramid, Tying, initial
from lapsrn_jax.upscaling.clips import enlarged_planes
from lapsrn_jax.upscaling.upscale import Upscaler
from lapsrn_jax.videos.reading import _PLACES, Picture
from tests import tiny


@pytest.fixture(scope="module")
def network():
    model = Pyramid(**tiny.MODEL, tying=Tying())
    return Upscaler(model, initial(model, jax.random.key(0)))


def picture(shape, bits=8, chroma=(2, 2), full_range=False, place=(0, 0)):
    return Picture(shape, "", bits, chroma, full_range, place, {}, None, 25, None)


@pytest.mark.parametrize("chroma", [(2, 2), (1, 2), (1, 1)])
@pytest.mark.parametrize("location", _PLACES)
def test_colours_stay_where_they_are(network, rng, chroma, location):
    """A colour that is linear in the place on the picture stays so: bicubic interpolation is exact for it."""
    place = [_PLACES[location][axis] if chroma[axis] > 1 else 0 for axis in (0, 1)]
    slope = rng.uniform(-6, 6, 2)

    def colour(shape, scale):
        """Of each sample; its place is counted in pixels of the source."""
        y, x = (
            ((np.arange(shape[axis] // chroma[axis]) + 0.5) * chroma[axis] + place[axis]) / scale for axis in (0, 1)
        )
        return 32768 + 64 * (slope[0] * (y[:, None] - 16) + slope[1] * (x - 20))

    shape, scale = (32, 40), 4
    size = (scale * shape[0], scale * shape[1])
    known = picture(shape, bits=16, chroma=chroma, place=tuple(place))
    plane = np.uint16(np.round(colour(shape, 1)))
    _, found, other = enlarged_planes([np.full(shape, 9000, np.uint16), plane, plane], known, network, size)
    np.testing.assert_array_equal(found, other)
    inside = tuple(slice(3 * scale, -3 * scale) for _ in (0, 1))
    np.testing.assert_allclose(found.astype(float)[inside], colour(size, scale)[inside], atol=1.6)


@pytest.mark.parametrize("bits", [8, 10, 12])
def test_the_full_range_gives_the_same_picture(network, rng, bits):
    """Luminance in both ranges differs by their scale alone, up to the rounding."""
    kind = np.uint8 if bits == 8 else np.uint16
    unit = 2 ** (bits - 8)
    gray = tiny.photograph(rng, 24, 28)[:, :, 0] / 255
    limited, full = 16 * unit + 219 * unit * gray, (256 * unit - 1) * gray
    planes = [np.round(plane).astype(kind) for plane in (limited, full)]
    a, b = (
        enlarged_planes([plane], picture((24, 28), bits, None, full_range), network, (48, 56))[0].astype(float)
        for plane, full_range in zip(planes, (False, True), strict=True)
    )
    seen = b > 0  # the full range ends at black
    np.testing.assert_allclose(((a / unit - 16) / 219)[seen], (b / (256 * unit - 1))[seen], atol=2.5 / 219 / unit)


def test_networks_on_rgb_get_the_full_range(rng):
    """They see the gray picture that the video shows, in whichever range it is stored."""
    seen = []

    class Doubled(Upscaler):
        def __init__(self):
            self._model = MDSR()

        def gray(self, rows, shape, size, *, progress):
            seen.append(rows(0, shape[0]))
            yield np.repeat(np.repeat(seen[-1], 2, axis=0), 2, axis=1)

    gray = rng.integers(0, 256, (6, 8)) / 255
    for plane, full in ((16 + 219 * gray, False), (255 * gray, True)):
        planes = [np.uint8(np.round(plane))]
        [result] = enlarged_planes(planes, picture((6, 8), 8, None, full), Doubled(), (12, 16))
        np.testing.assert_allclose(seen.pop(), gray, atol=0.51 / 219)
        np.testing.assert_array_equal(result[::2, ::2], planes[0])


def test_ten_bits_see_what_eight_do(network, rng):
    plane = tiny.photograph(rng, 16, 20)[:, :, 1]
    [eight], [ten] = (
        enlarged_planes([plane.astype(kind) * unit], picture((16, 20), bits, None), network, (64, 80))
        for bits, kind, unit in ((8, np.uint8, 1), (10, np.uint16, np.uint16(4)))
    )
    inside = eight < 255
    np.testing.assert_allclose(eight.astype(float)[inside], (ten / 4)[inside], atol=0.626)
    assert ten.max() <= 1023
