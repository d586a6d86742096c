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


def test_the_use_that_is_stopped_contributes_exactly_nothing(rng):
    """Each use alone, so that no rounding of the other's gradient can hide in the sum."""
    params = params_of(Pyramid(**SMALL, tying=Tying()), rng)
    y = jnp.asarray(rng.standard_normal((1, 5, 7, 6)))
    for gradient in ("both", "conv", "upsample"):
        tying = Tying(gradient=gradient)

        def of_conv(block, tying=tying):
            return (down(y, tying.share(block, {"bias": jnp.zeros(6)})[0]["conv_3"]["kernel"]) ** 2).sum()

        def of_upsample(block, tying=tying):
            return (upsample(y, tying.share(block, {"bias": jnp.zeros(6)})[1]["kernel"]) ** 2).sum()

        from_conv, from_upsample = (
            np.any(jax.grad(use)(params["block"])["conv_3"]["kernel"]) for use in (of_conv, of_upsample)
        )
        assert (from_conv, from_upsample) == (gradient != "upsample", gradient != "conv")


def test_after_its_start_init_is_free(rng):
    """The same loss and gradients for the same arrays: nothing but the start is left of the tying."""
    data, free, started = batch(rng), Pyramid(**SMALL), Pyramid(**SMALL, tying=Tying(strength="init"))
    params = params_of(free, rng)
    results = [jax.value_and_grad(lambda p, m=m: batch_loss(m, p, data))(params) for m in (free, started)]
    jax.tree.map(np.testing.assert_array_equal, *results)


def descend(model, params, data, rates, steps):
    """So many steps down the gradient, each array at its own rate."""

    @jax.jit
    def step(params):
        gradient = jax.grad(lambda params: batch_loss(model, params, data))(params)
        return jax.tree.map(lambda p, rate, g: p - rate * g, params, rates, gradient)

    for _ in range(steps):
        params = step(params)
    return params


def test_soft_comes_as_near_to_hard_as_its_penalty_is_large(rng):
    """In the flow down the gradient, ten times the penalty is a tenth of the distance to the hard tying's path.

    The penalty holds the two arrays together like a rod: each takes half of the sum of the gradients, so the hard one
    goes at half the rate. With a rate of 1 / (4 penalty) a step undoes any difference but what it adds itself.
    """
    settings = {"features": 3, "depth": 1, "recursions": 1}
    data, time = {2: tuple(jnp.asarray(rng.random((2, n, n, 1))) for n in (4, 8))}, 0.5
    hard = Pyramid(**settings, tying=Tying(layer=1))
    start = params_of(hard, rng)
    apart = []
    for penalty in (10.0, 100.0):
        tying = Tying(layer=1, strength="soft", penalty=penalty)
        rate, steps = 1 / (4 * penalty), round(4 * penalty * time)
        rates = jax.tree.map(lambda _, rate=rate: rate, start)
        rates["block"]["conv_1"]["kernel"] = rate / 2
        kernel = descend(hard, start, data, rates, steps)["block"]["conv_1"]["kernel"]

        two = start | {"upsample": tying.share(start["block"], {})[1]}
        rates = jax.tree.map(lambda _, rate=rate: rate, two)
        two = descend(Pyramid(**settings, tying=tying), two, data, rates, steps)
        moved = np.linalg.norm(kernel - start["block"]["conv_1"]["kernel"])
        apart.append(np.linalg.norm(two["block"]["conv_1"]["kernel"] - kernel) / moved)
        assert tying.distance(two["block"], two["upsample"]) ** 0.5 < 10 * moved / penalty
    assert apart[0] < 0.5
    assert 5 < apart[0] / apart[1] < 20
