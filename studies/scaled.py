"""Tyings that test why sharing a kernel might cost quality. They belong to the study, not to the package."""

import dataclasses

import jax
import jax.numpy as jnp
from jax import lax

from lapsrn_jax.models import Tying
from lapsrn_jax.models.layers import Filter


@dataclasses.dataclass(frozen=True)
class ScaledTying(Tying):
    """A hard tying whose upsampler scales the shared kernel, or whose convolution trains it with less weight.

    An upsampler with stride 2 sums a quarter as many products for each output as a convolution with the same kernel, so
    it halves the scale of the features. An upsampler of its own can learn the missing factor of two, but a shared
    kernel cannot have it for one use alone.

    Attributes:
      gain: factor of the upsampler's kernel, at the start of training if it is learned.
      learn_gain: whether the upsampler has a trained gain [C] for its output channels, as its own parameters.
      conv_weight: factor of the gradient from the kernel's use in the convolution; with gradient="both".
    """

    gain: float = 1.0
    learn_gain: bool = False
    conv_weight: float = 1.0

    def owns(self, use_bias: bool) -> set[str]:
        """Returns the upsampler's own parts, among them perhaps "gain"."""
        return super().owns(use_bias) | ({"gain"} if self.learn_gain else set())

    def start(self, free: Filter, block: dict[str, Filter]) -> Filter:
        """Returns the upsampler's own parts at the start of training; see `Tying.start`."""
        channels = free["kernel"].shape[-1]
        return super().start(free | {"gain": jnp.full(channels, self.gain)}, block)

    def share(self, block: dict[str, Filter], own: Filter) -> tuple[dict[str, Filter], Filter]:
        """Returns the filters to compute with; see `Tying.share`."""
        gain: jax.Array | float = own.get("gain", self.gain)
        block, upsample = super().share(block, {part: array for part, array in own.items() if part != "gain"})
        kernel = block[self.lender]["kernel"]
        constant = lax.stop_gradient(kernel)
        weighted = constant + self.conv_weight * (kernel - constant)
        block = block | {self.lender: block[self.lender] | {"kernel": weighted}}
        return block, upsample | {"kernel": gain * upsample["kernel"]}
