"""DRRN (Tai, Yang & Liu, CVPR 2017): one residual unit of two convolutions, applied repeatedly."""

from typing import ClassVar

import flax.linen as nn
import jax
from jax import lax

from lapsrn_jax.models import layers
from lapsrn_jax.models.contract import SuperResolver
from lapsrn_jax.models.layers import block_init, conv, filter_init, he_stddev


class DRRN(nn.Module, SuperResolver):
    """The deep recursive residual network with one recursive block (B1, section 3.3), on the interpolated image.

    A unit computes `features = conv_2(relu(conv_1(relu(features)))) + source`, where `source` is the features of
    `conv_in` in every unit.

    The authors use batch normalisation before each ReLU, with separate statistics for each unit; the published 297k
    parameters do not count them. This implementation has no normalisation, so a result depends only on the image and
    the parameters.

    Parameters: `conv_in`, `block` (conv_1, conv_2) and `residual`.

    Attributes:
      features: the channels of the feature maps.
      recursions: number of applications of the unit; 25 is the B1U25 of the paper's tables.
      use_bias: whether convolutions have biases; the published 297k parameters fit both.
      dtype: dtype of the features, as in `Pyramid`.
      remat: whether the backward pass recomputes each unit's features.
    """

    channels: ClassVar[int] = 1
    scales: ClassVar[tuple[int, ...]] = tuple(range(2, 17))

    features: int = 128
    recursions: int = 25
    use_bias: bool = True
    dtype: str | None = None
    remat: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("features", "recursions"):
            layers.check_count(name, getattr(self, name))

    @nn.compact
    def __call__(self, image: jax.Array, scale: int) -> list[jax.Array]:
        """As `VDSR.__call__`."""
        layers.check_scale(scale, self.scales)
        c = self.features
        conv_in = self.param("conv_in", filter_init((3, 3, 1, c), he_stddev(1), self.use_bias))
        block = self.param("block", block_init(2, c, self.use_bias))
        residual = self.param("residual", filter_init((3, 3, c, 1), he_stddev(c), self.use_bias))

        image = layers.bicubic_upsample(image, scale)
        source = conv(layers.cast(image, self.dtype), **conv_in)

        def unit(features: jax.Array, _: None) -> tuple[jax.Array, None]:
            h = conv(nn.relu(features), **block["conv_1"])
            return conv(nn.relu(h), **block["conv_2"]) + source, None

        features, _ = lax.scan(jax.checkpoint(unit) if self.remat else unit, source, length=self.recursions)
        return [image + conv(nn.relu(features), **residual)]
