"""Prints the compiler's memory plan of one training step at the paper's size, with and without remat.

    python -m benchmarks.memory [--patch 512] [--batch 16] [--recursions 8]

It runs no step: `memory_analysis` of the compiled step gives the size of arguments, results and intermediate arrays.
"""

import argparse

import jax
import jax.numpy as jnp

from configs import default
from lapsrn_jax import models
from lapsrn_jax.training.state import create_state, make_optimizer
from lapsrn_jax.training.step import make_mesh, make_train_step


def planned_gib(scale: int, batch: int, patch: int, recursions: int, dtype: str, remat: bool) -> float:
    """Returns the memory of one step on one device, in GiB."""
    config = default.get_config()
    config.model.recursions = recursions
    model = models.from_settings(config.model).clone(dtype=dtype, remat=remat)
    tx = make_optimizer(config)
    step = make_train_step(model, tx, make_mesh(jax.devices()[:1]), ema_decay=0.999)
    state = jax.eval_shape(lambda: create_state(model, tx, 0, ema=True))
    sides = [patch // (scale >> i) for i in range(scale.bit_length())]
    images = tuple(jax.ShapeDtypeStruct((batch, side, side, 1), jnp.float32) for side in sides)
    plan = step.lower(state, {scale: images}).compile().memory_analysis()
    assert plan is not None, "this backend has no memory analysis"
    return (plan.argument_size_in_bytes + plan.temp_size_in_bytes + plan.output_size_in_bytes) / 2**30


def main() -> None:
    """Prints a Markdown table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--patch", type=int, default=512)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--recursions", type=int, default=8)
    options = parser.parse_args()
    print(f"{jax.devices()[0].device_kind}, jax {jax.__version__}, CMS-LapSRN, {vars(options)}\n")
    print("| scale | dtype | kept | remat |")
    print("| --- | --- | --- | --- |")
    for scale in (2, 4, 8):
        for dtype in ("float32", "bfloat16"):
            kept, remat = (
                planned_gib(scale, options.batch, options.patch, options.recursions, dtype, remat)
                for remat in (False, True)
            )
            print(f"| x{scale} | {dtype} | {kept:.1f} GiB | {remat:.1f} GiB |", flush=True)


if __name__ == "__main__":
    main()
