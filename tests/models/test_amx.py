"""The recursive block on AMX against its definition. `make amx` compiles it."""

import os

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import default
from lapsrn_jax import models
from lapsrn_jax.errors import UserError
from lapsrn_jax.models import amx, layers
from lapsrn_jax.models.pyramid import accelerated
from lapsrn_jax.training.losses import batch_loss
from lapsrn_jax.training.state import create_state, make_optimizer
from lapsrn_jax.training.step import make_mesh, make_train_step, replicate, shard_batch

# Images [N, H, W], the depth of the block and the number of recursions.
CASES = [
    ((1, 1, 1), 1, 1), ((2, 1, 9), 3, 2), ((3, 7, 5), 5, 1), ((2, 16, 14), 1, 3), ((1, 13, 40), 2, 2),
    ((5, 24, 24), 5, 2), ((2, 48, 48), 5, 1),
]  # fmt: skip


@pytest.fixture
def library():
    if not amx.is_available():
        pytest.skip("needs a CPU with AMX, and `make amx`")


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


@pytest.mark.parametrize(("shape", "depth", "recursions"), CASES, ids=str)
def test_the_block_and_its_gradients_are_those_of_the_definition(rng, library, shape, depth, recursions):
    source, kernels = of_clear_sign(rng, shape, depth)
    g = jnp.asarray(rng.standard_normal(source.shape), jnp.bfloat16)
    features, pullback = jax.vjp(lambda s, k: amx.recurse(s, k, recursions), source, kernels)
    expected, expected_pullback = jax.vjp(lambda s, k: defined(s, k, recursions), source, kernels)
    assert distance(features, expected) < 4e-3
    to_source, to_kernels = pullback(g)
    expected_to_source, expected_to_kernels = expected_pullback(g.astype(jnp.float32))
    assert distance(to_source, expected_to_source) < 8e-3
    for n in range(depth):
        assert distance(to_kernels[n], expected_to_kernels[n]) < 2e-2


def test_each_image_is_computed_by_itself_and_always_the_same(rng, library):
    source = jnp.asarray(rng.standard_normal((5, 9, 11, 64)), jnp.bfloat16)
    kernels = jnp.asarray(rng.standard_normal((5, 3, 3, 64, 64)) / 24, jnp.float32)
    features, pullback = jax.vjp(lambda s, k: amx.recurse(s, k, 2), source, kernels)
    some, _ = jax.vjp(lambda s, k: amx.recurse(s, k, 2), source[2:4], kernels)
    np.testing.assert_array_equal(np.asarray(features[2:4]), np.asarray(some))
    once, again = pullback(features), pullback(features)
    for x, y in zip(once, again, strict=True):
        np.testing.assert_array_equal(np.asarray(x), np.asarray(y))


def test_what_is_not_finite_stays_so(rng, library, default_settings):
    """A training step must see it, and skip the batch."""
    source, kernels = of_clear_sign(rng, (2, 8, 8), 5)
    features, pullback = jax.vjp(lambda s, k: amx.recurse(s, k, 2), source.at[0, 4, 4].set(jnp.nan), kernels)
    assert not np.isfinite(np.asarray(features[0], np.float32)).any()
    assert np.isfinite(np.asarray(features[1], np.float32)).all()
    assert not np.isfinite(np.asarray(pullback(features)[1])).all()


def some_batch(rng, n):
    return {4: tuple(jnp.asarray(rng.random((n, side, side, 1)), jnp.float32) for side in (8, 16, 32))}


@pytest.mark.parametrize("tying", [None, models.Tying()], ids=["ms", "cms"])
def test_the_networks_train_with_it(rng, library, tying, default_settings):
    """The loss and the gradient are those of the network in float32, but for the rounding to 8 bits."""
    model = models.Pyramid(recursions=2, tying=tying)
    batch, params = some_batch(rng, 2), models.initial(model, jax.random.key(0))

    def value_and_grad(model):
        return jax.value_and_grad(lambda p: batch_loss(model, p, batch))(params)

    fast = accelerated(model.clone(dtype="bfloat16"))
    assert str(jax.make_jaxpr(lambda p: batch_loss(fast, p, batch))(params)).count("lapsrn_Forward") == 2  # the levels
    loss, gradient = value_and_grad(fast)
    expected_loss, expected = value_and_grad(model)
    assert float(loss) == pytest.approx(float(expected_loss), rel=1e-3)
    for mine, theirs in zip(jax.tree.leaves(gradient), jax.tree.leaves(expected), strict=True):
        assert mine.dtype == jnp.float32
        assert distance(mine, theirs) < 0.1


def test_two_devices_take_the_step_of_one(rng, library, tmp_path, default_settings):
    """Each has one image of a scale: the sums over the devices round differently, and nothing else."""
    config = default.get_config()
    config.model.recursions = 2
    model, tx = accelerated(models.from_settings(config.model).clone(dtype="bfloat16")), make_optimizer(config)
    batch, states = some_batch(rng, 2), []
    for devices in (jax.devices()[:1], jax.devices()[:2]):
        mesh = make_mesh(devices)
        step = make_train_step(model, tx, mesh, ema_decay=0.9)
        state, metrics = step(replicate(create_state(model, tx, 0, ema=True), mesh), shard_batch(batch, mesh))
        states.append((metrics["loss"], metrics["gradient_norm"], state.params))
    for one, two in zip(*map(jax.tree.leaves, states), strict=True):
        assert distance(two, one) < 1e-5


@pytest.mark.parametrize(
    "settings",
    [
        {"dtype": "float32"}, {"features": 32}, {"use_bias": True}, {"skip": "block"}, {"remat": True},
        {"direct": True},
    ],
    ids=str,
)  # fmt: skip
def test_other_networks_are_computed_as_on_other_processors(settings, monkeypatch):
    monkeypatch.setattr(amx, "is_available", lambda: True)
    model = models.Pyramid(dtype="bfloat16")
    assert accelerated(model).on_amx
    other = model.clone(**settings)
    assert accelerated(other) is other
    assert accelerated(models.LapSRN(dtype="bfloat16")) == models.LapSRN(dtype="bfloat16")


def test_a_library_that_does_not_load_is_reported(tmp_path, monkeypatch):
    monkeypatch.setattr(amx, "LIBRARY", tmp_path / "libamx.so")
    monkeypatch.setattr(jax, "default_backend", lambda: "cpu")
    assert not amx.is_available.__wrapped__()
    (tmp_path / "libamx.so").write_bytes(os.urandom(100))
    with pytest.raises(UserError, match=r"libamx\.so does not load .* run `make amx` again"):
        amx.is_available.__wrapped__()
