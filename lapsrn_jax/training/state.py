"""The training state and the optimiser."""

from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import ml_collections
import optax

from lapsrn_jax import models
from lapsrn_jax.models import SuperResolver


@flax.struct.dataclass
class TrainState:
    """The state that a training step updates. It holds no data state: batches are a function of seed and step.

    Attributes:
      step: number of batches seen, int32.
      params: the parameters being trained, float32.
      ema: their exponential moving average; None if the config disables it.
      opt_state: the optimiser's moments and step count.
      skipped: number of consecutive steps, up to the last one, that were skipped because loss or gradient was not
        finite.
    """

    step: jax.Array
    params: Any
    ema: Any
    opt_state: Any
    skipped: jax.Array

    @property
    def weights(self) -> Any:
        """The parameters to evaluate and to release: the average if there is one."""
        return self.params if self.ema is None else self.ema


def learning_rate_fn(config: ml_collections.ConfigDict) -> optax.Schedule:
    """Returns the schedule: linear warm-up from 0 to `optimizer.learning_rate`, then `optimizer.schedule`.

    "cosine" falls to `optimizer.final_learning_rate` at the last step. "constant" stays: a run without a planned end.
    "cooldown" falls as well, by 1 - sqrt(t): it ends a constant run (Haegele et al., NeurIPS 2024).
    """
    optimizer, steps = config.optimizer, config.training.steps
    peak, final, warmup = optimizer.learning_rate, optimizer.final_learning_rate, int(optimizer.warmup * steps)
    if optimizer.schedule == "cosine":
        return optax.warmup_cosine_decay_schedule(0.0, peak, warmup, steps, final)

    def cooldown(step: jax.Array) -> jax.Array:
        return final + (peak - final) * (1 - jnp.sqrt(jnp.clip(step / (steps - warmup), 0, 1)))

    after = optax.constant_schedule(peak) if optimizer.schedule == "constant" else cooldown
    return optax.join_schedules([optax.linear_schedule(0.0, peak, warmup), after], [warmup])


def make_optimizer(config: ml_collections.ConfigDict) -> optax.GradientTransformation:
    """AdamW with decoupled weight decay, after clipping the gradient to a global norm (0: no clipping).

    With `optimizer.muon_learning_rate`, Muon (Jordan et al., 2024) moves the kernels that have several inputs and
    outputs, scaled to steps of AdamW's size as by Liu et al. (2025), and AdamW the other parameters.
    """
    optimizer, learning_rate = config.optimizer, learning_rate_fn(config)
    if optimizer.muon_learning_rate:
        ratio = optimizer.muon_learning_rate / optimizer.learning_rate
        update = optax.contrib.muon(
            lambda step: ratio * learning_rate(step),
            weight_decay=optimizer.weight_decay,
            adam_weight_decay=optimizer.weight_decay,
            adam_learning_rate=learning_rate,
            muon_weight_dimension_numbers=_muon_dimensions,
            consistent_rms=0.2,
        )
    else:
        update = optax.adamw(learning_rate, weight_decay=optimizer.weight_decay)
    # The structure is the same without clipping, so that a run can start from one with other settings.
    return optax.chain(optax.clip_by_global_norm(clip) if (clip := optimizer.clip_norm) else optax.identity(), update)


def _muon_dimensions(params: Any) -> Any:
    """How Muon reads each kernel [h, w, I, O], or each of a stack, as a matrix; None for what AdamW moves."""

    def matrix(x: Any) -> optax.contrib.MuonDimensionNumbers | None:
        if x.ndim < 4 or min(x.shape[-2:]) == 1:
            return None
        return optax.contrib.MuonDimensionNumbers(tuple(range(x.ndim - 4, x.ndim - 1)), x.ndim - 1)

    return jax.tree.map(matrix, params)


def is_schedule(tree: Any) -> bool:
    """Whether a part of the optimiser's state is the step count of a learning-rate schedule."""
    return isinstance(tree, optax.ScaleByScheduleState)


def create_state(model: SuperResolver, tx: optax.GradientTransformation, seed: int, ema: bool) -> TrainState:
    """Returns the state before the first step, with parameters drawn from `seed`."""
    params = models.initial(model, jax.random.key(seed))
    copy = jax.tree.map(jnp.copy, params) if ema else None
    zero = jnp.zeros((), jnp.int32)
    return TrainState(step=zero, params=params, ema=copy, opt_state=tx.init(params), skipped=zero + 0)
