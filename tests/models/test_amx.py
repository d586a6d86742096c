"""The recursive block on AMX against its definition. `make amx` compiles it."""

import os

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lapsrn_jax import models
from lapsrn_jax.errors import UserError
from lapsrn_jax.models import amx, layers
from lapsrn_jax.models.pyramid import recurse
from lapsrn_jax.models.window import Window
from lapsrn_jax.training.losses import batch_loss

compiled = pytest.mark.skipif(not amx.is_available(), reason="needs a CPU with AMX, and `make amx`")

SIZES = [(2, 1, 1), (2, 1, 9), (3, 7, 5), (2, 16, 14), (2, 13, 40), (5, 24, 24), (2, 48, 48)]


def of_clear_sign(rng, shape, depth):
    """A source and kernels whose activations are far from 0: rounding never changes the slope of a leaky ReLU."""
    signs = rng.choice([-1, 1], 64)
    source = rng.uniform(0.5, 1, (*shape, 64)) * signs
    kernels = rng.uniform(0, 2 / 576, (depth, 3, 3, 64, 64)) * signs[:, None] * signs
    return jnp.asarray(source, jnp.bfloat16), jnp.asarray(kernels, jnp.float32)


def defined(source, kernels, recursions):
    """The definition in float32, with the kernels that the processor multiplies with."""
    kernels = kernels.astype(jnp.bfloat16).astype(jnp.float32)
    features = source = source.astype(jnp.float32)
    for _ in range(recursions):
        for kernel in kernels:
            features = layers.conv_direct(layers.leaky_relu(features), kernel)
        features += source
    return features


def distance(x, y):
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    return np.linalg.norm(x - y) / np.linalg.norm(y)


@compiled
@pytest.mark.parametrize("shape", SIZES, ids=str)
def test_the_block_and_its_gradients_are_those_of_the_definition(rng, shape):
    depth, recursions = rng.integers(1, 6), rng.integers(1, 4)
    source, kernels = of_clear_sign(rng, shape, depth)
    g = jnp.asarray(rng.standard_normal(source.shape), jnp.bfloat16)
    features, pullback = jax.vjp(lambda s, k: amx.recurse(s, k, int(recursions)), source, kernels)
    expected, expected_pullback = jax.vjp(lambda s, k: defined(s, k, int(recursions)), source, kernels)
    assert distance(features, expected) < 4e-3
    to_source, to_kernels = pullback(g)
    expected_to_source, expected_to_kernels = expected_pullback(g.astype(jnp.float32))
    assert distance(to_source, expected_to_source) < 8e-3
    for n in range(depth):
        assert distance(to_kernels[n], expected_to_kernels[n]) < 2e-2


@compiled
def test_each_image_is_computed_by_itself_and_always_the_same(rng):
    source = jnp.asarray(rng.standard_normal((5, 9, 11, 64)), jnp.bfloat16)
    kernels = jnp.asarray(rng.standard_normal((5, 3, 3, 64, 64)) / 24, jnp.float32)
    features, pullback = jax.vjp(lambda s, k: amx.recurse(s, k, 2), source, kernels)
    some, _ = jax.vjp(lambda s, k: amx.recurse(s, k, 2), source[2:4], kernels)
    np.testing.assert_array_equal(np.asarray(features[2:4]), np.asarray(some))
    once, again = pullback(features), pullback(features)
    for x, y in zip(once, again, strict=True):
        np.testing.assert_array_equal(np.asarray(x), np.asarray(y))


@compiled
def test_what_is_not_finite_stays_so(rng, default_settings):
    """A training step must see it, and skip the batch."""
    source, kernels = of_clear_sign(rng, (2, 8, 8), 5)
    features, pullback = jax.vjp(lambda s, k: amx.recurse(s, k, 2), source.at[0, 4, 4].set(jnp.nan), kernels)
    assert not np.isfinite(np.asarray(features[0], np.float32)).any()
    assert np.isfinite(np.asarray(features[1], np.float32)).all()
    assert not np.isfinite(np.asarray(pullback(features)[1])).all()


@compiled
@pytest.mark.parametrize("tying", [None, models.Tying()], ids=["ms", "cms"])
def test_the_networks_train_with_it(rng, tying, monkeypatch, default_settings):
    """The loss and the gradient are those of the network in float32, but for the rounding to 8 bits."""
    model = models.Pyramid(recursions=2, tying=tying, dtype="bfloat16")
    batch = {4: tuple(jnp.asarray(rng.random((2, n, n, 1)), jnp.float32) for n in (8, 16, 32))}
    params = model.init(jax.random.key(0), jnp.zeros((1, 8, 8, 1)), 2)["params"]
    calls = []
    on_amx = amx.recurse
    monkeypatch.setattr(amx, "recurse", lambda *args: calls.append(args) or on_amx(*args))

    def value_and_grad(model):
        jax.clear_caches()
        return jax.value_and_grad(lambda p: batch_loss(model, p, batch))(params)

    loss, gradient = value_and_grad(model)
    assert len(calls) == 2  # one for each level
    expected_loss, expected = value_and_grad(model.clone(dtype=None))
    assert len(calls) == 2
    assert float(loss) == pytest.approx(float(expected_loss), rel=1e-3)
    for mine, theirs in zip(jax.tree.leaves(gradient), jax.tree.leaves(expected), strict=True):
        assert mine.dtype == jnp.float32
        assert distance(mine, theirs) < 0.1


@compiled
@pytest.mark.parametrize(
    ("shape", "dtype", "bias", "unusual"),
    [
        ((2, 8, 8, 64), "float32", False, {}),
        ((1, 8, 8, 64), "bfloat16", False, {}),
        ((2, 8, 8, 16), "bfloat16", False, {}),
        ((2, 8, 8, 64), "bfloat16", True, {}),
        ((2, 8, 8, 64), "bfloat16", False, {"skip": "block"}),
        ((2, 8, 8, 64), "bfloat16", False, {"remat": True}),
        ((2, 8, 8, 64), "bfloat16", False, {"direct": True}),
        ((2, 8, 8, 64), "bfloat16", False, {"window": Window(jnp.ones((2, 8, 8, 1)))}),
    ],
    ids=str,
)
def test_everything_else_is_computed_as_on_other_processors(shape, dtype, bias, unusual, monkeypatch):
    monkeypatch.setattr(amx, "recurse", lambda *_: pytest.fail("computed on AMX"))
    channels = shape[-1]
    filters = {"kernel": jnp.zeros((3, 3, channels, channels))} | ({"bias": jnp.zeros(channels)} if bias else {})
    settings = {"window": Window(), "recursions": 1, "skip": "source", "remat": False, "direct": False} | unusual
    features = recurse(jnp.ones(shape, dtype), {"conv_1": filters}, **settings)
    np.testing.assert_array_equal(np.asarray(features, np.float32), np.ones(shape))


def test_a_library_that_does_not_load_is_reported(tmp_path, monkeypatch):
    monkeypatch.setattr(amx, "LIBRARY", tmp_path / "libamx.so")
    assert not amx.is_available.__wrapped__()
    (tmp_path / "libamx.so").write_bytes(os.urandom(100))
    with pytest.raises(UserError, match=r"libamx\.so does not load .* run `make amx` again"):
        amx.is_available.__wrapped__()
