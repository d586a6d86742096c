"""VDSR (Kim, Lee & Lee, CVPR 2016): twenty convolutions that correct bicubic interpolation at any scale."""

from typing import ClassVar

import flax.linen as nn
import jax

from lapsrn_jax.models import layers
from lapsrn_jax.models.contract import SuperResolver
from lapsrn_jax.models.layers import Filter, block_init, conv, filter_init, he_stddev

_PART = 6  # convolutions whose features are recomputed together


class VDSR(nn.Module, SuperResolver):
    """Very deep super-resolution (section 3.1): the network takes the interpolated image and learns the residual.

    Parameters: `conv_in`, `block` (conv_1, ...) and `residual`.

    Attributes:
      features: the channels of the feature maps.
      depth: total number of convolutions, 3 or more.
      use_bias: whether convolutions have biases; the published 665k parameters fit both.
      dtype: dtype of the features, as in `Pyramid`.
      remat: whether the backward pass recomputes the features, six convolutions at a time.
    """

    channels: ClassVar[int] = 1
    scales: ClassVar[tuple[int, ...]] = tuple(range(2, 17))

    features: int = 64
    depth: int = 20
    use_bias: bool = True
    dtype: str | None = None
    remat: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        layers.check_count("features", self.features)
        layers.check_count("depth - 2", self.depth - 2)

    @nn.compact
    def __call__(self, image: jax.Array, scale: int) -> list[jax.Array]:
        """Maps luminance [N, H, W, 1] in [0, 1] to [[N, scale H, scale W, 1]], not clipped.

        Raises:
          UserError: `scale` is not in `self.scales`.
        """
        layers.check_scale(scale, self.scales)
        c = self.features
        conv_in = self.param("conv_in", filter_init((3, 3, 1, c), he_stddev(1), self.use_bias))
        block = self.param("block", block_init(self.depth - 2, c, self.use_bias))
        residual = self.param("residual", filter_init((3, 3, c, 1), he_stddev(c), self.use_bias))

        def part(features: jax.Array, filters: list[Filter]) -> jax.Array:
            for each in filters:
                features = nn.relu(conv(features, **each))
            return features

        if self.remat:
            part = jax.checkpoint(part)

        image = layers.bicubic_upsample(image, scale)
        features = nn.relu(conv(layers.cast(image, self.dtype), **conv_in))
        filters = [block[f"conv_{i}"] for i in range(1, self.depth - 1)]
        for first in range(0, len(filters), _PART):
            features = part(features, filters[first : first + _PART])
        return [image + conv(features, **residual)]
