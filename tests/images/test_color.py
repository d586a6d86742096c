import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lapsrn_jax.images.color import luminance, rgb_to_ycbcr, ycbcr_to_rgb
from lapsrn_jax.images.io import to_float, to_uint8


def test_black_white_and_primaries_have_their_studio_values():
    """The 8-bit values of BT.601: black 16, white 235, gray chroma 128, and the standard's primaries."""
    colours = np.array([[0, 0, 0], [1, 1, 1], [1, 0, 0], [0, 1, 0], [0, 0, 1]], float)
    expected = [[16, 128, 128], [235, 128, 128], [81, 90, 240], [145, 54, 34], [41, 240, 110]]
    np.testing.assert_array_equal(np.rint(rgb_to_ycbcr(colours) * 255), expected)


def test_the_coefficients_are_those_of_bt_601():
    """Luma weights 0.299, 0.587, 0.114; chroma is B - Y and R - Y, scaled to 112 either way of 128."""
    luma = np.array([0.299, 0.587, 0.114])
    rows = [219 * luma, 112 * ([0, 0, 1] - luma) / (1 - luma[2]), 112 * ([1, 0, 0] - luma) / (1 - luma[0])]
    expected = (np.array(rows).T + [16, 128, 128]) / 255
    np.testing.assert_allclose(rgb_to_ycbcr(np.eye(3)), expected, atol=1e-3 / 255)  # MATLAB rounds to 3 digits


@given(st.lists(st.tuples(*[st.integers(0, 255)] * 3), min_size=1, max_size=50))
def test_rgb_survives_conversion_to_ycbcr_and_back(colours):
    rgb = to_float(np.array(colours, np.uint8))
    ycbcr = rgb_to_ycbcr(rgb)
    assert ycbcr.min() + 1e-9 >= 16 / 255
    assert ycbcr.max() - 1e-9 <= 240 / 255
    np.testing.assert_allclose(ycbcr_to_rgb(ycbcr), rgb, atol=1e-14)
    np.testing.assert_array_equal(to_uint8(ycbcr_to_rgb(ycbcr)), np.array(colours))


def test_luminance_is_the_first_component_and_leaves_gray_alone(rng):
    rgb, gray = rng.random((7, 5, 3)), rng.random((7, 5))
    np.testing.assert_allclose(luminance(rgb), rgb_to_ycbcr(rgb)[..., 0], atol=1e-15)
    np.testing.assert_array_equal(luminance(gray), gray)
    assert luminance(gray.astype(np.float32)).dtype == luminance(rgb.astype(np.float32)).dtype == np.float64


def test_bytes_survive_conversion_to_float_and_back():
    values = np.arange(256, dtype=np.uint8)
    np.testing.assert_array_equal(to_uint8(to_float(values)), values)
    np.testing.assert_array_equal(to_uint8(np.array([-1.0, 2.0, 0.5])), [0, 255, 128])
