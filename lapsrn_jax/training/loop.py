"""The training run, from a config to a folder of checkpoints, logs and weights."""

import collections
import contextlib
import pathlib
import time
from collections.abc import Iterator

import jax
import ml_collections
import numpy as np

from lapsrn_jax import models
from lapsrn_jax.data.patches import prefetched, split_batch, training_batches
from lapsrn_jax.data.photographs import read_photographs
from lapsrn_jax.data.sources import evaluation_pictures, hold_out, training_pictures
from lapsrn_jax.errors import UserError
from lapsrn_jax.training.checkpoints import Checkpoints
from lapsrn_jax.training.distributed import any_process, is_primary
from lapsrn_jax.training.folder import RunFolder
from lapsrn_jax.training.interrupts import StopRequest
from lapsrn_jax.training.logs import Log
from lapsrn_jax.training.settings import check_settings
from lapsrn_jax.training.start import begin_from
from lapsrn_jax.training.state import TrainState, create_state, learning_rate_fn, make_optimizer
from lapsrn_jax.training.step import make_mesh, make_train_step, replicate, shard_batch
from lapsrn_jax.training.validation import Validation

AHEAD = 8  # steps: the host prepares so many while the device is at work


def train_and_evaluate(config: ml_collections.ConfigDict, workdir: pathlib.Path) -> bool:
    """Trains what `config` describes (see configs/default.py), going on where `workdir` stands.

    Leaves in `workdir`: `config.json`, `log.jsonl`, `tensorboard/`, `checkpoints/` with their `manifests/`, and from
    the first checkpoint on `weights.safetensors`, the newest, and `best.safetensors`, the best in validation.

    Returns:
      Whether it came to the end; if not, a signal stopped it, its state is saved, and the next call goes on.

    Raises:
      UserError: bad settings or data, a folder of another run or in use, a place that cannot be written, or losses
        that are not finite.
    """
    check_settings(config)
    model = models.from_settings(config.model).clone(dtype=config.training.dtype, remat=config.training.remat)
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
        model, tx, mesh, ema_decay=config.optimizer.ema_decay, ema_warmup=not config.start,
        fourier=config.loss.fourier, accumulate=config.training.accumulate,
    )  # fmt: skip

    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(RunFolder(pathlib.Path(workdir), config))
        checkpoints = stack.enter_context(Checkpoints(folder.path, config.training.keep, _say))
        if checkpoints.latest_step is not None:
            state = checkpoints.restore(state)
        elif config.start:
            state = replicate(begin_from(pathlib.Path(config.start), state), mesh)
        first, last = int(state.step), config.training.steps
        if first > last:
            raise UserError(f"{folder.path} has taken {first} steps: training.steps={last} cannot be")
        log = stack.enter_context(Log(folder.path, last, first))
        stop = stack.enter_context(StopRequest())
        dataset = training_batches(
            photographs, batch_sizes, config.data.patch_size, config.seed, slice(first, last),
            jax.process_index(), jax.process_count(), model.channels,
        )  # fmt: skip
        batches = iter(prefetched(dataset, config.data.workers))
        stack.callback(batches.close)

        learning_rate = learning_rate_fn(config)
        meter = _Meter(config.data.batch_size)
        ahead: collections.deque[jax.Array] = collections.deque()  # of steps that the device may not have taken yet
        for step in range(first + 1, last + 1):
            with meter.waiting():
                batch = next(batches)
            state, metrics = train_step(state, shard_batch(batch, mesh))
            ahead.append(metrics["skipped"])
            if len(ahead) > AHEAD:
                _check_finite(int(ahead.popleft()), step - AHEAD, config, checkpoints, state)
            log.advance()
            at_log = step % config.training.log_every == 0 or step == last
            if at_log:
                numbers = {name: float(value) for name, value in metrics.items()}
                log.write(step, numbers | {"learning_rate": float(learning_rate(step - 1))} | meter.read())
            # Processes must agree; asking each other at every step would cost more than it gains.
            stopped = (at_log or jax.process_count() == 1) and any_process(stop.received is not None)
            if step % config.training.checkpoint_every == 0 or step == last or stopped:
                _check_finite(int(metrics["skipped"]), step, config, checkpoints, state)
                checkpoints.save(state)
                if is_primary():
                    folder.save_weights(model, state)
                    if validation.pictures and not stopped:
                        scores, figures = validation(state.weights)
                        log.write(step, scores)
                        log.show(step, figures)
                        folder.save_if_best(model, state, float(np.mean(list(scores.values()))))
                meter.restart()
            if stopped and step < last:
                log.say(f"stopped at step {step}, which is saved; the same command goes on from there")
                return False
        if is_primary():
            if first == last:  # nothing was left to do; a kill may have come before the weights were written
                folder.save_weights(model, state)
            log.say(f"weights after {last} steps: {folder.path / 'weights.safetensors'}")
    return True


def _say(text: str) -> None:
    print(text, flush=True)


def _check_finite(
    skipped: int, step: int, config: ml_collections.ConfigDict, checkpoints: Checkpoints, state: TrainState
) -> None:
    """Ends the run, its last good state saved, when too many steps in a row could not be taken."""
    if skipped > config.training.max_skipped:
        checkpoints.save(state)
        raise UserError(
            f"the losses of {skipped} steps in a row, up to step {step}, were not finite: lower "
            "optimizer.learning_rate and begin anew; the parameters before them are saved"
        )


class _Meter:
    """Speed and waiting since the last reading; validation, checkpoints and the first steps do not count."""

    def __init__(self, batch_size: int) -> None:
        self._batch_size = batch_size
        self._warm = False  # the first interval holds the compilation
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
