"""MDSR (Lim et al., CVPR workshops 2017): one deep body for x2, x3 and x4, on RGB, with a head and a tail for each."""

from typing import Any, ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

from lapsrn_jax.models import layers
from lapsrn_jax.models.contract import SuperResolver
from lapsrn_jax.models.layers import Filter, conv, filter_init

MEAN = (0.4488, 0.4371, 0.4040)  # mean RGB of DIV2K, which the authors subtract
_FACTORS = {2: (2,), 3: (3,), 4: (2, 2)}  # factors of the pixel shuffles of each scale


class MDSR(nn.Module, SuperResolver):
    """Multi-scale deep super-resolution (section 3.3): residual blocks without normalisation, sub-pixel upsampling.

    Parameters: `conv_in`; for each scale a head, such as `head_x2`, of two residual blocks of 5x5 convolutions; `body`,
    the filters of all its blocks stacked along a first axis; `body_end`; for each scale an upsampler, such as
    `upsample_x2`, with one convolution for each pixel shuffle; `conv_out`.

    The parameters include all published layers, even if only some of the scales are trained.

    Attributes:
      features: the channels of the feature maps.
      blocks: number of residual blocks in the body.
      use_bias: whether convolutions have biases; the published 8.0M parameters include them.
      dtype: dtype of the features, as in `Pyramid`.
      remat: whether the backward pass recomputes the features of each block of the body.
    """

    channels: ClassVar[int] = 3
    scales: ClassVar[tuple[int, ...]] = tuple(_FACTORS)

    features: int = 64
    blocks: int = 80
    use_bias: bool = True
    dtype: str | None = None
    remat: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("features", "blocks"):
            layers.check_count(name, getattr(self, name))

    def _filter_init(self, size: int, inputs: int, outputs: int) -> layers.Initializer:
        # A third of the variance that preserves the scale of features, because 80 blocks add up.
        return filter_init((size, size, inputs, outputs), (3 * size**2 * inputs) ** -0.5, self.use_bias)

    def _block_init(self, size: int) -> layers.Initializer:
        init = self._filter_init(size, self.features, self.features)
        return lambda key: {"conv_1": init(key), "conv_2": init(jax.random.fold_in(key, 1))}

    def _head_init(self, key: jax.Array) -> dict[str, Any]:
        init = self._block_init(5)
        return {"block_1": init(key), "block_2": init(jax.random.fold_in(key, 2))}

    def _body_init(self, key: jax.Array) -> dict[str, Filter]:
        return jax.vmap(self._block_init(3))(jax.random.split(key, self.blocks))

    def _upsample_init(self, factors: tuple[int, ...]) -> layers.Initializer:
        c = self.features
        return lambda key: {
            f"conv_{i}": self._filter_init(3, c, c * factor**2)(jax.random.fold_in(key, i))
            for i, factor in enumerate(factors, start=1)
        }

    @nn.compact
    def __call__(self, image: jax.Array, scale: int) -> list[jax.Array]:
        """Maps RGB [N, H, W, 3] in [0, 1] to [[N, scale H, scale W, 3]], not clipped.

        Raises:
          UserError: `scale` is not in `self.scales`.
        """
        layers.check_scale(scale, self.scales)
        c = self.features
        conv_in = self.param("conv_in", self._filter_init(3, 3, c))
        heads = {s: self.param(f"head_x{s}", self._head_init) for s in self.scales}
        body = self.param("body", self._body_init)
        body_end = self.param("body_end", self._filter_init(3, c, c))
        upsamplers = {s: self.param(f"upsample_x{s}", self._upsample_init(_FACTORS[s])) for s in self.scales}
        conv_out = self.param("conv_out", self._filter_init(3, c, 3))

        def block(features: jax.Array, filters: dict[str, Filter]) -> tuple[jax.Array, None]:
            return features + conv(nn.relu(conv(features, **filters["conv_1"])), **filters["conv_2"]), None

        mean = jnp.asarray(MEAN, image.dtype)
        features = conv(layers.cast(image - mean, self.dtype), **conv_in)
        for filters in heads[scale].values():
            features, _ = block(features, filters)
        deep, _ = lax.scan(jax.checkpoint(block) if self.remat else block, features, body)
        features = features + conv(deep, **body_end)
        for factor, filters in zip(_FACTORS[scale], upsamplers[scale].values(), strict=True):
            features = pixel_shuffle(conv(features, **filters), factor)
        return [conv(features, **conv_out).astype(image.dtype) + mean]


def pixel_shuffle(x: jax.Array, factor: int) -> jax.Array:
    """Moves channels to space (Shi et al., 2016): [N, H, W, factor^2 C] to [N, factor H, factor W, C]."""
    n, height, width, _ = x.shape
    x = x.reshape(n, height, width, factor, factor, -1).swapaxes(2, 3)  # to [N, H, factor, W, factor, C]
    return x.reshape(n, factor * height, factor * width, -1)
