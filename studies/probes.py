"""What the shared kernel does and what free kernels do, looked at from outside. Pure functions of parameters.

A tied network is MS-LapSRN with the upsampler's kernel written out (`untied`): all variants are looked at in that form,
by one compiled function.
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
    """The parameters of the MS-LapSRN that computes the same: the upsampler's kernel and bias are its own."""
    if tying is None:
        return params
    block, own = tying.share(params["block"], params.get("upsample", {}))
    return dict(params) | {"block": block, "upsample": own}


@functools.partial(jax.jit, static_argnums=0)
def free_gradients(model: Pyramid, params: Any, batch: Batch) -> Any:
    """The gradient of the batch's loss in all parameters of an MS-LapSRN; the loss has no penalty."""
    return jax.grad(lambda params: batch_loss(model, params, batch))(params)


def contributions(tying: Tying, gradients: Any) -> dict[str, float]:
    """How the two uses of the shared kernel pull at it.

    Args:
      tying: which kernel is shared, and how it is oriented.
      gradients: from `free_gradients`; those of the lender's kernel, g_conv, and of the upsampler's, which turns into
        g_up by the transpose of `orient`: that is `orient` itself. A hard tying's gradient is g_conv + g_up.

    Returns:
      "cosine" of the angle between g_conv and g_up, and "ratio", |g_up| / |g_conv|.
    """
    g_conv = np.asarray(gradients["block"][tying.lender]["kernel"], np.float64)
    g_up = np.asarray(tying.orient(gradients["upsample"]["kernel"]), np.float64)
    return {"cosine": cosine(g_up, g_conv), "ratio": float(np.linalg.norm(g_up) / np.linalg.norm(g_conv))}


def resemblance(params: Any) -> dict[str, dict[str, list[float]]]:
    """How near the upsampler's kernel K_up is to each of the block's, K_i, in each orientation O.

    Args:
      params: of an MS-LapSRN, or `untied`.

    Returns:
      By orientation the "cosine" between K_up and O(K_i) and the "distance" |K_up - O(K_i)| / |K_i|, i from 1 to d.
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
    """Of the angle between two arrays of one shape, as vectors."""
    return float(np.vdot(a, b) / (np.linalg.norm(a) * np.linalg.norm(b)))


@functools.partial(jax.jit, static_argnums=(0, 3))
def upsampler_inputs(model: Pyramid, params: Any, lr: jax.Array, scale: int) -> list[jax.Array]:
    """What an MS-LapSRN's upsampler is given at each level on the way to `scale`: [N, H, W, C], [N, 2H, 2W, C], ..."""
    _, state = model.apply({"params": params}, lr, scale, mutable=["intermediates"])
    inputs: tuple[jax.Array, ...] = state["intermediates"]["upsampler_inputs"]
    return list(inputs)


@jax.jit
def inverse_error(x: jax.Array, up: jax.Array, kernel: jax.Array) -> jax.Array:
    """How far upsampling is from the inverse of a convolution: min over a of |a D U x - x| / |x|, a scalar.

    U is the upsampler without bias. D is the convolution with stride 2 and padding (0, 1) whose transpose U would be
    if it were tied to `kernel` in the adjoint orientation. 0: D undoes U up to a factor; 1: nothing of x comes back.

    Args:
      x: the features that are upsampled, [N, H, W, C].
      up: the upsampler's kernel [3, 3, C, C].
      kernel: the convolution's [3, 3, C, C].
    """
    back = lax.conv_general_dilated(
        upsample(x, up), kernel, (2, 2), ((0, 1), (0, 1)), dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    best = jnp.vdot(back, x) / jnp.vdot(back, back)
    return jnp.linalg.norm((best * back - x).ravel()) / jnp.linalg.norm(x.ravel())


def probe(model: Pyramid, tying: Tying | None, params: Any, batch: Batch) -> dict[str, Any]:
    """All of the above, JSON-ready; of an MS-LapSRN as if the third convolution lent its adjoint, the paper's choice.

    Args:
      model: the MS-LapSRN with the variant's recursions and biases.
      tying: the variant's.
      params: the variant's, as they are trained.
      batch: the photographs to look at, the same for all.
    """
    free, tying = untied(tying, params), tying or Tying()
    inputs = upsampler_inputs(model, free, batch[max(batch)][0], max(batch))
    up, kernel = free["upsample"]["kernel"], free["block"][tying.lender]["kernel"]
    return {
        "gradients": contributions(tying, free_gradients(model, free, batch)),
        "kernels": resemblance(free),
        "inverse": [float(inverse_error(x, up, kernel)) for x in inputs],
    }
