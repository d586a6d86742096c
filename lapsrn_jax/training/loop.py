"""Runs a training, from a config to a folder of checkpoints, logs and weights."""

import collections
import contextlib
import pathlib
import time
from collections.abc import Callable, Iterator
from typing import Any

import grain
import jax
import ml_collections
import numpy as np

from lapsrn_jax import models
from lapsrn_jax.data.degradation import Degradation
from lapsrn_jax.data.patches import HostBatch, next_batch, prefetched, split_batch, training_batches
from lapsrn_jax.data.photographs import read_photographs
from lapsrn_jax.data.sources import evaluation_pictures, hold_out, training_pictures
from lapsrn_jax.errors import UserError
from lapsrn_jax.models.pyramid import accelerated
from lapsrn_jax.training.checkpoints import Checkpoints
from lapsrn_jax.training.distributed import any_process, is_primary, together
from lapsrn_jax.training.folder import RunFolder
from lapsrn_jax.training.interrupts import StopRequest
from lapsrn_jax.training.logs import Log, read_log
from lapsrn_jax.training.settings import check_settings
from lapsrn_jax.training.start import begin_from
from lapsrn_jax.training.state import TrainState, create_state, learning_rate_fn, make_optimizer
from lapsrn_jax.training.step import make_mesh, make_train_step, replicate, shard_batch
from lapsrn_jax.training.validation import Validation

AHEAD = 8  # steps that the host may prepare while the device is busy


def train_and_evaluate(
    config: ml_collections.ConfigDict, workdir: pathlib.Path, model: models.SuperResolver | None = None
) -> bool:
    """Trains the model that `config` describes (see configs/default.py), resuming the run in `workdir` if there is one.

    Writes to `workdir`: `config.json`, `log.jsonl`, `tensorboard/`, `checkpoints/` and their `manifests/`, and from the
    first checkpoint on `weights.safetensors` (the newest weights) and `best.safetensors` (the best in validation).

    Args:
      config: the settings of the run.
      workdir: the run folder.
      model: a network to train instead of the one that `config.model` describes.

    Returns:
      Whether training is complete. If not, a signal stopped it after saving its state, and the next call resumes it.

    Raises:
      UserError: settings or data are bad, the folder holds another run, is in use or cannot be written, or the losses
        are not finite.
    """
    with together():
        check_settings(config, model)
        model = model or models.from_settings(config.model)
        model = model.clone(dtype=config.training.dtype, remat=config.training.remat)
        tx = make_optimizer(config)
        mesh = make_mesh()
        batch_sizes = split_batch(config.data.batch_size, config.data.scales, mesh.size * config.training.accumulate)
        pictures, held_out = hold_out(training_pictures(config.data.train), config.data.hold_out)
        photographs = read_photographs(pictures, config.data.patch_size)
        sources = config.data.validation.split(",") if config.data.validation else []
        held_out += [picture for source in sources for picture in evaluation_pictures(source)]
        validation = Validation(model.clone(dtype=None, remat=False), held_out, config.data.scales)

    state = replicate(create_state(model, tx, config.seed, ema=config.optimizer.ema_decay > 0), mesh)
    train_step = make_train_step(
        accelerated(model), tx, mesh, ema_decay=config.optimizer.ema_decay, ema_warmup=not config.start,
        fourier=config.loss.fourier, accumulate=config.training.accumulate,
    )  # fmt: skip

    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(RunFolder(pathlib.Path(workdir), config))
        checkpoints = stack.enter_context(Checkpoints(folder.path, config.training.keep, _say))
        resumed = checkpoints.latest_step is not None
        with together():
            if resumed:
                state = checkpoints.restore(state)
            elif config.start:
                state = begin_from(config.start, state)
        if not resumed:
            state = replicate(state, mesh)
        first, last = int(state.step), config.training.steps
        if first > last:
            raise UserError(f"{folder.path} has taken {first} steps: training.steps={last} must not be less")
        with together():
            validated = {record["step"] for record in read_log(folder.path) if _has_scores(record)}
            log = stack.enter_context(Log(folder.path, last, first))
        stop = stack.enter_context(StopRequest())
        batches = _Batches(
            lambda step: training_batches(
                photographs, batch_sizes, config.data.patch_size, config.seed, slice(step, last),
                jax.process_index(), jax.process_count(), model.channels, Degradation(**config.data.degradation),
                config.data.full_range, config.data.masks,
            ), first, config.data.workers,
        )  # fmt: skip
        stack.callback(batches.close)

        def scheduled(step: int) -> bool:
            return step % config.training.checkpoint_every == 0 or step == last

        def publish(step: int, validate: bool) -> None:
            """Writes the weights of a saved step, and validates them."""
            with together():
                if is_primary():
                    folder.save_weights(model, state)
                    if validate and validation.pictures:
                        scores, figures = validation(state.weights)
                        folder.save_if_best(model, state, float(np.mean(list(scores.values()))))
                        log.show(step, figures)
                        log.write(step, scores)  # last: it says that the validation is complete

        if resumed and scheduled(first):  # a kill or a stop may have come before these
            publish(first, validate=first not in validated)

        learning_rate = learning_rate_fn(config)
        meter = _Meter(config.data.batch_size)
        ahead: collections.deque[jax.Array] = collections.deque()  # for steps that may still be running
        for step in range(first + 1, last + 1):
            with meter.waiting():
                batch = batches.next()
            state, metrics = train_step(state, shard_batch(batch, mesh))
            ahead.append(metrics["skipped"])
            if len(ahead) > AHEAD:
                _check_finite(int(ahead.popleft()), step - AHEAD, config, checkpoints, state)
            log.advance()
            at_log = step % config.training.log_every == 0 or step == last
            if at_log:
                numbers = {name: float(value) for name, value in metrics.items()}
                with together():
                    log.write(step, numbers | {"learning_rate": float(learning_rate(step - 1))} | meter.read())
            # All processes must agree to stop. Agreeing at every step would cost too much time.
            ends = stop.received is not None or batches.error is not None
            stopped = (at_log or jax.process_count() == 1) and any_process(ends)
            if scheduled(step) or stopped:
                _check_finite(int(metrics["skipped"]), step, config, checkpoints, state)
                checkpoints.save(state)
                publish(step, validate=step == last or not stopped)
                meter.restart()
            if stopped and step < last:
                if batches.error:
                    raise UserError(f"{batches.error}; step {step} is saved, and the same command resumes from it")
                log.say(f"stopped and saved at step {step}: run the same command again to resume")
                return False
        log.say(f"weights after {last} steps: {folder.path / 'weights.safetensors'}")
    return True


