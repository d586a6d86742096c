"""What "tied" means, as facts about linear maps and gradients, in float64."""

import dataclasses
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from lapsrn_jax.models import Pyramid, Tying
from lapsrn_jax.models.layers import conv_transpose, upsample
from lapsrn_jax.training.losses import batch_loss

SMALL = {"features": 6, "depth": 3, "recursions": 2, "use_bias": True}
ORIENTATIONS = list(itertools.product([True, False], repeat=2))


@pytest.fixture(autouse=True)
def _float64():
    with jax.enable_x64(True):
        yield


def down(x, kernel):
    """The convolution with stride 2 and padding (0, 1): the map that the adjoint upsampler transposes."""
    return lax.conv_general_dilated(x, kernel, (2, 2), ((0, 1), (0, 1)), dimension_numbers=("NHWC", "HWIO", "NHWC"))


def test_adjoint_is_the_transpose_of_the_convolution(rng):
    kernel = rng.standard_normal((3, 3, 6, 6))
    x, y = rng.standard_normal((2, 10, 14, 6)), rng.standard_normal((2, 5, 7, 6))
    up = upsample(y, Tying().orient(kernel))
    left, right = np.vdot(down(x, kernel), y), np.vdot(x, up)
    assert abs(left - right) < 1e-12 * np.linalg.norm(x) * np.linalg.norm(up)


def test_only_the_adjoint_orientation_is_the_transpose(rng):
    kernel = rng.standard_normal((3, 3, 6, 6))
    x, y = rng.standard_normal((1, 10, 14, 6)), rng.standard_normal((1, 5, 7, 6))
    for swap, flip in ORIENTATIONS:
        up = upsample(y, Tying(swap_channels=swap, flip_taps=flip).orient(kernel))
        assert np.isclose(np.vdot(down(x, kernel), y), np.vdot(x, up)) == (swap and flip)


def test_adjoint_is_laxs_transpose_kernel_and_plain_is_its_default(rng):
    kernel, y = jnp.asarray(rng.standard_normal((3, 3, 6, 6))), jnp.asarray(rng.standard_normal((1, 5, 7, 6)))
    dimensions = ("NHWC", "HWIO", "NHWC")
    for tying, transpose_kernel in ((Tying(), True), (Tying(swap_channels=False, flip_taps=False), False)):
        expected = lax.conv_transpose(
            y, kernel, (2, 2), "SAME", dimension_numbers=dimensions, transpose_kernel=transpose_kernel
        )
        np.testing.assert_allclose(conv_transpose(y, tying.orient(kernel)), expected, atol=1e-13)


def batch(rng):
    return {4: tuple(jnp.asarray(rng.random((2, n, n, 1))) for n in (4, 8, 16))}


def params_of(model, rng):
    """Random parameters of ordinary size, biases too: the initial ones leave much of the network idle."""
    shapes = model.init(jax.random.key(0), jnp.zeros((1, 4, 4, 1)), 2)["params"]
    return jax.tree.map(lambda leaf: jnp.asarray(rng.standard_normal(leaf.shape) / 5), shapes)


def untied(params, tying):
    """The same function with an upsampler that has arrays of its own."""
    lender = params["block"][tying.lender]
    own = {"kernel": tying.orient(lender["kernel"])} | ({"bias": lender["bias"]} if tying.bias == "tied" else {})
    return params | {"upsample": params.get("upsample", {}) | own}


@pytest.mark.parametrize("bias", ["own", "tied"])
@pytest.mark.parametrize(("swap", "flip"), ORIENTATIONS)
@pytest.mark.parametrize("layer", [1, 3])
def test_gradients_are_those_of_an_untied_copy(rng, layer, swap, flip, bias):
    """Tied: the sum of the two uses' gradients. With `gradient`, that of one use; the other's is exactly gone."""
    data = batch(rng)
    tying = Tying(layer=layer, swap_channels=swap, flip_taps=flip, bias=bias)
    params = params_of(Pyramid(**SMALL, tying=tying), rng)
    free_loss, free = jax.value_and_grad(lambda p: batch_loss(Pyramid(**SMALL), p, data))(untied(params, tying))
    for gradient in ("both", "conv", "upsample"):
        model = Pyramid(**SMALL, tying=dataclasses.replace(tying, gradient=gradient))
        loss, grads = jax.value_and_grad(lambda p, model=model: batch_loss(model, p, data))(params)
        assert np.isclose(loss, free_loss, rtol=1e-12)
        for part in ("kernel", "bias"):
            from_conv, from_upsample = free["block"][tying.lender][part], free["upsample"][part]
            assert np.linalg.norm(from_conv) > 0
            assert np.linalg.norm(from_upsample) > 0
            if part == "kernel":
                from_upsample = tying.orient(from_upsample)  # orienting is its own inverse
            elif bias == "own":
                np.testing.assert_allclose(grads["upsample"]["bias"], from_upsample, rtol=1e-9, atol=1e-13)
                from_upsample = 0
            # What is not shared keeps its gradient: a bias of its own trains whatever `gradient` says of the kernel.
            shared = part == "kernel" or bias == "tied"
            expected = {"both": from_conv + from_upsample, "conv": from_conv, "upsample": from_upsample}[gradient]
            expected = expected if shared else from_conv
            np.testing.assert_allclose(grads["block"][tying.lender][part], expected, rtol=1e-9, atol=1e-13)
        for name in ("conv_in", "residual", "image_upsample"):
            jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-13), grads[name], free[name])


