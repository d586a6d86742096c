"""One training step, spread over the devices with `jax.shard_map`.

Every device holds the whole state and a share of the batch. It computes the gradient of its share; the mean over the
devices is the gradient of the batch, and all take the same step.
"""

from collections.abc import Callable, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax
from jax.sharding import AxisType, Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from lapsrn_jax.training.losses import batch_loss
from lapsrn_jax.training.state import TrainState

AXIS = "data"

TrainStep = Callable[[TrainState, Any], tuple[TrainState, dict[str, jax.Array]]]


def make_mesh(devices: Sequence[jax.Device] | None = None) -> Mesh:
    """The devices (all, if None) along one axis, over which batches are split."""
    devices = jax.devices() if devices is None else devices
    return jax.make_mesh((len(devices),), (AXIS,), axis_types=(AxisType.Auto,), devices=devices)


def replicate(tree: Any, mesh: Mesh) -> Any:
    """The tree's arrays, whole on every device."""
    return jax.device_put(tree, NamedSharding(mesh, P()))


def shard_batch(batch: Any, mesh: Mesh) -> Any:
    """The batch's arrays, split along their first axis over the devices."""
    sharding = NamedSharding(mesh, P(AXIS))
    return jax.tree.map(lambda x: jax.make_array_from_process_local_data(sharding, x), batch)


def make_train_step(model: nn.Module, tx: optax.GradientTransformation, mesh: Mesh, ema_decay: float) -> TrainStep:
    """The jitted step: (state, batch) to (next state, metrics). It consumes the state.

    Args:
      model: any of `lapsrn_jax.models`.
      tx: the optimiser.
      mesh: from `make_mesh`; the first axis of every array in a batch must divide by its size.
      ema_decay: of the parameters' moving average, in [0, 1).
    """

    def step(state: TrainState, batch: Any) -> tuple[TrainState, dict[str, jax.Array]]:
        # Marked as differing between devices, so that one sum crosses them in the end and not one for each use.
        params = lax.pcast(state.params, AXIS, to="varying")
        loss, grads = jax.value_and_grad(lambda params: batch_loss(model, params, batch))(params)
        loss, grads = lax.pmean((loss, grads), AXIS)
        updates, opt_state = tx.update(grads, state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
        ema = state.ema
        if ema is not None:
            # The average forgets faster at first: the start, far from any solution, should not linger in it.
            decay = jnp.minimum(ema_decay, (1 + state.step) / (10 + state.step))
            ema = optax.incremental_update(params, ema, 1 - decay)
        metrics = {"loss": loss, "gradient_norm": optax.tree.norm(grads)}
        return TrainState(step=state.step + 1, params=params, ema=ema, opt_state=opt_state), metrics

    sharded = jax.shard_map(step, mesh=mesh, in_specs=(P(), P(AXIS)), out_specs=(P(), P()))
    return jax.jit(sharded, donate_argnums=0)


def as_numpy(tree: Any) -> Any:
    """The tree's arrays on the host."""
    return jax.tree.map(np.asarray, tree)
