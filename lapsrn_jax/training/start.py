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
from lapsrn_jax.training.state import TrainState, make_optimizer
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
        config = _config_of(path)
        opt_state = make_optimizer(config).init(fresh.params)
        averaged = fresh.params if config.optimizer.ema_decay > 0 else None
        state = read_state(path, dataclasses.replace(fresh, ema=averaged, opt_state=opt_state))
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


def _config_of(folder: pathlib.Path) -> ml_collections.ConfigDict:
    path = folder / "config.json"
    try:
        config = ml_collections.ConfigDict(completed(json.loads(path.read_text())))
        make_optimizer(config)
    except (OSError, ValueError, TypeError, AttributeError) as error:
        reason = getattr(error, "strerror", None) or "it is damaged"
        raise UserError(f"cannot start from {folder}: {path}: {reason}") from None
    return config


def _restarted(opt_state: Any) -> Any:
    """Restarts the schedule; the moments and their step count for bias correction stay."""

    def of_schedule(path: Any, _: Any) -> bool:
        return any(getattr(key, "tuple_name", None) == "ScaleByScheduleState" for key in path)

    restarted = optax.tree.set(opt_state, of_schedule, count=jnp.zeros((), jnp.int32))
    return jax.tree.map(jnp.copy, restarted)  # two schedules would share the array, which cannot be donated twice
