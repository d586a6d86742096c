"""The run folder: its config, its lock, and the weights files that training writes."""

import json
import os
import pathlib
import platform
import types
from typing import Any

import filelock
import jax
import ml_collections

from lapsrn_jax.errors import UserError
from lapsrn_jax.files import atomic_write, remove_partial
from lapsrn_jax.models import SuperResolver
from lapsrn_jax.training.distributed import is_primary, together
from lapsrn_jax.training.logs import revision
from lapsrn_jax.training.settings import completed
from lapsrn_jax.training.state import TrainState
from lapsrn_jax.training.step import as_numpy
from lapsrn_jax.weights.files import FILE_NAME, read_info, save_weights

BEST = "best.safetensors"


class RunFolder:
    """The folder of one run: a context manager that locks it for this trainer.

    `config.json` records the run's config. A resumed run may change the settings in `config.training`, such as its
    length and its intervals, and `config.data.workers`, which affects no batch. It may not change the others.

    Raises:
      UserError: the folder cannot be written, holds another run, or is in use by another trainer.
    """

    def __init__(self, path: pathlib.Path, config: ml_collections.ConfigDict) -> None:
        self.path = path.resolve()
        self._config: dict[str, Any] = json.loads(json.dumps(config.to_dict()))
        self._steps = config.training.steps
        self._lock = filelock.FileLock(self.path / "lock")
        self._holder = self.path / "lock.holder"  # apart: on Windows, others cannot read a locked file

    def __enter__(self) -> "RunFolder":
        try:
            with together():
                self._check_config()
                self.path.mkdir(parents=True, exist_ok=True)
                if is_primary():
                    self._take_lock()
                    for name in (FILE_NAME, BEST, "config.json"):
                        remove_partial(self.path / name)
                    with atomic_write(self.path / "config.json") as partial:
                        partial.write_text(json.dumps(self._config, indent=2) + "\n")
        except OSError as error:
            raise UserError(f"cannot write to {self.path}: {error.strerror}") from None
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: types.TracebackType | None) -> None:
        if is_primary():
            self._holder.unlink(missing_ok=True)
            self._lock.release()
        if isinstance(error, OSError):  # most often a full disk, which any file can hit
            raise UserError(
                f"cannot write to {self.path}: {error.strerror or error}; its checkpoints are kept"
            ) from None

    def _check_config(self) -> None:
        path = self.path / "config.json"
        if not path.exists() or not any((self.path / "manifests").glob("*.json")):
            return  # before its first checkpoint a run may still change its config
        try:
            theirs = json.loads(path.read_text())
        except ValueError:
            raise UserError(f"{path} is damaged: repair it or pass another --workdir") from None
        for name in differences(completed(theirs), self._config):
            if not name.startswith("training.") and name != "data.workers":
                raise UserError(f"{self.path} holds a run with a different value of {name}: pass another --workdir")

    def _take_lock(self) -> None:
        try:
            self._lock.acquire(blocking=False)  # the kernel releases it if the process is killed
        except filelock.Timeout:
            holder = self._holder.read_text() if self._holder.exists() else "another process"
            raise UserError(f"{self.path} is in use by {holder}: wait for it or pass another --workdir") from None
        self._holder.write_text(f"process {os.getpid()} on {platform.node()}")

    def save_weights(self, model: SuperResolver, state: TrainState) -> None:
        """Writes the current weights to `weights.safetensors`."""
        self._save(FILE_NAME, model, state, {})

    def save_if_best(self, model: SuperResolver, state: TrainState, psnr: float) -> None:
        """Writes `best.safetensors` if this is the run's highest mean PSNR in validation so far."""
        best = (
            read_info(self.path / BEST).get("validation_psnr", float("-inf")) if (self.path / BEST).exists() else None
        )
        if best is None or psnr > best:
            self._save(BEST, model, state, {"validation_psnr": psnr})

    def _save(self, name: str, model: SuperResolver, state: TrainState, more: dict[str, Any]) -> None:
        info = {"step": int(state.step), "steps": self._steps, "revision": revision(), "jax": jax.__version__} | more
        save_weights(self.path / name, model, as_numpy(state.weights), info)


def differences(a: Any, b: Any, name: str = "") -> list[str]:
    """Returns the dotted names of the settings in which two configs differ."""
    if isinstance(a, dict) and isinstance(b, dict):
        keys = sorted(a.keys() | b.keys())
        return [found for key in keys for found in differences(a.get(key), b.get(key), f"{name}.{key}".lstrip("."))]
    return [] if a == b else [name]
