"""The probes agree with their definitions."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lapsrn_jax.models import Pyramid, Tying
from lapsrn_jax.models.layers import conv, conv_transpose
from lapsrn_jax.training.losses import batch_loss
from studies.probes import (
    ORIENTATIONS,
    contributions,
    free_gradients,
    inverse_error,
    probe,
    resemblance,
    untied,
    upsampler_inputs,
)

SMALL = {"features": 6, "depth": 3, "recursions": 2, "use_bias": True}


@pytest.fixture(autouse=True)
def _float64():
    with jax.enable_x64(True):
        yield


def random_params(model, rng):
    shapes = model.init(jax.random.key(0), jnp.zeros((1, 4, 4, 1)), 2)["params"]
    return jax.tree.map(lambda leaf: jnp.asarray(rng.standard_normal(leaf.shape) / 5), shapes)


def batch(rng):
    return {
        scale: tuple(jnp.asarray(rng.random((2, n, n, 1))) for n in sides)
        for scale, sides in ((2, (8, 16)), (4, (4, 8, 16)))
    }


@pytest.mark.parametrize("tying", [
    Tying(layer=2), Tying(swap_channels=False), Tying(bias="tied"), Tying(gradient="conv"), Tying(strength="init"), None
])  # fmt: skip
def test_untied_computes_the_same(rng, tying):
    model = Pyramid(**SMALL, tying=tying)
    params, lr = random_params(model, rng), jnp.asarray(rng.random((2, 5, 6, 1)))
    ours = Pyramid(**SMALL).apply({"params": untied(tying, params)}, lr, 4)
    for a, b in zip(ours, model.apply({"params": params}, lr, 4), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


@pytest.mark.parametrize("turns", ORIENTATIONS.values(), ids=ORIENTATIONS.keys())
def test_the_contributions_add_up_to_the_tied_gradient(rng, turns):
    """Cosine and ratio determine |g_conv + g_up|^2."""
    tying = Tying(layer=2, swap_channels=turns[0], flip_taps=turns[1])
    model, data = Pyramid(**SMALL, tying=tying), batch(rng)
    params = random_params(model, rng)
    tied = jax.grad(lambda p: batch_loss(model, p, data))(params)["block"]["conv_2"]["kernel"]
    gradients = free_gradients(Pyramid(**SMALL), untied(tying, params), data)
    found, length = contributions(tying, gradients), np.linalg.norm(gradients["block"]["conv_2"]["kernel"])
    expected = length**2 * (1 + 2 * found["ratio"] * found["cosine"] + found["ratio"] ** 2)
    assert np.isclose(np.linalg.norm(tied) ** 2, expected, rtol=1e-9)


def test_resemblance_finds_the_lender(rng):
    """The cosine is 1 and the distance 0 exactly for the layer and the orientation that gave the upsampler's kernel."""
    free = random_params(Pyramid(**SMALL), rng)
    for (name, (swap, flip)), layer in itertools.product(ORIENTATIONS.items(), (1, 2, 3)):
        tying = Tying(layer=layer, swap_channels=swap, flip_taps=flip)
        found = resemblance(free | {"upsample": {"kernel": tying.orient(free["block"][tying.lender]["kernel"])}})
        for other, numbers in found.items():
            same = [other == name and i == layer for i in (1, 2, 3)]
            assert [cosine > 1 - 1e-9 for cosine in numbers["cosine"]] == same
            assert [distance < 1e-9 for distance in numbers["distance"]] == same


def test_distance_and_cosine_are_one_triangle(rng):
    """They satisfy the law of cosines."""
    free = random_params(Pyramid(**SMALL), rng)
    up, found = np.linalg.norm(free["upsample"]["kernel"]), resemblance(free)
    for numbers in found.values():
        for i in range(3):
            k = np.linalg.norm(free["block"][f"conv_{i + 1}"]["kernel"])
            squared = up**2 + k**2 - 2 * up * k * numbers["cosine"][i]
            assert np.isclose((numbers["distance"][i] * k) ** 2, squared)


def matrix(linear, shape):
    """Returns the matrix of a linear map on arrays of a shape."""
    size = int(np.prod(shape))
    return np.stack([np.ravel(linear(e.reshape(1, *shape))) for e in jnp.eye(size)], axis=1)


def test_inverse_error_is_that_of_the_best_factor(rng):
    """D is the transpose of the adjoint's matrix, and the factor is the least-squares solution."""
    x, shape = jnp.asarray(rng.standard_normal((1, 3, 4, 2))), (3, 4, 2)
    kernel, up = (jnp.asarray(rng.standard_normal((3, 3, 2, 2))) for _ in range(2))
    upsampling = matrix(lambda e: conv_transpose(e, up), shape)
    downsampling = matrix(lambda e: conv_transpose(e, Tying().orient(kernel)), shape).T
    back = downsampling @ upsampling @ np.ravel(x)
    (factor,), *_ = np.linalg.lstsq(back[:, None], np.ravel(x))
    expected = np.linalg.norm(factor * back - np.ravel(x)) / np.linalg.norm(x)
    assert np.isclose(inverse_error(x, up, kernel), expected, rtol=1e-9)


def test_inverse_error_is_zero_where_the_convolution_undoes_the_upsampler(rng):
    """With an orthogonal matrix as the only tap, in the centre, D U is 4 times the identity."""
    rotation = np.linalg.qr(rng.standard_normal((5, 5)))[0]
    kernel = jnp.zeros((3, 3, 5, 5)).at[1, 1].set(2 * rotation)
    x = jnp.asarray(rng.standard_normal((2, 4, 6, 5)))
    assert inverse_error(x, Tying().orient(kernel), kernel) < 1e-12
    assert inverse_error(x, Tying(swap_channels=False).orient(kernel), kernel) > 0.1


def test_the_upsampler_is_given_what_the_network_computes(rng):
    """The rest of the network computes the network's images from these inputs."""
    model = Pyramid(**SMALL)
    params, image = random_params(model, rng), jnp.asarray(rng.random((2, 4, 5, 1)))
    images = model.apply({"params": params}, image, 4)
    for x, expected in zip(upsampler_inputs(model, params, image, 4), images, strict=True):
        features = conv_transpose(x, params["upsample"]["kernel"]) + params["upsample"]["bias"]
        image = conv_transpose(image, params["image_upsample"]["kernel"]) + conv(features, **params["residual"])
        np.testing.assert_allclose(image, expected, rtol=1e-9)


def test_a_probe_is_made_of_these(rng):
    tying, data = Tying(layer=1), batch(rng)
    params = random_params(Pyramid(**SMALL, tying=tying), rng)
    found = probe(Pyramid(**SMALL), tying, params, data)
    assert found["kernels"]["adjoint"]["cosine"][0] == pytest.approx(1)
    assert len(found["inverse"]) == 2
    assert all(0 <= error <= 1 for error in found["inverse"])
    assert abs(found["gradients"]["cosine"]) <= 1
