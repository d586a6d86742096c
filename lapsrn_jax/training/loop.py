"""The training run, from a config to a folder of checkpoints, logs and weights."""

import json
import math
import pathlib
import time
from typing import Any

import flax.linen as nn
import grain
import jax
import ml_collections

from lapsrn_jax import models
from lapsrn_jax.data.patches import Batch, split_batch, training_batches
from lapsrn_jax.data.sources import image_paths, read_luminance
from lapsrn_jax.errors import UserError
from lapsrn_jax.evaluation.benchmark import evaluate
from lapsrn_jax.evaluation.protocol import Protocol
from lapsrn_jax.training.checkpoints import Checkpoints
from lapsrn_jax.training.logs import Log, revision
from lapsrn_jax.training.state import TrainState, create_state, learning_rate_fn, make_optimizer
from lapsrn_jax.training.step import as_numpy, make_mesh, make_train_step, replicate, shard_batch
from lapsrn_jax.upscaling.upscale import Upscaler
from lapsrn_jax.weights.files import FILE_NAME, save_weights


def train_and_evaluate(config: ml_collections.ConfigDict, workdir: pathlib.Path) -> None:
    """Trains what `config` describes (see configs/default.py), going on where `workdir` stands.

    Leaves in `workdir`: `config.json`, `log.jsonl`, `tensorboard/`, `checkpoints/`, and, from the first checkpoint
    on, `weights.safetensors`.

    Raises:
      UserError: bad settings or data, a folder of another run, or a loss that is no longer finite.
    """
    workdir = pathlib.Path(workdir).resolve()
    model = models.from_settings(config.model)
    tx, learning_rate = make_optimizer(config), learning_rate_fn(config)
    mesh = make_mesh()
    batches = _batches(config, mesh.size)
    validation = image_paths(config.data.validation, held_out=True) if config.data.validation else []
    _claim(workdir, config)

    steps, settings = config.training.steps, config.training
    ema_decay = config.optimizer.ema_decay
    state = replicate(create_state(model, tx, config.seed, ema=ema_decay > 0), mesh)
    train_step = make_train_step(model, tx, mesh, ema_decay)

    with Checkpoints(workdir / "checkpoints", settings.keep) as checkpoints:
        if checkpoints.latest_step is not None:
            state = checkpoints.restore(state)
        first = int(state.step)
        with Log(workdir, steps, first) as log:
            log.start(first)
            log.say(f"{workdir}: " + (f"going on from step {first}" if first else "a new run"))
            clock = _Clock(config.data.batch_size)
            for step, batch in enumerate(_from(batches, first, steps), start=first + 1):
                state, metrics = train_step(state, shard_batch(batch, mesh))
                log.advance()
                if step % settings.log_every == 0 or step == steps:
                    loss = float(metrics["loss"])
                    if not math.isfinite(loss):
                        raise UserError(
                            f"the loss is {loss} at step {step}: lower optimizer.learning_rate; "
                            f"the last checkpoint is of step {checkpoints.latest_step or 0}"
                        )
                    log.write(
                        step,
                        {"loss": loss, "gradient_norm": float(metrics["gradient_norm"]),
                         "learning_rate": float(learning_rate(step - 1)), "images_per_second": clock.rate(step)},
                    )  # fmt: skip
                if step % settings.checkpoint_every == 0 or step == steps:
                    checkpoints.save(state)
                    _save_weights(workdir, model, state, config)
                    if validation:
                        log.write(step, _validate(model, state, validation, config.data.scales))
                    clock.restart(step)
    print(f"{workdir / FILE_NAME}: weights after {steps} steps")


class _Clock:
    """Images per second since it was last asked or restarted; validation and checkpoints do not count."""

    def __init__(self, batch_size: int) -> None:
        self._batch_size = batch_size
        self._step: int | None = None  # the first interval holds the compilation: not measured

    def rate(self, step: int) -> float:
        rate = 0.0 if self._step is None else (step - self._step) * self._batch_size / (time.monotonic() - self._time)
        self.restart(step)
        return rate

    def restart(self, step: int) -> None:
        self._step, self._time = step, time.monotonic()


def _batches(config: ml_collections.ConfigDict, shards: int) -> grain.MapDataset[Batch]:
    data = config.data
    batch_sizes = split_batch(data.batch_size, data.scales, shards)
    photographs = read_luminance(image_paths(data.train), data.patch_size)
    return training_batches(photographs, batch_sizes, data.patch_size, config.seed)


def _from(batches: grain.MapDataset[Batch], first: int, last: int) -> grain.IterDataset[Batch]:
    """Batches `first` to `last - 1`, made ahead by a few threads."""
    return batches.slice(slice(first, last)).to_iter_dataset(grain.ReadOptions(num_threads=4, prefetch_buffer_size=8))


def _claim(workdir: pathlib.Path, config: ml_collections.ConfigDict) -> None:
    """Makes `workdir` the folder of this run, or finds that it is.

    What `config.training` says (how long, how often) may change between the parts of a run, the rest may not.
    """
    path = workdir / "config.json"
    ours: dict[str, Any] = json.loads(json.dumps(config.to_dict()))
    if path.exists():
        theirs = json.loads(path.read_text())
        for name in _differences(theirs, ours):
            if not name.startswith("training."):
                raise UserError(f"{workdir} holds a run with another {name}: give another --workdir")
    try:
        workdir.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(ours, indent=2) + "\n")
    except OSError as error:
        raise UserError(f"cannot write to {workdir}: {error.strerror}") from None


def _differences(a: Any, b: Any, name: str = "") -> list[str]:
    """Dotted names of the settings in which two configs differ."""
    if isinstance(a, dict) and isinstance(b, dict):
        keys = sorted(a.keys() | b.keys())
        return [found for key in keys for found in _differences(a.get(key), b.get(key), f"{name}.{key}".lstrip("."))]
    return [] if a == b else [name]


def _save_weights(
    workdir: pathlib.Path, model: nn.Module, state: TrainState, config: ml_collections.ConfigDict
) -> None:
    info = {"step": int(state.step), "steps": config.training.steps, "revision": revision(), "jax": jax.__version__}
    save_weights(workdir / FILE_NAME, model, as_numpy(state.weights), info)


def _validate(
    model: nn.Module, state: TrainState, paths: list[pathlib.Path], scales: tuple[int, ...]
) -> dict[str, float]:
    records = evaluate({"model": Upscaler(model, state.weights)}, {"validation": paths}, scales, Protocol())
    return {f"psnr_x{record['scale']}": record["psnr"] for record in records}
