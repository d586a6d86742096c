"""The training losses."""

from typing import Any

import jax
import jax.numpy as jnp

from lapsrn_jax.models import SuperResolver

EPSILON = 1e-3  # TPAMI paper, section 3.3; the released code has epsilon squared, 1e-6

Batch = dict[int, tuple[jax.Array, ...]]


def charbonnier(sr: jax.Array, hr: jax.Array) -> jax.Array:
    """Mean of sqrt(d^2 + epsilon^2) over all pixels: an L1 distance that is smooth at 0."""
    return jnp.sqrt((sr - hr) ** 2 + EPSILON**2).mean()


def fourier_distance(sr: jax.Array, hr: jax.Array) -> jax.Array:
    """Mean absolute difference of the real and imaginary parts of the 2-D spectra, [N, H, W, C] each.

    The transform is not normalised, as in the recipes that add this loss with a weight near 0.05 (SAFMN, SMFANet).
    """
    difference = jnp.fft.rfft2(sr - hr, axes=(1, 2))
    return (jnp.abs(difference.real) + jnp.abs(difference.imag)).mean() / 2


def batch_loss(model: SuperResolver, params: Any, batch: Batch, fourier: float = 0.0) -> jax.Array:
    """The mean over a batch's samples of their Charbonnier losses, summed over the levels of each sample's pyramid.

    Args:
      model: any of `lapsrn_jax.models`.
      params: its parameters.
      batch: for each scale the images (LR, ..., HR) of `data.patches`, each [n, h, w, C]. Every scale goes through a
        pyramid of its own, with a target at each level; a model that gives the final image alone is held to the last.
      fourier: the weight of `fourier_distance`, added at each level.
    """

    def distance(sr: jax.Array, hr: jax.Array) -> jax.Array:
        loss = charbonnier(sr, hr)
        return loss + fourier * fourier_distance(sr, hr) if fourier else loss

    size = sum(len(images[0]) for images in batch.values())
    total = jnp.zeros(())
    for scale, (lr, *targets) in batch.items():
        images, state = model.apply({"params": params}, lr, scale, mutable=["intermediates"])
        loss = sum(distance(sr, hr) for sr, hr in zip(images, targets[-len(images) :], strict=True))
        for outputs in state.get("intermediates", {}).get("outputs", ()):
            supervised = jax.vmap(distance, (0, None))(outputs, targets[-1]).mean()
            loss = model.supervision * supervised + (1 - model.supervision) * loss
        total += len(lr) / size * loss
    return total + model.auxiliary_loss(params)
