import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lapsrn_jax.models import Pyramid, Tying, initial, layers, subpixel
from lapsrn_jax.models.window import Window


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 1, 3), (3, 4, 5)], ids=str)
@pytest.mark.parametrize("biases", [(), ("upsample",), ("upsample", "conv")], ids=str)
def test_the_residual_is_the_composition(rng, shape, biases):
    """In float64, and so are its gradients; the dropped row and column count as zeros."""
    with jax.enable_x64(True):
        u = jnp.asarray(rng.standard_normal((*shape, 6)))
        filters = {
            "upsample": {"kernel": jnp.asarray(rng.standard_normal((3, 3, 6, 5)))},
            "conv": {"kernel": jnp.asarray(rng.standard_normal((3, 3, 5, 1)))},
        }
        for name in biases:
            filters[name]["bias"] = jnp.asarray(rng.standard_normal(filters[name]["kernel"].shape[3]))
        weight = rng.standard_normal((shape[0], 2 * shape[1], 2 * shape[2], 1))

        def composed(u, upsample, conv):
            return subpixel.residual(u, upsample, conv, Window())

        def defined(u, upsample, conv):
            return layers.conv_direct(layers.conv_transpose(u, **upsample), **conv)

        def value_and_grads(f):
            loss = lambda *arguments: (f(*arguments) * weight).sum()  # noqa: E731
            return f(u, **filters), jax.grad(loss, (0, 1, 2))(u, filters["upsample"], filters["conv"])

        jax.tree.map(
            lambda a, b: np.testing.assert_allclose(a, b, atol=1e-11),
            value_and_grads(composed),
            value_and_grads(defined),
        )


def test_the_image_upsampler_is_the_transposed_convolution(rng):
    image = jnp.asarray(rng.random((2, 5, 7, 1)), jnp.float32)
    kernel = jnp.asarray(rng.standard_normal((4, 4, 1, 1)), jnp.float32)
    expected = layers.conv_transpose(image, kernel)
    np.testing.assert_allclose(subpixel.upsample_image(image, kernel), expected, atol=1e-5)


@pytest.mark.parametrize("tying", [None, Tying(), Tying(gradient="conv"), Tying(strength="soft", penalty=1.0)], ids=str)
def test_a_network_computes_what_its_definition_says(rng, tying):
    """Images and gradients, with the convolutions of wide networks on CPUs too."""
    model = Pyramid(features=16, depth=3, recursions=2, use_bias=True, tying=tying)
    params = jax.tree.map(lambda x: x + 0.02 * rng.standard_normal(x.shape).astype(np.float32),
                          initial(model, jax.random.key(0)))  # fmt: skip
    image = jnp.asarray(rng.random((2, 9, 11, 1)), jnp.float32)

    def images_and_gradient(model):
        apply = lambda params: model.apply({"params": params}, image, 4)  # noqa: E731
        loss = lambda params: sum((im**2).mean() for im in apply(params))  # noqa: E731
        return apply(params), jax.grad(loss)(params)

    fast, defined = images_and_gradient(model), images_and_gradient(model.clone(direct=True))
    scale = max(float(jnp.abs(x).max()) for x in jax.tree.leaves(defined[1]))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), fast[0], defined[0])
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5 * scale), fast[1], defined[1])


def test_no_large_features_after_the_last_level():
    """The compiler drops them: twice the memory would be needed for them alone."""
    model = Pyramid(depth=1, recursions=1)
    params = jax.eval_shape(lambda key: initial(model, key), jax.random.key(0))
    image = jax.ShapeDtypeStruct((1, 64, 64, 1), jnp.float32)

    def text(model):
        apply = jax.jit(lambda params, image: model.apply({"params": params}, image, 2)[-1])
        return apply.lower(params, image).compile().as_text()

    assert "128,128,64" in text(model.clone(direct=True))
    assert "128,128,64" not in text(model)


def test_the_image_s_own_path_is_exact_whatever_the_device_s_default():
    """Accelerators multiply with fewer bits unless an operation asks for all; the lowered programs show it."""
    image = jax.ShapeDtypeStruct((1, 8, 8, 1), jnp.float32)
    u = jax.ShapeDtypeStruct((1, 8, 8, 16), jnp.float32)
    filters = [{"kernel": jax.ShapeDtypeStruct(shape, jnp.float32)} for shape in ((3, 3, 16, 16), (3, 3, 16, 1))]
    with jax.default_matmul_precision("bfloat16"):
        residual = jax.jit(lambda u, up, conv: subpixel.residual(u, up, conv, Window())).lower(u, *filters).as_text()
        bicubic = jax.jit(lambda image: layers.bicubic_upsample(image, 2)).lower(image).as_text()
        upsampled = jax.jit(subpixel.upsample_image).lower(image, jnp.zeros((4, 4, 1, 1))).as_text()
    for program in (residual, bicubic):
        products = [line for line in program.splitlines() if "dot_general" in line]
        assert products
        assert all(line.count("HIGHEST") == 2 for line in products)
    assert "dot_general" not in upsampled
    assert not any("convolution" in program for program in (residual, bicubic, upsampled))
