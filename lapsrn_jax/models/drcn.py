"""DRCN (Kim, Lee & Lee, CVPR 2016): one convolution, applied over and over, with a result after each time."""

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

    `embed` makes features of the image, `recursion` refines them again and again, `reconstruct` turns those of each
    recursion into an image, to which the input is added. The result is the sum of all these images, each times its
    weight in `ensemble`.

    Training supervises each of them: they are sown as "outputs" [recursions, N, H, W, 1] among Flax's intermediates,
    for `training.losses`.

    Parameters: `embed` (conv_1, conv_2), `recursion`, `reconstruct` (conv_1, conv_2) and `ensemble` [recursions].

    Attributes:
      features: the channels of the feature maps.
      recursions: how often `recursion` is applied.
      supervision: the share of the loss that is the mean over the recursions' images, the rest being the result's:
        alpha in section 3.3. The paper lowers it as training goes on, without saying how; here it stays.
      use_bias: the published 1775k parameters need True.
      dtype: of the features, as in `Pyramid`.
      remat: whether the backward pass computes each recursion's features anew.
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
        """Two filters by way of `features` channels."""
        first = filter_init((3, 3, inputs, self.features), he_stddev(inputs), self.use_bias)
        second = filter_init((3, 3, self.features, outputs), he_stddev(self.features), self.use_bias)
        return lambda key: {"conv_1": first(key), "conv_2": second(jax.random.fold_in(key, 1))}

    def _identity_init(self, key: jax.Array) -> Filter:
        """The recursion starts as one that changes nothing (section 4.2 of the paper)."""
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
