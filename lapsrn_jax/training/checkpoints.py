"""Saves and restores the training state with orbax. No other file imports orbax."""

import pathlib
import shutil
import types
from collections.abc import Callable

import jax
import orbax.checkpoint as ocp

from lapsrn_jax.errors import UserError
from lapsrn_jax.training.distributed import is_primary, together
from lapsrn_jax.training.manifests import damage, write_manifest
from lapsrn_jax.training.state import TrainState


class Checkpoints:
    """The checkpoints of one run, in `checkpoints/STEP` of its folder, each with a manifest in `manifests/`.

    All processes write them and wait for completion: a state has 3 MB. Opening the folder removes a checkpoint that a
    kill left half-written, and moves those that are damaged or have no manifest to `damaged/`. The newest intact
    checkpoint is the one to resume from.

    Args:
      workdir: the run folder; created if missing.
      keep: number of newest checkpoints to keep.
      say: called with one line of text for each damaged checkpoint.

    Raises:
      UserError: there are checkpoints, but all are damaged.
    """

    def __init__(self, workdir: pathlib.Path, keep: int, say: Callable[[str], None]) -> None:
        self._folder, self._manifests, self._keep = workdir / "checkpoints", workdir / "manifests", keep
        with together():
            self._folder.mkdir(parents=True, exist_ok=True)
            if is_primary():
                self._sort_out(workdir / "damaged", say)
        options = ocp.CheckpointManagerOptions(enable_async_checkpointing=False)
        self._manager = ocp.CheckpointManager(self._folder, options=options)

    def _sort_out(self, damaged: pathlib.Path, say: Callable[[str], None]) -> None:
        for unfinished in self._folder.glob("*.orbax-checkpoint-tmp*"):
            shutil.rmtree(unfinished)
        steps = sorted((int(path.name) for path in self._folder.glob("*") if path.name.isdigit()), reverse=True)
        for step in steps:
            folder, manifest = self._folder / str(step), self._manifest(step)
            if self._mark(step).exists() and not manifest.exists():
                shutil.rmtree(folder)
                continue
            problem = damage(folder, manifest) if manifest.exists() else "it has no manifest"
            if problem is None:
                return
            say(f"checkpoint {step} is damaged ({problem}): moved to {damaged / str(step)}, trying an older one")
            shutil.rmtree(damaged / str(step), ignore_errors=True)
            damaged.mkdir(exist_ok=True)
            folder.rename(damaged / str(step))
        if damaged.exists():  # from this call or an earlier one
            raise UserError(f"every checkpoint in {self._folder} is damaged: delete {damaged} to start over")

    def _manifest(self, step: int) -> pathlib.Path:
        return self._manifests / f"{step}.json"

    def _mark(self, step: int) -> pathlib.Path:
        """A file that exists while a checkpoint is being saved: one with it and no manifest is unfinished."""
        return self._manifests / f"{step}.saving"

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: types.TracebackType | None) -> None:
        self._manager.close()

    @property
    def latest_step(self) -> int | None:
        """The step of the newest checkpoint."""
        return self._manager.latest_step()

    def save(self, state: TrainState) -> None:
        """Saves the state unless its step is already saved, then deletes the oldest checkpoints.

        Raises:
          UserError: the state cannot be written. The older checkpoints are unchanged.
        """
        step = int(state.step)
        if step == self.latest_step:
            return
        try:
            with together():
                if is_primary():
                    self._manifests.mkdir(exist_ok=True)
                    self._mark(step).touch()
            with together():
                self._manager.save(step, args=ocp.args.StandardSave(state), force=True)
                self._manager.wait_until_finished()
            with together():
                if is_primary():
                    write_manifest(self._folder / str(step), self._manifest(step))
                    self._mark(step).unlink()
                    self._delete_old()
        except (OSError, ValueError, RuntimeError) as error:  # tensorstore wraps a full disk in a ValueError
            reason = str(error).strip().splitlines()[0]
            message = f"cannot save checkpoint {step} in {self._folder}; older checkpoints are kept: {reason}"
            raise UserError(message) from None

    def _delete_old(self) -> None:
        """Deletes this run's oldest checkpoints. Orbax would delete them before the newest one has its manifest."""
        steps = sorted(int(manifest.stem) for manifest in self._manifests.glob("*.json"))
        there = [step for step in steps if (self._folder / str(step)).exists()]  # a damaged one has been moved away
        for step in set(steps).difference(there[-self._keep :]):
            shutil.rmtree(self._folder / str(step), ignore_errors=True)
            self._manifest(step).unlink()

    def restore(self, like: TrainState) -> TrainState:
        """Returns the newest checkpoint, with the shapes and the placement of `like`.

        Raises:
          UserError: the checkpoint does not match `like`.
        """
        assert self.latest_step is not None
        return _restore(self._manager, self._folder / str(self.latest_step), like)


def read_state(workdir: pathlib.Path, like: TrainState, at: int | None = None) -> TrainState:
    """Returns an intact checkpoint of a run, with the shapes and the placement of `like`, without changing the folder.

    Args:
      workdir: the run folder.
      like: a state of the run's model and optimiser.
      at: the step; None for the newest intact checkpoint.

    Raises:
      UserError: there is no such checkpoint, or it does not match `like`.
    """
    folder = (workdir / "checkpoints").resolve()
    manifests = sorted((workdir / "manifests").glob("*.json"), key=lambda path: int(path.stem), reverse=True)
    wanted = (path for path in manifests if at is None or path.stem == str(at))
    intact = (path.stem for path in wanted if damage(folder / path.stem, path) is None)
    step = next(intact, None)
    if step is None:
        which = "checkpoint" if at is None else f"checkpoint {at}"
        raise UserError(f"no intact {which} in {folder}")
    options = ocp.CheckpointManagerOptions(read_only=True)
    with ocp.CheckpointManager(folder, options=options) as manager:
        return _restore(manager, folder / step, like)


def _restore(manager: ocp.CheckpointManager, path: pathlib.Path, like: TrainState) -> TrainState:
    abstract = jax.tree.map(ocp.utils.to_shape_dtype_struct, like)
    try:
        return manager.restore(int(path.name), args=ocp.args.StandardRestore(abstract))
    except (ValueError, KeyError, TypeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise UserError(f"checkpoint {path} belongs to a different model: {reason}") from None