def test_orienting_twice_changes_nothing(rng):
    kernel = rng.standard_normal((3, 3, 4, 4))
    for swap, flip in ORIENTATIONS:
        tying = Tying(swap_channels=swap, flip_taps=flip)
        np.testing.assert_array_equal(tying.orient(tying.orient(kernel)), kernel)


def test_init_and_soft_differ_from_free_only_by_the_upsamplers_start():
    image, key = jnp.zeros((1, 4, 4, 1)), jax.random.key(3)
    free = Pyramid(**SMALL).init(key, image, 2)["params"]
    for tying in (Tying(layer=2, strength="init"), Tying(layer=2, strength="soft", penalty=0.5)):
        params = Pyramid(**SMALL, tying=tying).init(key, image, 2)["params"]
        started = free | {"upsample": free["upsample"] | {"kernel": tying.orient(free["block"]["conv_2"]["kernel"])}}
        jax.tree.map(np.testing.assert_array_equal, params, started)
    hard = Pyramid(**SMALL, tying=Tying(layer=2)).init(key, image, 2)["params"]
    jax.tree.map(np.testing.assert_array_equal, hard, free | {"upsample": {"bias": free["upsample"]["bias"]}})


def test_the_soft_penalty_is_the_squared_distance(rng):
    data = batch(rng)
    tying = Tying(strength="soft", penalty=0.7, flip_taps=False)
    soft, free = Pyramid(**SMALL, tying=tying), Pyramid(**SMALL)
    params = params_of(soft, rng)
    difference = params["upsample"]["kernel"] - params["block"]["conv_3"]["kernel"].swapaxes(2, 3)
    expected = batch_loss(free, params, data) + 0.7 * (difference**2).sum()
    assert np.isclose(batch_loss(soft, params, data), expected, rtol=1e-12)


def test_stop_gradient_leaves_exactly_nothing_of_the_other_use(rng):
    block = {"conv_3": {"kernel": jnp.asarray(rng.standard_normal((3, 3, 4, 4)))}}
    weight = jnp.asarray(rng.standard_normal((3, 3, 4, 4)))

    def gradient(which, use):
        def total(block):
            for_conv, for_upsample = Tying(gradient=which).share(block, {})
            return (weight * {"conv": for_conv["conv_3"], "upsample": for_upsample}[use]["kernel"]).sum()

        return jax.grad(total)(block)["conv_3"]["kernel"]

    for which in ("both", "conv", "upsample"):
        for use, pushed in (("conv", weight), ("upsample", Tying().orient(weight))):
            np.testing.assert_array_equal(gradient(which, use), pushed if which in ("both", use) else 0 * pushed)


def test_init_is_a_free_upsampler_after_its_start(rng):
    data, sizes = {2: batch(rng)[4][:2]}, {"features": 3, "depth": 3, "recursions": 1, "use_bias": True}
    free, init = Pyramid(**sizes), Pyramid(**sizes, tying=Tying(strength="init"))
    params = params_of(free, rng)
    assert jax.tree.structure(params) == jax.tree.structure(params_of(init, rng))
    expected, of_init = (
        jax.jit(jax.value_and_grad(lambda p, m=model: batch_loss(m, p, data)))(params) for model in (free, init)
    )
    jax.tree.map(np.testing.assert_array_equal, of_init, expected)


@pytest.mark.slow
def test_a_growing_penalty_becomes_a_hard_tie_at_half_the_speed(rng):
    """Gradient descent: the distance falls as 1 / penalty, and each of the two arrays takes half of each push."""
    data, rate, steps = {2: batch(rng)[4][:2]}, 1 / 4000, 400
    sizes = {"features": 3, "depth": 2, "recursions": 1}
    hard = Pyramid(**sizes, tying=Tying(layer=2))
    start = params_of(hard, rng)

    def trained(model, params, lender_rate):
        def step(params, _):
            grads = jax.grad(lambda p: batch_loss(model, p, data))(params)
            grads["block"]["conv_2"]["kernel"] *= lender_rate
            return jax.tree.map(lambda p, g: p - rate * g, params, grads), None

        return jax.jit(lambda params: lax.scan(step, params, length=steps)[0])(params)

    def kernel(params):
        return params["block"]["conv_2"]["kernel"]

    halved = trained(hard, start, 0.5)
    apart, from_hard = [], []
    for penalty in (50.0, 500.0):
        tying = Tying(layer=2, strength="soft", penalty=penalty)
        own = {"upsample": {"kernel": tying.orient(kernel(start))}}
        params = trained(Pyramid(**sizes, tying=tying), start | own, 1)
        apart.append(tying.distance(params["block"], params["upsample"]) ** 0.5)
        from_hard.append(np.linalg.norm(kernel(params) - kernel(halved)))
    moved = np.linalg.norm(kernel(halved) - kernel(start))
    assert 0 < apart[1] < moved / 50
    assert 9 < apart[0] / apart[1] < 11
    assert from_hard[1] < moved / 50
    assert 9 < from_hard[0] / from_hard[1] < 11
