"""LapSRN (Lai et al., CVPR 2017): a Laplacian pyramid without recursion, with separate filters for each level."""

from typing import Any, ClassVar

import flax.linen as nn
import jax

from lapsrn_jax.models import layers
from lapsrn_jax.models.contract import SuperResolver
from lapsrn_jax.models.layers import Filter, bilinear_init, block_init, conv, filter_init, he_stddev, leaky_relu
from lapsrn_jax.models.subpixel import upsample_image
from lapsrn_jax.models.window import Window, margins


class LapSRN(nn.Module, SuperResolver):
    """The original Laplacian pyramid: convolutions with leaky ReLU, without recursion, skips or shared parameters.

    Parameters: `conv_in`, and for each level (`level_1` doubles the input) `block`, `upsample`, `residual` and
    `image_upsample` as in `Pyramid`.

    Attributes:
      levels: number of levels; the largest scale is 2 ** levels.
      features: the channels of the feature maps.
      depth: convolutions per level; the authors' x8 model has 5.
      use_bias: whether convolutions have biases; the authors' released weights include them.
      dtype: dtype of the features, as in `Pyramid`.
      remat: whether the backward pass recomputes the features of each level's convolutions.
    """

    channels: ClassVar[int] = 1

    levels: int = 2
    features: int = 64
    depth: int = 10
    use_bias: bool = False
    dtype: str | None = None
    remat: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("levels", "features", "depth"):
            layers.check_count(name, getattr(self, name))

    @property
    def scales(self) -> tuple[int, ...]:
        """The supported scales."""
        return tuple(2**level for level in range(1, self.levels + 1))

    def _level_init(self, key: jax.Array) -> dict[str, Any]:
        c, bias = self.features, self.use_bias
        keys = jax.random.split(key, 4)
        return {
            "block": block_init(self.depth, c, bias)(keys[0]),
            "upsample": filter_init((3, 3, c, c), he_stddev(c), bias)(keys[1]),
            "residual": filter_init((3, 3, c, 1), he_stddev(c), bias)(keys[2]),
            "image_upsample": bilinear_init(keys[3]),
        }

    def margins(self, scale: int) -> list[tuple[int, int]]:
        """The margins that a tile of a picture needs: see `window.margins`."""
        return margins(scale, self.depth)

    @nn.compact
    def __call__(self, image: jax.Array, scale: int, window: Window = Window()) -> list[jax.Array]:  # noqa: B008
        """As `Pyramid.__call__`, for at most `levels` levels."""
        layers.check_scale(scale, self.scales)
        conv_in = self.param("conv_in", filter_init((3, 3, 1, self.features), 1e-3, self.use_bias))
        pyramid = [self.param(f"level_{i}", self._level_init) for i in range(1, self.levels + 1)]

        def trunk(features: jax.Array, block: dict[str, Filter], window: Window) -> jax.Array:
            def layer(x: jax.Array, parts: Filter) -> jax.Array:
                return leaky_relu(conv(window.keep(x), **parts))

            return layers.through_block(layer, features, block)

        if self.remat:
            trunk = jax.checkpoint(trunk)

        features = leaky_relu(conv(layers.cast(image, self.dtype), **conv_in))
        images = []
        for level, (before, after) in zip(pyramid, self.margins(scale), strict=False):
            window, (image, features) = window.narrow(before, image, features)
            features = trunk(features, level["block"], window)
            window, (image, features) = window.narrow(after, image, features)
            window, features = window.doubled(), leaky_relu(layers.upsample(features, **level["upsample"]))
            features = window.keep(features)
            image = upsample_image(image, **level["image_upsample"]) + conv(features, **level["residual"])
            images.append(image)
        return [*images[:-1], *window.narrow(0, images[-1])[1]]
