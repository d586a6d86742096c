"""A training step with the upsampler's phase form against the same step with `lax.conv_transpose`, in turns.

python -m benchmarks.upsampling
"""

import statistics
import time

import jax
import numpy as np

from configs import quickstart
from lapsrn_jax import models
from lapsrn_jax.models import layers
from lapsrn_jax.training.state import create_state, make_optimizer
from lapsrn_jax.training.step import make_mesh, make_train_step, replicate, shard_batch

ROUNDS = 7


def main() -> None:
    """Prints the median time of each step and the median of the paired ratios."""
    config = quickstart.get_config()
    model, tx, mesh = models.from_settings(config.model), make_optimizer(config), make_mesh()
    generator, size, n = np.random.default_rng(0), config.data.patch_size, config.data.batch_size
    batch = {2: tuple(generator.random((n, side, side, 1), np.float32) for side in (size // 2, size))}

    steps, states = {}, {}
    for name, form in (("phases", layers.conv_transpose_phases), ("lax.conv_transpose", layers.conv_transpose)):
        layers.upsample = form  # type: ignore[assignment]  # the quickstart's model has no biases
        steps[name] = make_train_step(model, tx, mesh, ema_decay=config.optimizer.ema_decay)
        state = replicate(create_state(model, tx, config.seed, ema=True), mesh)
        states[name], _ = steps[name](state, shard_batch(batch, mesh))  # compiles

    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(ROUNDS):
        for name, step in steps.items():
            start = time.perf_counter()
            states[name], metrics = step(states[name], shard_batch(batch, mesh))
            metrics["loss"].block_until_ready()
            seconds[name].append(time.perf_counter() - start)

    device = jax.devices()[0]
    print(f"{device.platform}, {device.device_kind}, jax {jax.__version__}: configs/quickstart.py, medians of {ROUNDS}")
    for name, times in seconds.items():
        print(f"{name:20} {1000 * statistics.median(times):6.0f} ms a step")
    ratios = [b / a for a, b in zip(*seconds.values(), strict=True)]
    print(f"lax.conv_transpose takes {statistics.median(ratios):.2f} times as long")


if __name__ == "__main__":
    main()
