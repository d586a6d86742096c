"""DRCN (Kim, Lee & Lee, CVPR 2016): one convolution, applied repeatedly, with a result after each recursion."""

from typing import ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

from lapsrn_jax.models import layers
from lapsrn_jax.models.contract import SuperResolver
from lapsrn_jax.models.layers import Filter, conv, filter_init, he_stddev


class DRCN(nn.Module, SuperResolver):
    """The deeply-recursive convolutional network (section 3), on the interpolated image.

    `embed` computes features of the image, `recursion` refines them repeatedly, and `reconstruct` turns the features of
    each recursion into a residual, which is added to the input image. The result is the sum of these images, weighted
    by `ensemble`.

    Training supervises each of the images: they are sown as "outputs" [recursions, N, H, W, 1] in Flax's intermediates,
    for `training.losses`.

    Parameters: `embed` (conv_1, conv_2), `recursion`, `reconstruct` (conv_1, conv_2) and `ensemble` [recursions].

    Attributes:
      features: the channels of the feature maps.
      recursions: number of applications of `recursion`.
      supervision: weight of the mean loss over the recursions' images, against that of the result: alpha in section
        3.3. The paper lowers it during training without saying how; here it is constant.
      use_bias: whether convolutions have biases; the published 1775k parameters include them.
      dtype: dtype of the features, as in `Pyramid`.
      remat: whether the backward pass recomputes each recursion's features.
    """

    channels: ClassVar[int] = 1
    scales: ClassVar[tuple[int, ...]] = tuple(range(2, 17))

    features: int = 256
    recursions: int = 16
    supervision: float = 0.5
    use_bias: bool = True
    dtype: str | None = None
    remat: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("features", "recursions"):
            layers.check_count(name, getattr(self, name))
        if not 0 <= self.supervision <= 1:
            raise ValueError(f"supervision must lie between 0 and 1; got {self.supervision!r}")

    def _pair_init(self, inputs: int, outputs: int) -> layers.Initializer:
        """Initialises two convolutions with `features` channels in between."""
        first = filter_init((3, 3, inputs, self.features), he_stddev(inputs), self.use_bias)
        second = filter_init((3, 3, self.features, outputs), he_stddev(self.features), self.use_bias)
        return lambda key: {"conv_1": first(key), "conv_2": second(jax.random.fold_in(key, 1))}

    def _identity_init(self, key: jax.Array) -> Filter:
        """Initialises the recursion to the identity (section 4.2 of the paper)."""
        start = filter_init((3, 3, self.features, self.features), 0.0, self.use_bias)(key)
        return start | {"kernel": start["kernel"].at[1, 1].set(jnp.eye(self.features))}

    @nn.compact
    def __call__(self, image: jax.Array, scale: int) -> list[jax.Array]:
        """As `VDSR.__call__`."""
        layers.check_scale(scale, self.scales)
        c = self.features
        embed = self.param("embed", self._pair_init(1, c))
        shared = self.param("recursion", self._identity_init)
        reconstruct = self.param("reconstruct", self._pair_init(c, 1))
        ensemble = self.param("ensemble", lambda _: jnp.full(self.recursions, 1 / self.recursions))

        def recursion(features: jax.Array, _: None) -> tuple[jax.Array, jax.Array]:
            features = nn.relu(conv(features, **shared))
            return features, conv(nn.relu(conv(features, **reconstruct["conv_1"])), **reconstruct["conv_2"])

        image = layers.bicubic_upsample(image, scale)
        features = nn.relu(conv(layers.cast(image, self.dtype), **embed["conv_1"]))
        features = nn.relu(conv(features, **embed["conv_2"]))
        body = jax.checkpoint(recursion) if self.remat else recursion
        _, residuals = lax.scan(body, features, length=self.recursions)
        outputs = image + residuals
        self.sow("intermediates", "outputs", outputs)
        return [(ensemble[:, None, None, None, None] * outputs).sum(axis=0)]
