"""FLOP counts of training steps."""

import jax
import jax.numpy as jnp
import pytest

from lapsrn_jax.data.patches import split_batch
from lapsrn_jax.evaluation.paper.costs import cost
from lapsrn_jax.models import Pyramid, Tying
from lapsrn_jax.training.losses import batch_loss
from tools.flops import step_flops


def kernel_gradients(jaxpr, shape):
    """Counts the convolutions in a traced program whose result has the shape of a kernel."""
    count = 0
    for equation in jaxpr.eqns:
        is_convolution = equation.primitive.name == "conv_general_dilated"
        transposed = {tuple(sorted(v.aval.shape)) for v in equation.outvars} == {tuple(sorted(shape))}
        count += is_convolution and transposed
        inner = [kernel_gradients(getattr(b, "jaxpr", b), shape) for p in equation.params.values()
                 for b in (p if isinstance(p, tuple) else [p]) if hasattr(getattr(b, "jaxpr", b), "eqns")]  # fmt: skip
        times = equation.params["length"] if equation.primitive.name == "scan" else 1
        count += times * (max(inner, default=0) if equation.primitive.name == "cond" else sum(inner))
    return count


def test_stopped_gradients_are_not_computed_and_not_counted():
    """With r recursions, "upsample" saves r kernel gradients per level, and "conv" saves one."""
    settings = {"features": 7, "depth": 3, "recursions": 4}
    images = tuple(jnp.zeros((2, n, n, 1)) for n in (4, 8, 16))
    traced, counted = {}, {}
    for gradient in ("both", "conv", "upsample"):
        model = Pyramid(**settings, tying=Tying(gradient=gradient), direct=True)  # as counted
        params = model.init(jax.random.key(0), images[0], 4)["params"]
        loss = jax.grad(lambda p, model=model: batch_loss(model, p, {4: images}))
        traced[gradient] = kernel_gradients(jax.make_jaxpr(loss)(params).jaxpr, (3, 3, 7, 7))
        counted[gradient] = step_flops(model, 16, {4: 2})
    assert traced["both"] - traced["upsample"] == 2 * 4
    assert traced["both"] - traced["conv"] == 2
    one = 2 * 9 * 7**2 * 2 * 4**2  # at the first level; four times as much at the second
    assert counted["both"] - counted["conv"] == 5 * one
    assert counted["both"] - counted["upsample"] == 4 * 5 * one


def test_a_step_is_three_forward_passes():
    model, sizes = Pyramid(features=8, depth=2, recursions=2), split_batch(6, (2, 8), 1)
    pixels = 1280 * 720
    forward = sum(size * 32**2 / pixels * cost(model, scale).multiply_adds for scale, size in sizes.items())
    assert step_flops(model, 32, sizes) == pytest.approx(6 * forward)
