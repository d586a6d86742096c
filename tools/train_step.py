"""A training step to call and time repeatedly."""

import time

import jax
import ml_collections
import numpy as np

from lapsrn_jax import models
from lapsrn_jax.models.pyramid import accelerated
from lapsrn_jax.training.state import create_state, make_optimizer
from lapsrn_jax.training.step import as_numpy, make_mesh, make_train_step, replicate, shard_batch


def random_images(batch: int, patch: int, scale: int) -> tuple[np.ndarray, ...]:
    """Returns a fixed pyramid of noise, from LR to HR patches of `patch` pixels: float32 [batch, h, w, 1]."""
    generator = np.random.default_rng(0)
    sides = [patch // scale * 2**level for level in range(scale.bit_length())]
    return tuple(generator.random((batch, side, side, 1), np.float32) for side in sides)


class TimedStep:
    """A training step that always uses the same batch. Each call continues from the state of the previous one."""

    def __init__(
        self,
        config: ml_collections.ConfigDict,
        batch: dict[int, tuple[np.ndarray, ...]],
        dtype: str,
        model: models.SuperResolver | None = None,
    ) -> None:
        model, tx, mesh = model or models.from_settings(config.model), make_optimizer(config), make_mesh()
        assert isinstance(model, models.Pyramid)
        self.model = model
        model = model if dtype == "float32" else model.clone(dtype=dtype)
        state = create_state(model, tx, config.seed, ema=True)
        self.params = as_numpy(state.params)
        self._state = replicate(state, mesh)
        self._batch = shard_batch(batch, mesh)
        self._step = make_train_step(accelerated(model), tx, mesh, ema_decay=config.optimizer.ema_decay)

    def __call__(self) -> tuple[float, float]:
        """Takes a step; returns the loss and the duration in seconds."""
        start = time.perf_counter()
        self._state, metrics = self._step(self._state, self._batch)
        jax.block_until_ready((self._state, metrics))
        return float(metrics["loss"]), time.perf_counter() - start
