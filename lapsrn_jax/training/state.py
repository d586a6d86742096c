"""What a training run carries from step to step, and the optimiser that moves it."""

from typing import Any

import flax.linen as nn
import flax.struct
import jax
import jax.numpy as jnp
import ml_collections
import optax

from lapsrn_jax import models


@flax.struct.dataclass
class TrainState:
    """All that a step reads and writes. The data need no place here: they are a function of seed and step.

    Attributes:
      step: how many batches have been seen, int32.
      params: the parameters being trained, float32.
      ema: their exponential moving average, or None where the config asks for none.
      opt_state: the optimiser's moments and its own count.
      skipped: how many of the last steps, in a row, were not taken because their loss or gradient was not finite.
    """

    step: jax.Array
    params: Any
    ema: Any
    opt_state: Any
    skipped: jax.Array

    @property
    def weights(self) -> Any:
        """The parameters to evaluate and to hand out: the average where there is one."""
        return self.params if self.ema is None else self.ema


def learning_rate_fn(config: ml_collections.ConfigDict) -> optax.Schedule:
    """Linear warm-up from 0 to `optimizer.learning_rate`, then a cosine to `optimizer.final_learning_rate`."""
    optimizer, steps = config.optimizer, config.training.steps
    return optax.warmup_cosine_decay_schedule(
        0.0, optimizer.learning_rate, int(optimizer.warmup * steps), steps, optimizer.final_learning_rate
    )


def make_optimizer(config: ml_collections.ConfigDict) -> optax.GradientTransformation:
    """AdamW with decoupled weight decay, after clipping the gradient to a global norm (0: no clipping)."""
    adamw = optax.adamw(learning_rate_fn(config), weight_decay=config.optimizer.weight_decay)
    clip = config.optimizer.clip_norm
    # Of one structure with and without: a run may begin from one that did otherwise.
    return optax.chain(optax.clip_by_global_norm(clip) if clip else optax.identity(), adamw)


def create_state(model: nn.Module, tx: optax.GradientTransformation, seed: int, ema: bool) -> TrainState:
    """The state before the first step, the parameters drawn from `seed`."""
    params = models.initial(model, jax.random.key(seed))
    copy = jax.tree.map(jnp.copy, params) if ema else None
    zero = jnp.zeros((), jnp.int32)
    return TrainState(step=zero, params=params, ema=copy, opt_state=tx.init(params), skipped=zero + 0)
