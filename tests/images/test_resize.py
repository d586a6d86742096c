import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lapsrn_jax.images.resize import imresize, resize_matrix, resize_window, scaled_size


def keys(x: float) -> float:
    """Keys' cubic convolution kernel, from its definition."""
    x = abs(x)
    if x <= 1:
        return 1.5 * x**3 - 2.5 * x**2 + 1
    if x <= 2:
        return -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return 0.0


def resize_row(row: np.ndarray, out_size: int, scale: float) -> np.ndarray:
    """Resizes one row by the definition. MATLAB counts from 1 and mirrors with the edge pixel repeated."""
    n, shrink, result = len(row), min(scale, 1.0), []
    for i in range(1, out_size + 1):
        u = i / scale + 0.5 * (1 - 1 / scale)
        total = weights = 0.0
        for j in range(math.floor(u - 2 / shrink) - 1, math.ceil(u + 2 / shrink) + 2):
            weight = shrink * keys(shrink * (u - j))
            k = (j - 1) % (2 * n)
            total += weight * row[k if k < n else 2 * n - 1 - k]
            weights += weight
        result.append(total / weights)
    return np.array(result)


@pytest.mark.parametrize("scale", [2, 4, 8, 3, 1.5, 1 / 2, 1 / 3, 1 / 4, 1 / 8, 0.7, 1])
@pytest.mark.parametrize("length", [1, 2, 7, 24, 33])
def test_rows_equal_the_definition(rng, scale, length):
    row = rng.random(length)
    resized = imresize(row[None], scale)[0]
    assert len(resized) == math.ceil(round(length * scale, 9))
    np.testing.assert_allclose(resized, resize_row(row, len(resized), scale), atol=1e-13)


def test_axes_and_channels_are_independent(rng):
    image = rng.random((13, 17, 3))
    resized = imresize(image, 0.6)
    assert resized.dtype == np.float64
    assert resized.shape == (8, 11, 3)
    by_rows = np.apply_along_axis(lambda row: resize_row(row, 11, 0.6), 1, image)
    by_both = np.apply_along_axis(lambda column: resize_row(column, 8, 0.6), 0, by_rows)
    np.testing.assert_allclose(resized, by_both, atol=1e-13)
    np.testing.assert_array_equal(imresize(image[:, :, 1], 0.6), resized[:, :, 1])


def test_scale_one_changes_nothing(rng):
    image = rng.random((9, 12))
    np.testing.assert_allclose(imresize(image, 1), image, atol=1e-15)
    assert resize_window(12, 1, slice(4, 6))[1] == slice(4, 6)


@settings(max_examples=50, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    scale=st.floats(0.1, 5) | st.sampled_from([1, 2, 4, 8, 0.5, 0.25]),
    factors=st.tuples(st.floats(-3, 3), st.floats(-3, 3)),
    seed=st.integers(0, 2**32 - 1),
)
def test_resizing_is_linear_keeps_constants_and_commutes_with_transposing(shape, scale, factors, seed):
    x, y = np.random.default_rng(seed).random((2, *shape))
    resized = imresize(x, scale)
    assert resized.shape == tuple(scaled_size(side, scale) for side in shape)
    expected = factors[0] * resized + factors[1] * imresize(y, scale)
    np.testing.assert_allclose(imresize(factors[0] * x + factors[1] * y, scale), expected, atol=1e-12)
    np.testing.assert_allclose(imresize(np.full(shape, factors[0]), scale), factors[0], atol=1e-12)
    np.testing.assert_allclose(imresize(x.T, scale).T, resized, atol=1e-12)


def test_sizes_are_rounded_up_but_for_the_error_of_floating_point():
    assert 100 * 1.1 > 110
    assert [scaled_size(100, 1.1), scaled_size(7, 0.5), scaled_size(1, 0.1)] == [110, 4, 1]


def test_constants_stay_and_ramps_stay_ramps_inside():
    np.testing.assert_allclose(imresize(np.full((11, 14), 0.3), 1.7), 0.3, atol=1e-14)
    ramp = imresize(np.arange(20.0)[None], 2)[0]
    np.testing.assert_allclose(np.diff(ramp[6:-6]), 0.5, atol=1e-12)


def test_size_may_differ_by_axis(rng):
    image = rng.random((10, 10))
    np.testing.assert_array_equal(imresize(image, size=(20, 20)), imresize(image, 2))
    resized = imresize(image, size=(20, 4))
    rows = np.apply_along_axis(lambda row: resize_row(row, 4, 0.4), 1, image)
    np.testing.assert_allclose(resized, np.apply_along_axis(lambda c: resize_row(c, 20, 2.0), 0, rows), atol=1e-13)


@pytest.mark.parametrize("scale", [0.5, 0.7, 1 / 3, 1, 1.5])
def test_a_window_equals_its_part_of_the_whole(rng, scale):
    image = rng.random((40, 5))
    for window in (slice(3, 13), slice(0, 2), slice(9, 14)):
        matrix, seen = resize_window(40, scale, window)
        whole = resize_matrix(40, math.ceil(round(40 * scale, 9)), scale) @ image
        np.testing.assert_array_equal(matrix @ image[seen], whole[window])
        assert seen.stop - seen.start <= 10 / min(scale, 1) + 8 / min(scale, 1)


def test_shrinking_then_mirroring_commute(rng):
    """A flipped input gives a flipped output. Augmentation relies on this symmetry."""
    image = rng.random((24, 32))
    np.testing.assert_allclose(imresize(image[::-1], 1 / 4), imresize(image, 1 / 4)[::-1], atol=1e-13)


def test_matrix_rows_sum_to_one():
    np.testing.assert_allclose(resize_matrix(31, 8, 0.25).sum(axis=1), 1, atol=1e-14)


@pytest.mark.parametrize("arguments", [{}, {"scale": 2, "size": (4, 4)}, {"scale": 0}, {"scale": -1}, {"size": (0, 3)}])
def test_bad_arguments_are_refused(arguments):
    with pytest.raises(ValueError, match="imresize"):
        imresize(np.zeros((4, 4)), **arguments)
