import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lapsrn_jax.images.resize import imresize
from lapsrn_jax.models import layers


def relative(a, b):
    return float(jnp.linalg.norm(a - b) / jnp.linalg.norm(b))


@pytest.mark.parametrize("size", [3, 4])
@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 5, 7), (1, 8, 3)])
def test_phases_are_the_transposed_convolution(rng, size, shape):
    x = jnp.asarray(rng.standard_normal((*shape, 6)), jnp.float32)
    kernel = jnp.asarray(rng.standard_normal((size, size, 6, 4)), jnp.float32)
    weight = jnp.asarray(rng.standard_normal((shape[0], 2 * shape[1], 2 * shape[2], 4)), jnp.float32)

    def value_and_grads(f):
        return f(x, kernel), *jax.grad(lambda x, kernel: (f(x, kernel) * weight).sum(), (0, 1))(x, kernel)

    for form in (layers.upsample,):
        for mine, reference in zip(value_and_grads(form), value_and_grads(layers.conv_transpose), strict=True):
            assert mine.shape == reference.shape
            assert relative(mine, reference) < 1e-5


def test_the_3x3_form_drops_the_last_row_and_column(rng):
    """The authors crop [0, 1, 0, 1] from the full transposed convolution."""
    x, kernel = rng.standard_normal((1, 4, 5, 2)), rng.standard_normal((3, 3, 2, 3))
    full = np.zeros((9, 11, 3))
    for i in range(4):
        for j in range(5):
            # lax convolves the dilated input without flipping: the kernel lands turned by 180 degrees.
            full[2 * i : 2 * i + 3, 2 * j : 2 * j + 3] += np.tensordot(kernel[::-1, ::-1], x[0, i, j], ([2], [0]))
    np.testing.assert_allclose(layers.conv_transpose(x, kernel)[0], full[:-1, :-1], atol=1e-5)


def test_the_image_upsampler_starts_as_bilinear_interpolation():
    ramp = jnp.arange(8.0)[None, None, :, None].repeat(6, axis=1)
    enlarged = layers.upsample(ramp, layers.BILINEAR.astype(np.float32))[0, :, :, 0]
    inside = np.asarray(enlarged)[2:-2, 2:-2]
    np.testing.assert_allclose(np.diff(inside, axis=1), 0.5, atol=1e-6)
    np.testing.assert_allclose(inside, imresize(np.asarray(ramp[0, :, :, 0]), 2)[2:-2, 2:-2], atol=0.2)


def test_leaky_relu_has_slope_one_fifth():
    np.testing.assert_allclose(layers.leaky_relu(jnp.array([-5.0, 0.0, 3.0])), [-1, 0, 3])


def test_convolution_keeps_the_size_and_is_unflipped(rng):
    x, kernel = rng.standard_normal((1, 4, 5, 2)), rng.standard_normal((3, 3, 2, 3))
    padded = np.pad(x[0], ((1, 1), (1, 1), (0, 0)))
    expected = sum(np.tensordot(padded[i : i + 4, j : j + 5], kernel[i, j], 1) for i in range(3) for j in range(3))
    np.testing.assert_allclose(layers.conv(x, kernel)[0], expected, atol=1e-5)
