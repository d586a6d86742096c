"""Exports a network as StableHLO, in the file format of `jax.export`, which JAX runs without this package."""

from typing import Any

import jax
import jax.numpy as jnp
from jax import export

from lapsrn_jax.models import SuperResolver

PLATFORMS = ("cpu", "cuda")


def stablehlo_model(model: SuperResolver, params: Any, scale: int) -> bytearray:
    """Serialises the network for `jax.export.deserialize(...).call`, for `PLATFORMS` and images of any size.

    The function maps luminance float32 [N, H, W, 1] in [0, 1] to [N, s H, s W, 1] with s = scale, not clipped. It uses
    XLA's own convolutions on CPUs too, since the choice of Winograd's depends on the size.
    """

    def enlarge(image: jax.Array) -> jax.Array:
        images: Any = model.apply({"params": params}, image, scale)
        last: jax.Array = images[-1]
        return last

    n, height, width = export.symbolic_shape("batch, height, width")
    image = jax.ShapeDtypeStruct((n, height, width, 1), jnp.float32)
    return export.export(jax.jit(enlarge), platforms=PLATFORMS)(image).serialize()
