"""A run's folder: whose it is, who may write to it, and the weights that come out of it."""

import fcntl
import json
import os
import pathlib
import platform
import types
from typing import Any

import jax
import ml_collections

from lapsrn_jax.errors import UserError
from lapsrn_jax.files import atomic_write
from lapsrn_jax.models import SuperResolver
from lapsrn_jax.training.distributed import is_primary
from lapsrn_jax.training.logs import revision
from lapsrn_jax.training.state import TrainState
from lapsrn_jax.training.step import as_numpy
from lapsrn_jax.weights.files import FILE_NAME, read_info, save_weights

BEST = "best.safetensors"


class RunFolder:
    """The folder of one run, while its trainer has it: a context manager that holds a lock.

    `config.json` says whose it is. What `config.training` says (how long, how often) may change between the parts of a
    run, the rest may not.

    Raises:
      UserError: it cannot be written, holds another run, or another trainer is at work in it.
    """

    def __init__(self, path: pathlib.Path, config: ml_collections.ConfigDict) -> None:
        self.path = path.resolve()
        self._config: dict[str, Any] = json.loads(json.dumps(config.to_dict()))
        self._steps = config.training.steps

    def __enter__(self) -> "RunFolder":
        try:
            self._check_config()
            self.path.mkdir(parents=True, exist_ok=True)
            if is_primary():
                self._take_lock()
                with atomic_write(self.path / "config.json") as partial:
                    partial.write_text(json.dumps(self._config, indent=2) + "\n")
        except OSError as error:
            raise UserError(f"cannot write to {self.path}: {error.strerror}") from None
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: types.TracebackType | None) -> None:
        if is_primary():
            os.close(self._lock)
        if isinstance(error, OSError):  # a full disk, most often, whichever file met it
            raise UserError(f"cannot write to {self.path}: {error.strerror or error}; its checkpoints stay") from None

    def _check_config(self) -> None:
        path = self.path / "config.json"
        if not path.exists() or not any((self.path / "manifests").glob("*.json")):
            return  # a run that has not come to its first checkpoint may still change its mind
        try:
            theirs = json.loads(path.read_text())
        except ValueError:
            raise UserError(f"{path} is damaged: mend it, or give another --workdir") from None
        for name in differences(theirs, self._config):
            if not name.startswith("training."):
                raise UserError(f"{self.path} holds a run with another {name}: give another --workdir")

    def _take_lock(self) -> None:
        self._lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT)  # the kernel frees it, however we end
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(self._lock, 200).decode(errors="replace").strip() or "another process"
            os.close(self._lock)
            raise UserError(f"{self.path} is in use by {holder}: wait for it, or give another --workdir") from None
        os.truncate(self._lock, 0)
        os.write(self._lock, f"process {os.getpid()} on {platform.node()}\n".encode())

    def save_weights(self, model: SuperResolver, state: TrainState) -> None:
        """Writes the newest weights, `weights.safetensors`."""
        self._save(FILE_NAME, model, state, {})

    def save_if_best(self, model: SuperResolver, state: TrainState, psnr: float) -> None:
        """Writes `best.safetensors` if no weights of this run had a higher mean PSNR in validation."""
        best = (
            read_info(self.path / BEST).get("validation_psnr", float("-inf")) if (self.path / BEST).exists() else None
        )
        if best is None or psnr > best:
            self._save(BEST, model, state, {"validation_psnr": psnr})

    def _save(self, name: str, model: SuperResolver, state: TrainState, more: dict[str, Any]) -> None:
        info = {"step": int(state.step), "steps": self._steps, "revision": revision(), "jax": jax.__version__} | more
        save_weights(self.path / name, model, as_numpy(state.weights), info)


def differences(a: Any, b: Any, name: str = "") -> list[str]:
    """Dotted names of the settings in which two configs differ."""
    if isinstance(a, dict) and isinstance(b, dict):
        keys = sorted(a.keys() | b.keys())
        return [found for key in keys for found in differences(a.get(key), b.get(key), f"{name}.{key}".lstrip("."))]
    return [] if a == b else [name]
