"""Counts the operations of a training step, so that variants can be compared at equal cost."""

import functools
import math
from collections.abc import Mapping

from lapsrn_jax.evaluation.paper.costs import OUTPUT, cost
from lapsrn_jax.models import Pyramid


def step_flops(model: Pyramid, patch: int, batch_sizes: Mapping[int, int]) -> int:
    """Returns the number of floating-point operations of the convolutions in one training step.

    A multiply-add counts as two operations. The backward pass computes the gradients of each convolution's input and of
    its kernel, and each costs as much as the forward pass. Kernel gradients that a `stop_gradient` discards do not
    count: with gradient="conv" that of the upsampler, with "upsample" that of the lender in every recursion. The count
    ignores recomputation by `remat` and savings by Winograd's convolution.

    Args:
      model: a pyramid with any tying.
      patch: side of the HR patch, in pixels.
      batch_sizes: number of samples of each scale.
    """
    gradient = model.tying.gradient if model.tying else "both"
    stopped = {"both": 0, "conv": 1, "upsample": model.recursions}[gradient]
    total = 0
    for scale, size in batch_sizes.items():
        pixels = size * (patch // scale) ** 2
        levels = sum(4**level for level in range(scale.bit_length() - 1))  # pixels of all levels' inputs, per LR pixel
        kernel_gradient = 9 * model.features**2 * levels
        total += pixels * (3 * _multiply_adds(model.clone(tying=None), scale) - stopped * kernel_gradient)
    return 2 * total


@functools.lru_cache
def _multiply_adds(model: Pyramid, scale: int) -> int:
    """Returns the multiply-adds of the forward pass per LR pixel, which do not depend on the tying."""
    return cost(model, scale).multiply_adds * scale**2 // math.prod(OUTPUT)
