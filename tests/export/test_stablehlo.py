"""The exported network runs without the package."""

import jax
import numpy as np
import pytest

from lapsrn_jax.export.stablehlo import stablehlo_model
from lapsrn_jax.models import LapSRN, Pyramid, Tying, initial

pytest.importorskip("flatbuffers")


@pytest.mark.parametrize(
    "model",
    [Pyramid(features=16, depth=1, recursions=2, tying=Tying(layer=1)), LapSRN(features=6, depth=1, use_bias=True)],
    ids=["cms", "lapsrn"],
)
def test_every_size_and_platform_is_in_the_file(rng, model):
    params = initial(model, jax.random.key(0))
    params["conv_in"]["kernel"] *= 1e3  # from 1e-3 to the scale after training
    exported = jax.export.deserialize(stablehlo_model(model, params, 2))
    assert exported.platforms == ("cpu", "cuda")
    for n, height, width in [(1, 1, 1), (2, 3, 7), (1, 16, 17)]:  # sizes without Winograd, which rounds differently
        image = rng.random((n, height, width, 1), np.float32)
        expected = jax.jit(lambda image: model.apply({"params": params}, image, 2)[-1])(image)
        np.testing.assert_allclose(exported.call(image), expected, atol=1e-5, rtol=1e-5)
