import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lapsrn_jax.errors import UserError
from lapsrn_jax.images.color import luminance
from lapsrn_jax.images.resize import imresize
from lapsrn_jax.models import LapSRN, Pyramid, layers
from lapsrn_jax.upscaling.upscale import Upscaler, imresize_bands, with_half_the_recursions


def test_the_upscaler_changes_luminance_only(rng):
    """If the network is replaced by bicubic interpolation, colour images are plain bicubic too."""

    class Bicubic(Upscaler):
        def __init__(self):
            self._model = Pyramid()

        def gray(self, rows, shape, size, progress=None):
            return imresize_bands(rows, shape, size)

    image = rng.random((9, 7, 3))
    for scale, shape in ((2, (18, 14)), (3, (27, 21)), (1.5, (14, 11))):
        enlarged = Bicubic()(image, scale)
        assert enlarged.shape == (*shape, 3)
        np.testing.assert_allclose(enlarged, imresize(image, size=shape), atol=1e-12)
        np.testing.assert_allclose(luminance(enlarged), Bicubic()(luminance(image), scale), atol=1e-12)


def test_the_upscaler_takes_the_level_that_the_scale_needs(rng):
    """Without a residual, the network enlarges bilinearly level by level. Larger results are then shrunk."""
    model = Pyramid(features=2, depth=1, recursions=1)
    params = model.init(jax.random.key(0), jnp.zeros((1, 4, 4, 1)), 2)["params"]
    params["residual"]["kernel"] *= 0
    image = rng.random((7, 9))
    twice = layers.upsample(jnp.asarray(image, jnp.float32)[None, :, :, None], **params["image_upsample"])
    four_times = np.asarray(layers.upsample(twice, **params["image_upsample"]))[0, :, :, 0]
    upscale = Upscaler(model, params)
    np.testing.assert_allclose(upscale(image, 2), np.asarray(twice)[0, :, :, 0], atol=1e-6)
    np.testing.assert_allclose(upscale(image, 4), four_times, atol=1e-6)
    np.testing.assert_allclose(upscale(image, 3), imresize(four_times, size=(21, 27)), atol=1e-6)
    assert upscale(rng.random((50, 10)), 1.1).shape == (55, 11)
    for scale in (1, 0.5, 17):
        with pytest.raises(UserError, match=r"scale|enlarges"):
            upscale(image, scale)


def test_fast_leaves_out_half_of_the_recursions():
    assert with_half_the_recursions(Pyramid(features=4, recursions=8)) == Pyramid(features=4, recursions=4)
    for model in (Pyramid(recursions=3), LapSRN()):
        with pytest.raises(UserError, match="recursions"):
            with_half_the_recursions(model)


@pytest.mark.parametrize("size", [(190, 31), (77, 40), (301, 62), (150, 31)])
def test_bicubic_in_bands_is_bicubic(rng, size):
    image = rng.random((150, 31, 2))
    bands = list(imresize_bands(lambda a, b: image[a:b], (150, 31), size))
    assert max(map(len, bands)) <= 64
    np.testing.assert_allclose(np.concatenate(bands), imresize(image, size=size), atol=1e-12)
