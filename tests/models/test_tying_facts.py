"""The numbers and statements of docs/tying.md that its code does not show, in the page's order."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from jax import lax
from safetensors import numpy as safetensors_numpy

from lapsrn_jax.models import Tying
from lapsrn_jax.models.layers import conv, conv_direct, conv_transpose, he_stddev
from lapsrn_jax.weights.files import load_weights

pytestmark = pytest.mark.usefixtures("default_settings")

DIMENSIONS = ("NHWC", "HWIO", "NHWC")
ORIENTATIONS = list(itertools.product([True, False], repeat=2))


def strided(x, kernel, padding=((0, 1), (0, 1))):
    return lax.conv_general_dilated(x, kernel, (2, 2), padding, dimension_numbers=DIMENSIONS)


def cosine(a, b):
    return float(np.vdot(a, b) / np.linalg.norm(a) / np.linalg.norm(b))


def he_kernel(rng, features=64):
    return jnp.asarray(he_stddev(features) * rng.standard_normal((3, 3, features, features)), jnp.float32)


def normal(rng, *shape):
    return jnp.asarray(rng.standard_normal(shape), jnp.float32)


def test_the_adjoint_of_an_orthogonal_map_is_its_inverse(rng):
    """Rows of C are orthonormal where each output takes one tap, of channels mixed by an orthogonal matrix."""
    rotation = np.linalg.qr(rng.standard_normal((8, 8)))[0]
    kernel = jnp.zeros((3, 3, 8, 8)).at[1, 1].set(rotation)
    y = normal(rng, 1, 5, 7, 8)
    np.testing.assert_allclose(strided(conv_transpose(y, Tying().orient(kernel)), kernel), y, atol=1e-5)


@pytest.mark.parametrize(("start", "cosines"), [("he", (0.866, 0.18, 0.03, 0)), ("trained", (0.54, 0.12, 0.07, 0.04))])
def test_how_far_each_orientation_is_from_a_right_inverse(rng, start, cosines):
    kernel = he_kernel(rng)
    if start == "trained":
        kernel = load_weights("cms-lapsrn")[1]["block"]["conv_3"]["kernel"]
    else:
        np.testing.assert_allclose((kernel**2).sum((0, 1, 2)), 2, rtol=0.25)
    y = normal(rng, 1, 12, 12, 64)
    for (swap, flip), expected in zip(ORIENTATIONS, cosines, strict=True):
        u = conv_transpose(y, Tying(swap_channels=swap, flip_taps=flip).orient(kernel))
        assert abs(cosine(strided(u, kernel), y) - expected) < (0.02 if swap and flip else 0.06)


def test_a_free_upsampler_resembles_no_kernel_of_the_block():
    params = load_weights("ms-lapsrn")[1]
    for lender, (swap, flip) in itertools.product(params["block"].values(), ORIENTATIONS):
        oriented = Tying(swap_channels=swap, flip_taps=flip).orient(lender["kernel"])
        assert abs(cosine(oriented, params["upsample"]["kernel"])) < 0.02


def test_the_orientations_are_four_functions_unless_kernel_and_channels_are_symmetric(rng):
    def results(kernel):
        y = normal(np.random.default_rng(0), 1, 4, 5, kernel.shape[2])
        kernels = [Tying(swap_channels=swap, flip_taps=flip).orient(kernel) for swap, flip in ORIENTATIONS]
        return [np.asarray(conv_transpose(y, kernel)) for kernel in kernels]

    for a, b in itertools.combinations(results(normal(rng, 3, 3, 2, 2)), 2):
        assert not np.allclose(a, b)
    one = normal(rng, 3, 3, 1, 1)
    for a, b in itertools.combinations(results(one + one[::-1, ::-1]), 2):
        np.testing.assert_array_equal(a, b)


def full(y, kernel):
    """All 2H + 1 rows of the adjoint's stamps."""
    return lax.conv_transpose(y, kernel, (2, 2), "VALID", dimension_numbers=DIMENSIONS, transpose_kernel=True)


