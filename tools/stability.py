"""Tests whether networks stay bounded on pictures unlike their training data.

    python -m tools.stability cms-lapsrn runs/mine/weights.safetensors

prints `excess` for each of the weights and of their scales from 2 to 8.
"""

import argparse

import jax
import numpy as np
import scipy.ndimage

from lapsrn_jax.errors import reported
from lapsrn_jax.images.color import studio_range
from lapsrn_jax.models import SuperResolver
from lapsrn_jax.weights.files import load_weights

LIMIT = 2.0  # largest distance of a value from [0, 1] that counts as stable; the networks in the package stay below 1.1


def excess(model: SuperResolver, params: object, scale: int, masks: int = 12) -> float:
    """Returns the largest distance from [0, 1] of the values that a network makes of smooth masks of black and white.

    Gray pictures, inks and transparency can be such masks, whose edges are harder than those of photographs. A network
    that has not seen them can amplify them from recursion to recursion.
    """
    black, white = (0, 1) if model.channels == 3 else studio_range(np.array([0, 1]))

    @jax.jit
    def enlarged(lr: jax.Array) -> jax.Array:
        return model.apply({"params": params}, lr, scale)[-1]

    worst = 0.0
    for seed in range(masks):
        smooth = scipy.ndimage.gaussian_filter(np.random.default_rng(seed).random((33, 21)), 4)
        mask = np.where(smooth > np.median(smooth), white, black).astype(np.float32)
        sr = enlarged(np.tile(mask[None, :, :, None], (1, 1, 1, model.channels)))
        worst = max(worst, float(-sr.min()), float(sr.max()) - 1)
    return worst


def main() -> None:
    """Prints a line for each of the weights."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", nargs="+", help="names or files")
    options = parser.parse_args()
    with reported():
        for name in options.weights:
            model, params = load_weights(name)
            scales = [scale for scale in model.scales if scale <= 8]
            print(name, *(f"x{scale} {excess(model, params, scale):.2f}" for scale in scales))


if __name__ == "__main__":
    main()
