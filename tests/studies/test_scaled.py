"""The tyings of the study's hypotheses agree with their definitions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lapsrn_jax import models
from lapsrn_jax.models import Pyramid, Tying
from lapsrn_jax.models.layers import conv, conv_transpose
from lapsrn_jax.training.losses import batch_loss
from studies.probes import free_gradients, untied
from studies.results import meaning
from studies.scaled import ScaledTying
from tests.studies.test_probes import SMALL, batch, random_params


@pytest.fixture(autouse=True)
def _float64():
    with jax.enable_x64(True):
        yield


def enlarged(tying, params, lr):
    return Pyramid(**SMALL, tying=tying).apply({"params": params}, lr, 4)[-1]


def test_a_tying_without_a_change_is_the_ordinary_one(rng):
    params, lr = random_params(Pyramid(**SMALL, tying=Tying()), rng), rng.random((1, 6, 7, 1))
    np.testing.assert_allclose(enlarged(ScaledTying(), params, lr), enlarged(Tying(), params, lr))


def test_a_gain_scales_the_upsampler_alone(rng):
    params, lr = random_params(Pyramid(**SMALL, tying=Tying()), rng), rng.random((1, 6, 7, 1))
    free = untied(Tying(), params)
    for gain in (2.0, jnp.asarray(rng.random(SMALL["features"]))):
        expected = free | {"upsample": free["upsample"] | {"kernel": gain * free["upsample"]["kernel"]}}
        if isinstance(gain, float):
            found = enlarged(ScaledTying(gain=gain), params, lr)
        else:
            own = params["upsample"] | {"gain": gain}
            found = enlarged(ScaledTying(learn_gain=True), params | {"upsample": own}, lr)
        np.testing.assert_allclose(found, enlarged(None, expected, lr))


def test_a_learned_gain_starts_at_the_given_one():
    """The other parameters start like those of the ordinary tying."""
    tied, ordinary = (
        models.initial(Pyramid(**SMALL, tying=tying), jax.random.key(3))
        for tying in (ScaledTying(gain=2.0, learn_gain=True), Tying())
    )
    np.testing.assert_array_equal(tied["upsample"].pop("gain"), np.full(SMALL["features"], 2.0))
    jax.tree.map(np.testing.assert_array_equal, tied, ordinary)


def test_the_weight_of_the_convolution_scales_its_gradient_alone(rng):
    examples = batch(rng)
    params = random_params(Pyramid(**SMALL, tying=Tying()), rng)
    weight = float(rng.random())
    tying = ScaledTying(conv_weight=weight)
    model = Pyramid(**SMALL, tying=tying)
    loss, gradients = jax.value_and_grad(lambda params: batch_loss(model, params, examples))(params)
    assert loss == pytest.approx(float(batch_loss(model.clone(tying=Tying()), params, examples)))
    free = free_gradients(model.clone(tying=None), untied(Tying(), params), examples)
    expected = weight * free["block"]["conv_3"]["kernel"] + tying.orient(free["upsample"]["kernel"])
    np.testing.assert_allclose(gradients["block"]["conv_3"]["kernel"], expected, rtol=1e-6, atol=1e-12)


def test_an_upsampler_halves_the_scale_that_a_convolution_keeps(rng):
    """With the same kernel, it sums a quarter as many products for each output."""
    kernel, x = jnp.asarray(rng.standard_normal((3, 3, 64, 64))), jnp.asarray(rng.standard_normal((1, 40, 40, 64)))
    wide, narrow = conv_transpose(x, kernel), conv(x, kernel)
    assert jnp.std(wide) == pytest.approx(float(jnp.std(narrow)) / 2, rel=0.02)


@pytest.mark.parametrize(("tying", "words"), [
    (ScaledTying(gain=2.0), "the upsampler's kernel times 2"),
    (ScaledTying(gain=2.0, learn_gain=True), "a learned gain for each output channel of the upsampler, 2 at the start"),
    (ScaledTying(conv_weight=0.5), "the gradient of the convolution's use times 0.5"),
])  # fmt: skip
def test_the_report_describes_them(tying, words):
    assert meaning({"tying": vars(tying), "use_bias": False}) == f"layer 3, adjoint; {words}"
