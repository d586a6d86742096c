"""One training step, spread over the devices with `jax.shard_map`.

Every device holds the whole state and a share of the batch. It computes the gradient of its share; the mean over the
devices is the gradient of the batch, and all take the same step.
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax
from jax.sharding import AxisType, Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from lapsrn_jax.models import SuperResolver
from lapsrn_jax.training.losses import Batch, batch_loss
from lapsrn_jax.training.state import TrainState, is_schedule

AXIS = "data"


def make_mesh(devices: Sequence[jax.Device] | None = None) -> Mesh:
    """Returns a mesh with one axis, over which batches are split, of the devices (all of them if None)."""
    devices = jax.devices() if devices is None else devices
    return jax.make_mesh((len(devices),), (AXIS,), axis_types=(AxisType.Auto,), devices=devices)


def replicate(tree: Any, mesh: Mesh) -> Any:
    """Copies the tree's arrays to every device."""
    return jax.device_put(tree, NamedSharding(mesh, P()))


def shard_batch(batch: Any, mesh: Mesh) -> Any:
    """Splits the batch's arrays along their first axis over the devices."""
    sharding = NamedSharding(mesh, P(AXIS))
    return jax.tree.map(lambda x: jax.make_array_from_process_local_data(sharding, x), batch)


def make_train_step(
    model: SuperResolver,
    tx: optax.GradientTransformation,
    mesh: Mesh,
    *,
    ema_decay: float,
    ema_warmup: bool = True,
    fourier: float = 0.0,
    accumulate: int = 1,
) -> jax.stages.Wrapped:
    """Returns the jitted step: (state, batch) to (next state, metrics). It donates the state.

    A batch whose loss or gradient is not finite leaves parameters, average and moments unchanged and increments
    `skipped`. The learning-rate schedule goes on.

    Args:
      model: any of `lapsrn_jax.models`.
      tx: the optimiser.
      mesh: from `make_mesh`; the first axis of every array in a batch must divide by its size times `accumulate`.
      ema_decay: of the parameters' moving average, in [0, 1).
      ema_warmup: whether the average forgets faster at first: the start, far from any solution, should not linger in
        it. False for a run that begins with the average of another one.
      fourier: weight of the Fourier loss.
      accumulate: in how many parts, one after the other, a device computes the gradient of its share.
    """

    def gradients(params: Any, batch: Batch) -> tuple[jax.Array, Any]:
        value_and_grad = jax.value_and_grad(lambda params, part: batch_loss(model, params, part, fourier))
        if accumulate == 1:
            return value_and_grad(params, batch)
        parts = jax.tree.map(lambda x: x.reshape(accumulate, -1, *x.shape[1:]), batch)
        total = value_and_grad(params, jax.tree.map(lambda x: x[0], parts))
        for i in range(1, accumulate):
            # One part after the other, to save memory. No `lax.scan`: XLA:CPU runs convolutions in loops slowly.
            params, total = lax.optimization_barrier((params, total))
            part = jax.tree.map(lambda x: x[i], parts)  # noqa: B023
            total = jax.tree.map(jnp.add, total, value_and_grad(params, part))
        return jax.tree.map(lambda x: x / accumulate, total)

    def step(state: TrainState, batch: Batch) -> tuple[TrainState, dict[str, jax.Array]]:
        # Marked as differing between devices, so that one sum crosses them in the end and not one for each use.
        loss, grads = gradients(lax.pcast(state.params, AXIS, to="varying"), batch)
        loss, grads = lax.pmean((loss, grads), AXIS)
        norm = optax.tree.norm(grads)

        updates, opt_state = tx.update(grads, state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
        ema = state.ema
        if ema is not None:
            decay = jnp.minimum(ema_decay, (1 + state.step) / (10 + state.step)) if ema_warmup else ema_decay
            ema = optax.incremental_update(params, ema, 1 - decay)

        good = jnp.isfinite(loss) & jnp.isfinite(norm)
        new, old = (params, ema, opt_state), (state.params, state.ema, state.opt_state)
        params, ema, opt_state = jax.tree.map(
            lambda a, b: a if is_schedule(a) else jnp.where(good, a, b), new, old, is_leaf=is_schedule
        )
        skipped = jnp.where(good, 0, state.skipped + 1)
        metrics = {"loss": loss, "gradient_norm": norm, "skipped": skipped}
        return TrainState(state.step + 1, params, ema, opt_state, skipped), metrics

    sharded = jax.shard_map(step, mesh=mesh, in_specs=(P(), P(AXIS)), out_specs=(P(), P()))
    return jax.jit(sharded, donate_argnums=0)


def as_numpy(tree: Any) -> Any:
    """Copies the tree's arrays to the host."""
    return jax.tree.map(np.asarray, tree)
