"""Initialises a run from another run or from weights."""

import dataclasses
import json
import pathlib
from typing import Any

import jax
import jax.numpy as jnp
import ml_collections
import optax

from lapsrn_jax.errors import UserError
from lapsrn_jax.training.checkpoints import read_state
from lapsrn_jax.training.settings import completed
from lapsrn_jax.training.state import TrainState, is_schedule, make_optimizer
from lapsrn_jax.weights.files import PRETRAINED, load_weights


def begin_from(start: str, fresh: TrainState) -> TrainState:
    """Returns the state at step 0, initialised from `start`. The learning-rate schedule starts at its beginning.

    Recursions, data and optimiser settings may differ from those of `start`, since they are not part of the parameters.

    Args:
      start: a run folder, which provides parameters, their average and, if the optimiser is the same, its moments; or
        any other argument of `load_weights`, which provides parameters only.
      fresh: the freshly initialised state.

    Raises:
      UserError: `start` cannot be read, or it belongs to a different model.
    """
    path = pathlib.Path(start)
    if start not in PRETRAINED and (path / "checkpoints").is_dir():
        tx, averages = _optimizer_of(path)
        averaged = fresh.params if averages else None
        state = read_state(path, dataclasses.replace(fresh, ema=averaged, opt_state=tx.init(fresh.params)))
        params, average, opt_state = state.params, state.weights, _restarted(state.opt_state)
        structure: Any = jax.tree.structure(opt_state)
        if structure != jax.tree.structure(fresh.opt_state):  # a different optimiser
            opt_state = fresh.opt_state
    else:
        _, loaded = load_weights(start)
        shapes = [jax.tree.map(jnp.shape, tree) for tree in (loaded, fresh.params)]
        if shapes[0] != shapes[1]:
            raise UserError(f"{start} holds weights of a different model: see config.model")
        params = average = jax.tree.map(jnp.asarray, loaded)
        opt_state = fresh.opt_state
    ema = None if fresh.ema is None else jax.tree.map(jnp.copy, average)
    return dataclasses.replace(fresh, params=params, ema=ema, opt_state=opt_state)


def _optimizer_of(folder: pathlib.Path) -> tuple[optax.GradientTransformation, bool]:
    """Returns the optimiser of a run, and whether the run averages its parameters."""
    path = folder / "config.json"
    try:
        config = ml_collections.ConfigDict(completed(json.loads(path.read_text())))
        return make_optimizer(config), config.optimizer.ema_decay > 0
    except (OSError, ValueError, TypeError, AttributeError) as error:
        reason = getattr(error, "strerror", None) or "it is damaged"
        raise UserError(f"cannot start from {folder}: {path}: {reason}") from None


def _restarted(opt_state: Any) -> Any:
    """Restarts the schedule; the moments and their step count for bias correction stay."""

    def restarted(part: Any) -> Any:
        return part._replace(count=jnp.zeros((), jnp.int32)) if is_schedule(part) else jnp.copy(part)

    return jax.tree.map(restarted, opt_state, is_leaf=is_schedule)
