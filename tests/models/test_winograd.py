import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lapsrn_jax.models import layers, winograd

SHAPES = [(1, 1, 1), (2, 4, 4), (2, 9, 7), (3, 5, 18), (1, 64, 66)]


def value_and_gradients(conv, x, kernel, weight):
    gradients = jax.grad(lambda x, kernel: (conv(x, kernel) * weight).sum(), (0, 1))(x, kernel)
    return conv(x, kernel), *gradients


def relative_errors(rng, shape, dtype):
    """Of the value and both gradients, against `lax`'s convolution."""
    channels = (24, 17)
    x, kernel, weight = (
        jnp.asarray(rng.standard_normal(s), dtype) for s in ((*shape, 24), (3, 3, *channels), (*shape, 17))
    )
    mine = value_and_gradients(jax.jit(winograd.conv3x3), x, kernel, weight)
    reference = value_and_gradients(layers.conv_direct, x, kernel, weight)
    for a, b in zip(mine, reference, strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
    return [float(jnp.linalg.norm(a - b) / jnp.linalg.norm(b)) for a, b in zip(mine, reference, strict=True)]


@pytest.mark.parametrize("shape", SHAPES)
def test_it_is_the_convolution(rng, shape):
    value, *gradients = relative_errors(rng, shape, jnp.float32)
    assert value < 2e-6
    assert max(gradients) < 2e-6


@pytest.mark.parametrize("shape", SHAPES)
def test_only_rounding_tells_them_apart(rng, shape):
    with jax.enable_x64(True):
        assert max(relative_errors(rng, shape, jnp.float64)) < 1e-12


def test_it_rounds_hardly_more_than_the_direct_convolution(rng):
    """Winograd's own points, 0, 1, -1, 2, -2, err ten times as much."""
    x, kernel = rng.standard_normal((1, 64, 64, 64)), rng.standard_normal((3, 3, 64, 64))
    with jax.enable_x64(True):
        exact = np.asarray(layers.conv_direct(jnp.asarray(x), jnp.asarray(kernel)))
    single = jnp.asarray(x, jnp.float32), jnp.asarray(kernel, jnp.float32)
    direct, mine = (np.abs(np.asarray(conv(*single)) - exact).max() for conv in (layers.conv_direct, winograd.conv3x3))
    assert mine < 3 * direct


def test_second_derivatives_work(rng):
    """Products of the Hessian and a vector, in the image and in the kernel."""
    x, kernel = (jnp.asarray(rng.standard_normal(s), jnp.float32) for s in ((1, 5, 6, 3), (3, 3, 3, 2)))
    for argument in (0, 1):

        def product(conv, argument=argument):
            gradient = jax.grad(lambda *arguments: (conv(*arguments) ** 4).sum(), argument)
            return jax.grad(lambda *arguments: (gradient(*arguments) * (x, kernel)[argument]).sum(), argument)(
                x, kernel
            )

        a, b = product(winograd.conv3x3), product(layers.conv_direct)
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-3 * np.abs(b).max())


def test_the_network_uses_it_where_it_is_faster():
    x, kernel = jnp.zeros((2, 32, 32, 64)), jnp.zeros((3, 3, 64, 64))
    assert layers.winograd_is_faster(x, kernel)
    assert layers.winograd_is_faster(x[:1], kernel)
    assert not layers.winograd_is_faster(x, kernel[..., :1])
    assert not layers.winograd_is_faster(x[:, :7], kernel)
    assert not layers.winograd_is_faster(x.astype(jnp.bfloat16), kernel.astype(jnp.bfloat16))
