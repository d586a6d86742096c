"""What training minimises."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

EPSILON = 1e-3  # TPAMI paper, section 3.3; the released code has epsilon squared, 1e-6

Batch = dict[int, tuple[jax.Array, ...]]


def charbonnier(sr: jax.Array, hr: jax.Array) -> jax.Array:
    """Mean of sqrt(d^2 + epsilon^2) over all pixels: an L1 distance that is smooth at 0."""
    return jnp.sqrt((sr - hr) ** 2 + EPSILON**2).mean()


def fourier_distance(sr: jax.Array, hr: jax.Array) -> jax.Array:
    """Mean absolute difference of the real and imaginary parts of the 2-D spectra, [N, H, W, 1] each.

    The transform is not normalised, as in the recipes that add this loss with a weight near 0.05 (SAFMN, SMFANet).
    """
    difference = jnp.fft.rfft2((sr - hr)[..., 0])
    return (jnp.abs(difference.real) + jnp.abs(difference.imag)).mean() / 2


def batch_loss(model: nn.Module, params: Any, batch: Batch, fourier: float = 0.0) -> jax.Array:
    """The mean over a batch's samples of their Charbonnier losses, summed over the levels of each sample's pyramid.

    Args:
      model: any of `lapsrn_jax.models`.
      params: its parameters.
      batch: for each scale the images (LR, ..., HR), each [n, h, w, 1] and twice the size of the one before. Every
        scale goes through a pyramid of its own, with a target at each level.
      fourier: the weight of `fourier_distance`, added at each level.
    """
    size = sum(len(images[0]) for images in batch.values())
    total = jnp.zeros(())
    for lr, *targets in batch.values():
        images = model.apply({"params": params}, lr, len(targets))
        for sr, hr in zip(images, targets, strict=True):
            loss = charbonnier(sr, hr)
            if fourier:
                loss += fourier * fourier_distance(sr, hr)
            total += len(lr) / size * loss
    return total + _tying_penalty(model, params)


def _tying_penalty(model: nn.Module, params: Any) -> jax.Array | float:
    tying = getattr(model, "tying", None)
    if tying is None or tying.strength != "soft":
        return 0.0
    return tying.penalty * tying.distance(params["block"], params["upsample"])
