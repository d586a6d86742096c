"""Weight tying: where the upsampler's kernel comes from.

In the CMS-LapSRN paper (section 3.2) the transposed convolution that upsamples the features reuses the kernel of one
convolution of the recursive block. The paper leaves open what "reuse" means; a `Tying` specifies it.
"""

import dataclasses
from typing import Literal, get_args

import jax
from jax import lax

from lapsrn_jax.models.layers import Filter, check_count

Gradient = Literal["both", "conv", "upsample"]
Strength = Literal["hard", "soft", "init"]
Bias = Literal["own", "tied"]


@dataclasses.dataclass(frozen=True)
class Tying:
    """How the upsampler's kernel depends on the kernel of one convolution of the block.

    `swap_channels` and `flip_taps` together (the default) give the *adjoint*, the transpose of the convolution as a
    linear map: `lax.conv_transpose(..., transpose_kernel=True)`, or `conv_transpose2d(x, conv.weight)` in PyTorch.
    Without either, the orientation is *plain*, the default of `lax.conv_transpose`.

    Attributes:
      layer: which convolution of the block lends its kernel, counted from 1 (the paper: 1, 3, 5; best 3).
      swap_channels: whether the lender's output channels become the upsampler's input channels, as in the adjoint.
      flip_taps: whether the 3x3 taps are rotated by 180 degrees, as in the adjoint.
      gradient: which use of the shared array trains it: "both", or only "conv" or "upsample", in which case the other
        use reads the array through `lax.stop_gradient`.
      strength: "hard" shares one array; "soft" has two arrays that start equal and are kept close by a penalty; "init"
        has two arrays that only start equal.
      penalty: weight of the squared distance between the two arrays; positive for "soft", otherwise 0.
      bias: whether the upsampler has its "own" bias or the lender's ("tied").
    """

    layer: int = 3
    swap_channels: bool = True
    flip_taps: bool = True
    gradient: Gradient = "both"
    strength: Strength = "hard"
    penalty: float = 0.0
    bias: Bias = "own"

    def __post_init__(self) -> None:
        for field, kind in (("gradient", Gradient), ("strength", Strength), ("bias", Bias)):
            value = getattr(self, field)
            if value not in get_args(kind):
                raise ValueError(f"tying.{field} must be one of {', '.join(get_args(kind))}; got {value!r}")
        check_count("tying.layer", self.layer)
        if self.gradient != "both" and self.strength != "hard":
            raise ValueError(f"tying.gradient={self.gradient!r} needs strength='hard': {self.strength} ties two arrays")
        if self.penalty < 0 or (self.penalty > 0) != (self.strength == "soft"):
            raise ValueError("tying.penalty must be positive with strength='soft', and 0 otherwise")

    @property
    def lender(self) -> str:
        """The name of the lending convolution in the block's parameters."""
        return f"conv_{self.layer}"

    def orient(self, kernel: jax.Array) -> jax.Array:
        """Turns the lender's kernel [3, 3, C, C] into the kernel for `lax.conv_transpose`."""
        if self.flip_taps:
            kernel = kernel[::-1, ::-1]
        return kernel.swapaxes(2, 3) if self.swap_channels else kernel

    def owns(self, use_bias: bool) -> set[str]:
        """Returns the parts of the upsampler's filter that are its own arrays: a subset of {"kernel", "bias"}."""
        kernel = {"kernel"} if self.strength != "hard" else set()
        bias = {"bias"} if use_bias and self.bias == "own" else set()
        return kernel | bias

    def start(self, free: Filter, block: dict[str, Filter]) -> Filter:
        """Returns the upsampler's own parts at the start of training, given a freshly initialised filter."""
        free = free | {"kernel": self.orient(block[self.lender]["kernel"])}
        return {part: free[part] for part in sorted(self.owns("bias" in free))}

    def share(self, block: dict[str, Filter], own: Filter) -> tuple[dict[str, Filter], Filter]:
        """Returns the filters to compute with: those of the block's convolutions, and the upsampler's.

        Args:
          block: the block's filters in the parameter tree, `conv_1` to `conv_d`.
          own: the upsampler's own parts in the parameter tree; the lender provides the missing parts.
        """
        lender = block[self.lender]
        shared = {part: array for part, array in lender.items() if part not in own}
        for_conv = lax.stop_gradient(shared) if self.gradient == "upsample" else shared
        for_upsample = lax.stop_gradient(shared) if self.gradient == "conv" else shared
        if "kernel" in shared:
            for_upsample = for_upsample | {"kernel": self.orient(for_upsample["kernel"])}
        return block | {self.lender: lender | for_conv}, own | for_upsample

    def distance(self, block: dict[str, Filter], own: Filter) -> jax.Array:
        """Returns the squared distance of the upsampler's kernel to the oriented lender's, the penalty of "soft"."""
        return ((own["kernel"] - self.orient(block[self.lender]["kernel"])) ** 2).sum()
