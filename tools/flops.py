"""What a training step costs, so that variants can be compared at equal cost."""

import functools
import math
from collections.abc import Mapping

from lapsrn_jax.evaluation.paper.costs import OUTPUT, cost
from lapsrn_jax.models import Pyramid


def step_flops(model: Pyramid, patch: int, batch_sizes: Mapping[int, int]) -> int:
    """Floating-point operations of the convolutions in one training step.

    Two for each multiply-add. The backward pass makes the gradient of each convolution's input and of its kernel, each
    for as much as the forward pass; but no kernel gradient that a `stop_gradient` throws away: with gradient="conv"
    that of the upsampler, with "upsample" those of the lender, in every recursion. What `remat` computes twice counts
    once, and so does what Winograd's convolution saves.

    Args:
      model: any tying.
      patch: HR pixels of a side.
      batch_sizes: samples of each scale.
    """
    gradient = model.tying.gradient if model.tying else "both"
    stopped = {"both": 0, "conv": 1, "upsample": model.recursions}[gradient]
    total = 0
    for scale, size in batch_sizes.items():
        pixels = size * (patch // scale) ** 2
        levels = sum(4**level for level in range(scale.bit_length() - 1))  # pixels of all levels' inputs, for each
        kernel_gradient = 9 * model.features**2 * levels
        total += pixels * (3 * _multiply_adds(model.clone(tying=None), scale) - stopped * kernel_gradient)
    return 2 * total


@functools.lru_cache
def _multiply_adds(model: Pyramid, scale: int) -> int:
    """Of the forward pass, for each pixel of the low-resolution image; the tying does not matter to it."""
    return cost(model, scale).multiply_adds * scale**2 // math.prod(OUTPUT)
