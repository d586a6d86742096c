"""Trains one cell of the study with the ordinary training loop, measures it, and writes the results to one file."""

import json
import math
import pathlib
import shutil
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import ml_collections

from lapsrn_jax.data.patches import split_batch, training_batches
from lapsrn_jax.data.photographs import read_photographs
from lapsrn_jax.data.sources import Picture, hold_out, training_pictures
from lapsrn_jax.errors import UserError
from lapsrn_jax.evaluation.paper.costs import parameter_count
from lapsrn_jax.evaluation.protocol import Protocol
from lapsrn_jax.evaluation.scoring import evaluate
from lapsrn_jax.files import atomic_write
from lapsrn_jax.models import Pyramid
from lapsrn_jax.training.checkpoints import read_state
from lapsrn_jax.training.logs import read_log
from lapsrn_jax.training.loop import train_and_evaluate
from lapsrn_jax.training.losses import Batch
from lapsrn_jax.training.state import TrainState, create_state, make_optimizer
from lapsrn_jax.upscaling.upscale import Upscaler
from studies.grid import Cell, Grid
from studies.probes import probe, untied

PROBED = 2**32 - 1  # seed of the batch for the probes; no cell should use it
PATCHES = 24  # number of samples in that batch
MEMORY = 2**31  # bytes; a fixed budget gives the same tiles on every machine

Sets = Mapping[str, Sequence[Picture]]


def result_file(folder: pathlib.Path, cell: Cell) -> pathlib.Path:
    """Returns the path of a cell's results. The cell is finished when the file exists."""
    return folder / "cells" / f"{cell.name}.json"


def run_folder(folder: pathlib.Path, cell: Cell) -> pathlib.Path:
    """Returns the run folder of a cell, which is deleted when the cell is finished."""
    return folder / "runs" / cell.name


def finish(grid: Grid, cell: Cell, sets: Sets, folder: pathlib.Path) -> bool:
    """Trains and measures a cell, or resumes it. The caller must hold the cell's lock.

    Returns:
      Whether the cell is finished. If not, a signal stopped it, and the next call resumes it.

    Raises:
      UserError: as `train_and_evaluate`, or a loss or a probe is not finite.
    """
    if not train_and_evaluate(grid.config(cell), run_folder(folder, cell), grid.model(cell.variant)):
        return False
    numbers = measure(grid, cell, sets, run_folder(folder, cell))
    try:
        lines = ",\n".join(
            f" {json.dumps(name)}: {json.dumps(value, allow_nan=False)}" for name, value in numbers.items()
        )
    except ValueError:
        raise UserError("losses or probes are not finite: lower the grid's optimizer.learning_rate") from None
    with atomic_write(result_file(folder, cell)) as partial:
        partial.write_text(f"{{\n{lines}\n}}\n")
    shutil.rmtree(run_folder(folder, cell), ignore_errors=True)  # other processes may delete it too
    return True


def measure(grid: Grid, cell: Cell, sets: Sets, workdir: pathlib.Path) -> dict[str, Any]:
    """Returns all results of a trained cell, which depend only on the grid, the cell and the device."""
    config, tied = grid.config(cell), grid.model(cell.variant)
    free: Pyramid = tied.clone(tying=None)
    states = _states(config, tied, workdir)
    upscaler = Upscaler(free, untied(tied.tying, states[-1].weights), max_memory=MEMORY)
    batch = probe_batch(config)
    return {
        "variant": cell.variant,
        "seed": cell.seed,
        "config": json.loads(config.to_json_best_effort()),
        "jax": jax.__version__,
        "device": jax.devices()[0].device_kind,
        "parameters": parameter_count(tied),
        "step_flops": grid.step_flops(cell.variant),
        "scores": _scores(upscaler, sets, config.data.scales),
        "loss": _losses(workdir),
        "validation": _validation(workdir, config.data.scales),
        "moments": [
            {"step": int(state.step)} | probe(free, tied.tying, state.params, batch) for state in states
        ],
    }  # fmt: skip


def probe_batch(config: ml_collections.ConfigDict) -> Batch:
    """Returns the batch for the probes, the same for all cells, made in the same way as training batches."""
    data = config.data
    pictures, _ = hold_out(training_pictures(data.train), data.hold_out)
    photographs = read_photographs(pictures, data.patch_size)
    sizes = split_batch(PATCHES, data.scales, 1)
    return jax.tree.map(jnp.asarray, training_batches(photographs, sizes, data.patch_size, PROBED, slice(0, 1))[0])


def _states(config: ml_collections.ConfigDict, model: Pyramid, workdir: pathlib.Path) -> list[TrainState]:
    """Returns the states at the start, at each scheduled checkpoint and at the end, without checkpoints of stops."""
    start = create_state(model, make_optimizer(config), config.seed, ema=config.optimizer.ema_decay > 0)
    every, last = config.training.checkpoint_every, config.training.steps
    return [start, *(read_state(workdir, start, min(step, last)) for step in range(every, last + every, every))]


def _scores(upscale: Upscaler, sets: Sets, scales: Sequence[int]) -> list[dict[str, Any]]:
    found = []
    for name, pictures in sets.items():
        each = {pathlib.PurePath(picture.name).name: [picture] for picture in pictures}
        records = evaluate({name: upscale}, each, scales, Protocol())
        for scale in scales:
            here = {record["set"]: [record["psnr"], record["ssim"]] for record in records if record["scale"] == scale}
            psnr, ssim = (sum(values) / len(here) for values in zip(*here.values(), strict=True))
            found.append({"set": name, "scale": scale, "psnr": psnr, "ssim": ssim, "pictures": here})
    return found


def _losses(workdir: pathlib.Path) -> list[list[float]]:
    """Returns [step, loss] pairs from the log, the newest loss for steps that were repeated."""
    losses = {record["step"]: record["loss"] for record in read_log(workdir) if "loss" in record}
    losses = {step: math.nan if loss is None else loss for step, loss in losses.items()}  # `finish` refuses them
    return [[step, losses[step]] for step in sorted(losses)]


def _validation(workdir: pathlib.Path, scales: Sequence[int]) -> list[list[float]]:
    """Returns [step, PSNR of each scale] on the held-out photographs at each checkpoint; none if none are held out."""
    records = {record["step"]: record for record in read_log(workdir) if f"psnr_x{scales[0]}" in record}
    return [[step, *(records[step][f"psnr_x{scale}"] for scale in scales)] for step in sorted(records)]