def _has_scores(record: dict[str, Any]) -> bool:
    return any(name.startswith("psnr_") for name in record)


def _say(text: str) -> None:
    print(text, flush=True)


def _check_finite(
    skipped: int, step: int, config: ml_collections.ConfigDict, checkpoints: Checkpoints, state: TrainState
) -> None:
    """Saves the last good state and ends the run if too many steps in a row were skipped."""
    if skipped > config.training.max_skipped:
        checkpoints.save(state)
        raise UserError(
            f"the losses of {skipped} steps in a row, up to step {step}, were not finite: start over with a lower "
            "optimizer.learning_rate; the last good parameters are saved"
        )


class _Batches:
    """The batches of a run. After a worker has died, this process makes them itself.

    So a run of several processes gets to a step at which all of them can save and stop.

    Args:
      make: returns the batches from a step to the end.
      first: the first step.
      workers: number of worker processes.
    """

    def __init__(self, make: Callable[[int], grain.MapDataset[HostBatch]], first: int, workers: int) -> None:
        self._make, self._next = make, first
        self._batches = iter(prefetched(make(first), workers))
        self.error: UserError | None = None  # the end of a worker

    def next(self) -> HostBatch:
        try:
            batch = next_batch(self._batches)
        except UserError as error:
            self.error = error
            self._batches.close()
            self._batches = iter(prefetched(self._make(self._next), 0))
            batch = next_batch(self._batches)
        self._next += 1
        return batch

    def close(self) -> None:
        self._batches.close()


class _Meter:
    """Measures speed and waiting since the last reading, without validation, checkpoints and the first steps."""

    def __init__(self, batch_size: int) -> None:
        self._batch_size = batch_size
        self._warm = False  # the first interval includes the compilation
        self.restart()

    def restart(self) -> None:
        self._start, self._waited, self._steps = time.monotonic(), 0.0, 0

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        start = time.monotonic()
        yield
        self._waited += time.monotonic() - start
        self._steps += 1

    def read(self) -> dict[str, float]:
        elapsed, numbers = time.monotonic() - self._start, {}
        if self._warm:
            numbers = {"images_per_second": self._steps * self._batch_size / elapsed, "waiting": self._waited / elapsed}
        self._warm = True
        self.restart()
        return numbers
