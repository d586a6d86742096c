import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lapsrn_jax import models
from lapsrn_jax.errors import UserError
from lapsrn_jax.models import LapSRN, Pyramid, Tying

IMAGE = jnp.zeros((1, 8, 8, 1))


def count(model, scale=2):
    shapes = jax.eval_shape(lambda key: model.init(key, IMAGE, scale)["params"], jax.random.key(0))
    return sum(leaf.size for leaf in jax.tree.leaves(shapes))


@pytest.mark.parametrize(
    ("model", "parameters"),
    [
        (Pyramid(use_bias=True), 222_801),
        (Pyramid(use_bias=False), 222_352),
        (Pyramid(use_bias=True, tying=Tying()), 185_937),
        (Pyramid(use_bias=True, tying=Tying(bias="tied")), 185_873),
        (Pyramid(use_bias=False, tying=Tying()), 185_488),
        (Pyramid(use_bias=False, tying=Tying(strength="soft", penalty=1.0)), 222_352),
        (Pyramid(use_bias=False, tying=Tying(strength="init")), 222_352),
        (LapSRN(levels=2, use_bias=True), 814_242),
        (LapSRN(levels=2, use_bias=False), 812_768),
    ],
)
def test_parameter_counts_are_the_published_ones(model, parameters):
    assert count(model) == parameters


@pytest.mark.parametrize("tying", [None, Tying(), Tying(layer=1, bias="tied")])
def test_parameters_depend_neither_on_recursions_nor_on_levels(tying):
    counts = {count(Pyramid(recursions=r, tying=tying, use_bias=True), scale) for r in (1, 8) for scale in (2, 8)}
    assert len(counts) == 1


@pytest.mark.parametrize("model", [Pyramid(features=8, recursions=2, tying=Tying()), LapSRN(levels=3, features=8)])
def test_levels_are_prefixes_of_deeper_pyramids(rng, model):
    """The x2 image of a three-level call is the image of a one-level call."""
    image = jnp.asarray(rng.random((2, 6, 10, 1)), jnp.float32)
    variables = model.init(jax.random.key(1), image, 8)
    images = model.apply(variables, image, 8)
    assert [im.shape for im in images] == [(2, 12, 20, 1), (2, 24, 40, 1), (2, 48, 80, 1)]
    np.testing.assert_array_equal(model.apply(variables, image, 2)[0], images[0])


@pytest.mark.parametrize(
    "model",
    [Pyramid(features=4, depth=2, recursions=3, use_bias=True), LapSRN(features=4, depth=3)],
    ids=["pyramid", "lapsrn"],
)
def test_an_image_alone_is_the_same_as_in_a_batch(rng, model):
    images = jnp.asarray(rng.random((2, 5, 6, 1)), jnp.float32)
    variables = model.init(jax.random.key(0), images, 2)
    variables["params"]["conv_in"]["kernel"] *= 1e3
    together = model.apply(variables, images, 4)[-1]
    alone = [model.apply(variables, image[None], 4)[-1][0] for image in images]
    np.testing.assert_allclose(jnp.stack(alone), together, rtol=1e-5, atol=1e-6)


def test_skips_follow_the_papers_definition(rng):
    """Two recursions of one convolution, by hand."""
    image = jnp.asarray(rng.random((1, 5, 6, 1)), jnp.float32)
    variables = Pyramid(features=4, depth=1, recursions=2).init(jax.random.key(2), image, 2)
    params = variables["params"]

    def conv(x, name):
        kernel = params["block"][name]["kernel"] if name.startswith("conv_1") else params[name]["kernel"]
        return models.pyramid.conv(x, kernel)

    source = conv(image, "conv_in")
    step = lambda x: conv(models.pyramid.leaky_relu(x), "conv_1")  # noqa: E731
    for skip, first, second in (
        ("source", lambda s: step(s) + s, lambda f, s: step(f) + s),
        ("block", lambda s: step(s) + s, lambda f, s: step(f) + f),
        ("none", step, lambda f, s: step(f)),
    ):
        embedded = second(first(source), source)
        up = models.layers.upsample(models.layers.leaky_relu(embedded), **params["upsample"])
        expected = models.layers.upsample(image, **params["image_upsample"]) + conv(up, "residual")
        model = Pyramid(features=4, depth=1, recursions=2, skip=skip)
        np.testing.assert_allclose(model.apply(variables, image, 2)[0], expected, atol=1e-6)


@pytest.mark.parametrize(
    "model", [Pyramid(), Pyramid(skip="none", tying=Tying(layer=5, strength="soft", penalty=2.0)), LapSRN(levels=3)]
)
def test_settings_describe_a_model_completely(model):
    assert models.from_settings(models.settings(model)) == model


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"name": "espcn"}, "model.name must be one of"),
        ({"name": "pyramid", "skip": "all"}, "skip must be one of"),
        ({"name": "pyramid", "width": 3}, "width"),
        ({"name": "pyramid", "depth": 2, "tying": {"layer": 3}}, "the block has 2 convolutions"),
        ({"name": "pyramid", "tying": {"gradient": "none"}}, "tying.gradient must be one of"),
        ({"name": "pyramid", "tying": {"strength": "soft"}}, "penalty must be positive"),
        ({"name": "pyramid", "tying": {"penalty": -1.0}}, "penalty must be positive"),
        ({"name": "pyramid", "tying": {"strength": "init", "gradient": "conv"}}, "needs strength='hard'"),
    ],
)
def test_bad_settings_are_named(settings, complaint):
    with pytest.raises(UserError, match=complaint):
        models.from_settings(settings)


def test_lapsrn_has_no_more_levels_than_parameters():
    model = LapSRN(levels=1, features=4, depth=1)
    with pytest.raises(UserError, match="enlarges by x2, not by x4"):
        model.init(jax.random.key(0), IMAGE, 4)
