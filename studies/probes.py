"""Measurements of shared and of separate kernels, as pure functions of the parameters.

A tied network computes the same as the MS-LapSRN that has the upsampler's kernel as a separate array (`untied`). The
probes work on that form, so that one compiled function serves all variants.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from lapsrn_jax.models import Pyramid, Tying
from lapsrn_jax.models.layers import upsample
from lapsrn_jax.training.losses import Batch, batch_loss

ORIENTATIONS = {  # (swap_channels, flip_taps)
    "adjoint": (True, True),
    "plain": (False, False),
    "flipped": (False, True),
    "swapped": (True, False),
}


def untied(tying: Tying | None, params: Any) -> Any:
    """Returns the parameters of the MS-LapSRN that computes the same, with a separate upsampler filter."""
    if tying is None:
        return params
    block, own = tying.share(params["block"], params.get("upsample", {}))
    return dict(params) | {"block": block, "upsample": own}


@functools.partial(jax.jit, static_argnums=0)
def free_gradients(model: Pyramid, params: Any, batch: Batch) -> Any:
    """Returns the gradient of the batch's loss, without penalty, in all parameters of an MS-LapSRN."""
    return jax.grad(lambda params: batch_loss(model, params, batch))(params)


def contributions(tying: Tying, gradients: Any) -> dict[str, float]:
    """Compares the gradients that the two uses of the shared kernel contribute.

    Args:
      tying: the tying, which selects the shared kernel and its orientation.
      gradients: from `free_gradients`. g_conv is the gradient of the lender's kernel. g_up is that of the upsampler's
        kernel, mapped back by the transpose of `orient`, which is `orient` itself. The gradient of a hard tying is
        g_conv + g_up.

    Returns:
      "cosine" of the angle between g_conv and g_up, and "ratio" |g_up| / |g_conv|.
    """
    g_conv = np.asarray(gradients["block"][tying.lender]["kernel"], np.float64)
    g_up = np.asarray(tying.orient(gradients["upsample"]["kernel"]), np.float64)
    return {"cosine": cosine(g_up, g_conv), "ratio": float(np.linalg.norm(g_up) / np.linalg.norm(g_conv))}


def resemblance(params: Any) -> dict[str, dict[str, list[float]]]:
    """Compares the upsampler's kernel K_up with each kernel K_i of the block in each orientation O.

    Args:
      params: parameters of an MS-LapSRN, or `untied` ones.

    Returns:
      For each orientation the "cosine" between K_up and O(K_i) and the "distance" |K_up - O(K_i)| / |K_i|, for i from
      1 to d.
    """
    up = np.asarray(params["upsample"]["kernel"], np.float64)
    block = [params["block"][f"conv_{i}"]["kernel"] for i in range(1, len(params["block"]) + 1)]
    found = {}
    for name, (swap, flip) in ORIENTATIONS.items():
        tying = Tying(swap_channels=swap, flip_taps=flip)
        turned = [np.asarray(tying.orient(kernel), np.float64) for kernel in block]
        found[name] = {
            "cosine": [cosine(up, kernel) for kernel in turned],
            "distance": [float(np.linalg.norm(up - kernel) / np.linalg.norm(kernel)) for kernel in turned],
        }
    return found


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    """Returns the cosine of the angle between two arrays of the same shape, as vectors."""
    return float(np.vdot(a, b) / (np.linalg.norm(a) * np.linalg.norm(b)))


@functools.partial(jax.jit, static_argnums=(0, 3))
def upsampler_inputs(model: Pyramid, params: Any, lr: jax.Array, scale: int) -> list[jax.Array]:
    """Returns the inputs of an MS-LapSRN's upsampler at each level up to `scale`: [N, H, W, C], [N, 2H, 2W, C], ..."""
    _, state = model.apply({"params": params}, lr, scale, mutable=["intermediates"])
    inputs: tuple[jax.Array, ...] = state["intermediates"]["upsampler_inputs"]
    return list(inputs)


@jax.jit
def inverse_error(x: jax.Array, up: jax.Array, kernel: jax.Array) -> jax.Array:
    """Returns how far upsampling is from the inverse of a convolution: the minimum over a of |a D U x - x| / |x|.

    U is the upsampler without bias. D is the convolution with stride 2 and padding (0, 1) that has U as its transpose
    if U is tied to `kernel` in the adjoint orientation. The result is 0 if D inverts U up to a factor, and 1 if D U x
    is orthogonal to x.

    Args:
      x: the features to upsample, [N, H, W, C].
      up: the upsampler's kernel, [3, 3, C, C].
      kernel: the convolution's kernel, [3, 3, C, C].
    """
    back = lax.conv_general_dilated(
        upsample(x, up), kernel, (2, 2), ((0, 1), (0, 1)), dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    best = jnp.vdot(back, x) / jnp.vdot(back, back)
    return jnp.linalg.norm((best * back - x).ravel()) / jnp.linalg.norm(x.ravel())


def probe(model: Pyramid, tying: Tying | None, params: Any, batch: Batch) -> dict[str, Any]:
    """Runs all probes; the result is JSON-ready.

    Args:
      model: the MS-LapSRN with the variant's recursions and biases.
      tying: the variant's tying. None, for MS-LapSRN, is probed like the paper's choice, the third layer's adjoint.
      params: the variant's parameters, as trained.
      batch: the batch to probe with, the same for all variants.
    """
    free, tying = untied(tying, params), tying or Tying()
    inputs = upsampler_inputs(model, free, batch[max(batch)][0], max(batch))
    up, kernel = free["upsample"]["kernel"], free["block"][tying.lender]["kernel"]
    return {
        "gradients": contributions(tying, free_gradients(model, free, batch)),
        "kernels": resemblance(free),
        "inverse": [float(inverse_error(x, up, kernel)) for x in inputs],
    }
