"""VDSR, DRCN, DRRN and MDSR: the published sizes, and that each can learn."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from lapsrn_jax import models
from lapsrn_jax.errors import UserError
from lapsrn_jax.images.resize import imresize
from lapsrn_jax.models import DRCN, DRRN, MDSR, VDSR
from lapsrn_jax.models.layers import bicubic_upsample
from lapsrn_jax.models.mdsr import pixel_shuffle
from lapsrn_jax.training.loop import train_and_evaluate
from lapsrn_jax.training.losses import batch_loss, charbonnier
from lapsrn_jax.upscaling.upscale import Upscaler
from lapsrn_jax.weights.files import load_weights, save_weights
from tests import tiny

SMALL = [VDSR(features=16, depth=5), DRCN(features=12, recursions=3), DRRN(features=12, recursions=3),
         MDSR(features=12, blocks=2)]  # fmt: skip
IDS = [type(model).__name__ for model in SMALL]
small = pytest.mark.parametrize("model", SMALL, ids=IDS)


def shapes(model):
    return jax.eval_shape(lambda key: models.initial(model, key), jax.random.key(0))


def drawn(model, rng):
    """Random parameters: how the models start takes longer to compile than to test."""
    return jax.tree.map(lambda leaf: rng.standard_normal(leaf.shape).astype(np.float32) / 20, shapes(model))


def count(model):
    return sum(leaf.size for leaf in jax.tree.leaves(shapes(model)))


@pytest.mark.parametrize(
    ("model", "parameters"),
    [
        (VDSR(use_bias=False), 664_704),
        (VDSR(), 665_921),
        (DRCN(use_bias=False), 1_774_080 + 16),
        (DRCN(), 1_775_105 + 16),
        (DRRN(use_bias=False), 297_216),
        (DRRN(), 297_601),
        (MDSR(), 7_953_987),
    ],
)
def test_parameter_counts_are_the_published_ones(model, parameters):
    assert count(model) == parameters


def test_what_is_shared_is_in_the_tree_once():
    for kind in (DRCN, DRRN):
        few, many = (shapes(kind(recursions=r)) for r in (1, 16))
        few.pop("ensemble", None), many.pop("ensemble", None)
        assert few == many
    wide = [leaf.shape for leaf in jax.tree.leaves(shapes(DRRN())) if leaf.shape[2:] == (128, 128)]
    assert wide == [(3, 3, 128, 128)] * 2
    wide = [leaf.shape for leaf in jax.tree.leaves(shapes(DRCN())) if leaf.shape[2:] == (256, 256)]
    assert wide == [(3, 3, 256, 256)] * 3  # embed, recursion, reconstruct


@pytest.mark.parametrize("scale", [2, 3, 4, 8])
def test_a_vdsr_that_adds_nothing_is_the_protocols_bicubic(rng, scale):
    lr = rng.random((7, 10))
    params = jax.jit(lambda key: models.initial(SMALL[0], key))(jax.random.key(0))
    params["residual"] = jax.tree.map(jnp.zeros_like, params["residual"])
    np.testing.assert_allclose(Upscaler(SMALL[0], params)(lr, scale), imresize(lr, scale), atol=1e-6)
    with jax.enable_x64(True):
        np.testing.assert_allclose(
            bicubic_upsample(jnp.asarray(lr)[None, :, :, None], scale)[0, :, :, 0], imresize(lr, scale), atol=1e-13
        )


def test_the_recursion_of_drcn_starts_as_no_change(rng):
    """So all its outputs are one image at first, and the result is that image too."""
    model, lr = SMALL[1], jnp.asarray(rng.random((1, 6, 5, 1)), jnp.float32)
    params = jax.jit(lambda key: models.initial(model, key))(jax.random.key(0))
    (result,), state = model.apply({"params": params}, lr, 2, mutable=["intermediates"])
    (outputs,) = state["intermediates"]["outputs"]
    assert outputs.shape == (3, 1, 12, 10, 1)
    for output in outputs:
        np.testing.assert_allclose(output, result, atol=1e-5)


def test_drcn_is_supervised_after_each_recursion(rng):
    lr, hr = (jnp.asarray(rng.random((2, n, n, 1)), jnp.float32) for n in (6, 12))
    params = jax.jit(lambda key: models.initial(SMALL[1], key))(jax.random.key(0))
    params["recursion"]["kernel"] *= 0.5  # tells the recursions apart
    params["ensemble"] = jnp.asarray([0.2, 0.1, 0.5])
    (result,), state = SMALL[1].apply({"params": params}, lr, 2, mutable=["intermediates"])
    (outputs,) = state["intermediates"]["outputs"]
    np.testing.assert_allclose(result, 0.2 * outputs[0] + 0.1 * outputs[1] + 0.5 * outputs[2], atol=1e-6)
    each = np.mean([charbonnier(output, hr) for output in outputs])
    for alpha in (0, 0.3, 1):
        expected = alpha * each + (1 - alpha) * charbonnier(result, hr)
        loss = batch_loss(SMALL[1].clone(supervision=alpha), params, {2: (lr, hr)})
        assert float(loss) == pytest.approx(float(expected), rel=1e-5)


def test_pixel_shuffle_spreads_channels_over_a_square(rng):
    x = rng.random((2, 3, 4, 9 * 5))
    shuffled = pixel_shuffle(jnp.asarray(x), 3)
    assert shuffled.shape == (2, 9, 12, 5)
    np.testing.assert_allclose(shuffled[1, 3 * 2 + 1, 3 * 3 + 2], x[1, 2, 3].reshape(3, 3, 5)[1, 2], rtol=1e-6)


@small
def test_each_scale_gives_one_image(model):
    params = shapes(model)
    lr = jnp.zeros((1, 5, 6, model.channels))
    for scale in (2, 3, 4):
        (image,) = jax.eval_shape(lambda params, scale=scale: model.apply({"params": params}, lr, scale), params)
        assert image.shape == (1, 5 * scale, 6 * scale, model.channels)
    with pytest.raises(UserError, match=r"enlarges by x2, x3, x4.*, not by x17"):
        model.apply({"params": params}, lr, 17)


@pytest.mark.usefixtures("mixed_dtypes")
@pytest.mark.slow
@small
def test_it_learns_a_batch_by_heart(rng, model):
    pictures = [tiny.photograph(rng, 12, 12) / 255 for _ in range(2)]
    hr = np.stack([p if model.channels == 3 else p[:, :, :1] for p in pictures])
    lr = np.stack([imresize(picture, 1 / 3) for picture in hr])
    batch = {3: (jnp.asarray(lr, jnp.float32), jnp.asarray(hr, jnp.float32))}
    params, tx = models.initial(model, jax.random.key(0)), optax.adam(optax.cosine_decay_schedule(5e-3, 200))

    @jax.jit
    def step(params, state):
        loss, grads = jax.value_and_grad(lambda params: batch_loss(model, params, batch))(params)
        updates, state = tx.update(grads, state)
        return optax.apply_updates(params, updates), state, loss

    state = tx.init(params)
    losses = []
    for _ in range(200):
        params, state, loss = step(params, state)
        losses.append(float(loss))
    assert losses[-1] < losses[0] / 10


@pytest.mark.usefixtures("mixed_dtypes")
@pytest.mark.slow
@small
def test_remat_and_bfloat16_compute_the_same_function(rng, model):
    lr, hr = (jnp.asarray(rng.random((2, n, n, model.channels)), jnp.float32) for n in (6, 12))
    params = jax.tree.map(jnp.asarray, drawn(model, rng))

    def value_and_grad(model):
        return jax.jit(jax.value_and_grad(lambda params: batch_loss(model, params, {2: (lr, hr)})))(params)

    loss, grads = value_and_grad(model)
    for other, tolerance in ((model.clone(remat=True), 1e-5), (model.clone(dtype="bfloat16"), 0.1)):
        other_loss, other_grads = value_and_grad(other)
        assert float(other_loss) == pytest.approx(float(loss), rel=tolerance)
        a, b = (jnp.concatenate([x.ravel() for x in jax.tree.leaves(tree)]) for tree in (grads, other_grads))
        assert b.dtype == jnp.float32
        assert jnp.linalg.norm(a - b) < tolerance * jnp.linalg.norm(a)


@small
def test_weights_come_back_as_they_were(tmp_path, rng, model):
    params = drawn(model, rng)
    save_weights(tmp_path / "weights.safetensors", model, params, {})
    again, params_again = load_weights(tmp_path / "weights.safetensors")
    assert again == model
    jax.tree.map(np.testing.assert_array_equal, params_again, params)


def test_a_gray_picture_stays_gray_in_an_rgb_network(rng):
    upscale = Upscaler(SMALL[3], drawn(SMALL[3], rng))
    gray = rng.random((6, 7))
    assert upscale(gray, 3).shape == (18, 21)
    rgb = upscale(np.repeat(gray[:, :, None], 3, axis=2), 3)
    np.testing.assert_allclose(upscale(gray, 3), rgb.mean(axis=2), atol=1e-6)
    assert upscale(rng.random((6, 7, 3)), 2.5).shape == (15, 18, 3)


@pytest.mark.usefixtures("mixed_dtypes")
@pytest.mark.slow
@small
def test_the_trainer_trains_it(tmp_path, model):
    """On two devices, for x2 and x3 at once, validated, from the config's plain settings."""
    photographs = tiny.write_photographs(tmp_path / "photographs")
    config = tiny.config(photographs, data__scales=(2, 3), data__patch_size=24, training__steps=2)
    config.model = models.settings(model)
    config.data.validation = str(photographs)
    assert train_and_evaluate(config, tmp_path / "run")
    assert load_weights(tmp_path / "run")[0] == model


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"name": "vdsr", "depth": 2}, "depth"),
        ({"name": "drcn", "supervision": 2.0}, "supervision"),
        ({"name": "drrn", "recursions": 0}, "recursions"),
        ({"name": "mdsr", "blocks": 0}, "blocks"),
        ({"name": "mdsr", "scales": (2,)}, "scales"),
    ],
)
def test_bad_settings_are_named(settings, complaint):
    with pytest.raises(UserError, match=complaint):
        models.from_settings(settings)