def test_each_crop_pairs_with_a_padding(rng):
    kernel, x, y = normal(rng, 3, 3, 4, 4), normal(rng, 1, 10, 14, 4), normal(rng, 1, 5, 7, 4)
    assert full(y, kernel).shape == (1, 11, 15, 4)
    np.testing.assert_allclose(full(y, kernel)[:, :-1, :-1], conv_transpose(y, Tying().orient(kernel)), atol=1e-4)
    for crop, padding in ((np.s_[:, :-1, :-1], "SAME"), (np.s_[:, 1:, 1:], ((1, 0), (1, 0)))):
        left, right = np.vdot(strided(x, kernel, padding), y), np.vdot(x, full(y, kernel)[crop])
        np.testing.assert_allclose(left, right, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(strided(x, kernel, "SAME"), conv(x, kernel)[:, 1::2, 1::2], atol=1e-4)


def test_dropping_the_first_row_is_the_turned_network_on_the_turned_picture(rng):
    def turned(a):
        return a[:, ::-1, ::-1]

    kernel, y = normal(rng, 3, 3, 4, 4), normal(rng, 1, 5, 7, 4)
    there = full(y, kernel)[:, 1:, 1:]
    here = conv_transpose(turned(y), Tying().orient(kernel[::-1, ::-1]))
    np.testing.assert_allclose(turned(here), there, atol=1e-4)
    np.testing.assert_allclose(turned(conv(turned(there), kernel[::-1, ::-1])), conv(there, kernel), atol=1e-3)


def test_no_3x3_stamp_lies_in_the_middle_of_its_pixel():
    def middle(taps, crop):
        """Where the stamp's middle lies; pixel 2 of the small row lies at 4.5 of the large one."""
        image = np.asarray(full(jnp.zeros((1, 5, 5, 1)).at[0, 2, 2].set(1), jnp.ones((taps, taps, 1, 1))))[0, :, :, 0]
        rows = np.flatnonzero(image[crop, crop].sum(1))
        return rows.mean()

    assert middle(3, slice(0, -1)) == 5
    assert middle(3, slice(1, None)) == 4
    assert middle(4, slice(1, -1)) == 4.5


def test_variance_by_phase_at_the_convolutions_scale(rng):
    kernel, y = he_kernel(rng), normal(rng, 2, 24, 24, 64)
    of_conv = np.var(conv_direct(y, kernel)[:, 1:-1, 1:-1])
    up = conv_transpose(y, kernel)[:, 2:-2, 2:-2]
    shares = [np.var(up[:, p::2, q::2]) / of_conv for p in (0, 1) for q in (0, 1)]
    np.testing.assert_allclose(shares, [4 / 9, 2 / 9, 2 / 9, 1 / 9], rtol=0.1)
    assert abs(np.mean(shares) - 1 / 4) < 0.02
    # He's rule gives sqrt(2 / inputs), and 9 / 4 taps reach an output instead of 9.
    assert 2 * he_stddev(64) == (2 / (9 / 4 * 64)) ** 0.5


def test_the_soft_tie_needs_a_small_learning_rate(rng):
    tying, params = (
        Tying(strength="soft", penalty=5.0),
        {"own": normal(rng, 3, 3, 2, 2), "lent": normal(rng, 3, 3, 2, 2)},
    )

    def distance(params):
        return tying.distance({"conv_3": {"kernel": params["lent"]}}, {"kernel": params["own"]})

    for factor, falls in ((0.95, True), (1.05, False)):
        rate = factor / (2 * tying.penalty)
        grads = jax.grad(lambda p: tying.penalty * distance(p))(params)
        after = jax.tree.map(lambda p, g, rate=rate: p - rate * g, params, grads)
        assert (distance(after) < distance(params)) == falls


def test_adam_moves_as_far_for_two_gradients_as_for_one(rng):
    small, large = 1e-3 * normal(rng, 5), normal(rng, 5)
    tx = optax.adam(0.1, eps=0)
    for gradient in (small, large, small + large):
        step, _ = tx.update(gradient, tx.init(gradient))
        np.testing.assert_allclose(step, -0.1 * jnp.sign(gradient), rtol=1e-5)


def test_a_step_that_donates_an_array_twice_fails():
    shared = jnp.ones(3)
    step = jax.jit(lambda params: jax.tree.map(lambda a: a + 1, params), donate_argnums=0)
    with pytest.raises(Exception, match="donate the same buffer twice"):
        step({"conv": shared, "up": shared})


def test_nnx_knows_of_a_shared_param_and_jit_does_not():
    class Tied(nnx.Module):
        def __init__(self):
            self.a, self.b = nnx.Linear(2, 2, rngs=nnx.Rngs(0)), nnx.Linear(2, 2, rngs=nnx.Rngs(1))
            self.b.kernel = self.a.kernel

    net = Tied()
    gradient = nnx.grad(lambda net: net.a.kernel[...].sum() + 2 * net.b.kernel[...].sum())(net)
    kernels = [leaf for leaf in jax.tree.leaves(gradient) if leaf.shape == (2, 2)]
    assert [float(leaf[0, 0]) for leaf in kernels] == [3.0]
    assert not jax.jit(lambda net: net.a.kernel is net.b.kernel)(net)


def test_safetensors_writes_equal_arrays_twice():
    array = np.ones((3, 3, 64, 64), np.float32)
    assert len(safetensors_numpy.save({"conv": array, "up": array})) > 2 * array.nbytes
