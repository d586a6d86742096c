"""Reports training progress: a progress bar, a JSON line per record, TensorBoard curves."""

import contextlib
import importlib.metadata
import json
import math
import os
import pathlib
import platform
import subprocess
import sys
import time
import types
from typing import Any

import jax
import numpy as np
import tensorboardX
import tqdm

from lapsrn_jax.training.distributed import is_primary

# The numbers that the progress bar shows: their label and format.
_SHOWN = {"loss": ("loss", "{:.4f}"), "images_per_second": ("images/s", "{:.1f}"), "waiting": ("waiting", "{:.0%}")}
_PACKAGES = ("jax", "flax", "optax", "orbax-checkpoint", "grain", "numpy")


class Log:
    """Writes a run's log to `log.jsonl` and `tensorboard/` in its folder; a context manager.

    Args:
      folder: the run folder.
      steps: total number of steps of the run.
      first_step: number of steps already taken.
    """

    def __init__(self, folder: pathlib.Path, steps: int, first_step: int) -> None:
        self._bar = tqdm.tqdm(
            total=steps, initial=first_step, unit="step", desc="training", dynamic_ncols=True,
            mininterval=0.5 if sys.stderr.isatty() else 30, disable=not is_primary(),
        )  # fmt: skip
        self._shown: dict[str, str] = {}
        self._file = self._board = None
        if is_primary():
            path = folder / "log.jsonl"
            self._file = path.open("a+b", buffering=0)  # a kill must not lose buffered lines
            if self._file.seek(0, os.SEEK_END):
                self._file.seek(-1, os.SEEK_END)
                if self._file.read() != b"\n":  # a kill or a full disk has cut the last line
                    self._file.write(b"\n")
            self._board = tensorboardX.SummaryWriter(str(folder / "tensorboard"))
            self._line(_beginning(first_step))
            self.say(f"{folder}: " + (f"resuming from step {first_step}" if first_step else "a new run"))

    def __enter__(self) -> "Log":
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: types.TracebackType | None) -> None:
        self._bar.close()
        if self._file and self._board:
            self._board.close()
            self._file.close()

    def advance(self) -> None:
        """Moves the progress bar by one step."""
        self._bar.update()

    def write(self, step: int, values: dict[str, float]) -> None:
        """Writes the numbers of a step to the log, to TensorBoard and to the progress bar."""
        if not self._board:
            return
        self._line({"step": step, **values})
        for name, value in values.items():
            self._board.add_scalar(name, value, step)
            if name in _SHOWN:
                label, form = _SHOWN[name]
                self._shown[label] = form.format(value)
            elif name.startswith("psnr"):
                self._shown[name.replace("psnr_", "")] = f"{value:.2f} dB"
        self._bar.set_postfix(self._shown)

    def show(self, step: int, pictures: dict[str, np.ndarray]) -> None:
        """Writes pictures, uint8 [H, W, 3] by name, to TensorBoard."""
        if self._board:
            for name, picture in pictures.items():
                self._board.add_image(name, picture, step, dataformats="HWC")

    def say(self, text: str) -> None:
        """Prints a line above the progress bar."""
        if self._board:
            self._bar.write(text, file=sys.stderr)

    def _line(self, record: dict[str, Any]) -> None:
        assert self._file is not None
        finite = {name: None if _is_odd(value) else value for name, value in record.items()}  # JSON has no NaN
        self._file.write(json.dumps(finite, allow_nan=False).encode() + b"\n")


def _is_odd(value: Any) -> bool:
    return isinstance(value, float) and not math.isfinite(value)


def read_log(folder: pathlib.Path) -> list[dict[str, Any]]:
    """Returns the records of a run's log, [] if there is none.

    A kill can cut a line short, which is left out, and a resumed run repeats the steps since its checkpoint. Numbers
    that are not finite, such as the loss of a skipped step, are None.
    """
    records: list[dict[str, Any]] = []
    path = folder / "log.jsonl"
    for line in path.read_text().splitlines() if path.exists() else ():
        with contextlib.suppress(ValueError):
            records.append(json.loads(line))
    return records


def _beginning(step: int) -> dict[str, Any]:
    """Describes the start of a run or of its continuation: code revision, versions, devices."""
    versions = {package: importlib.metadata.version(package) for package in _PACKAGES}
    devices = [device.device_kind for device in jax.devices()]
    return {"step": step, "revision": revision(), "python": platform.python_version(), **versions,
            "processes": jax.process_count(), "devices": devices, "time": time.time()}  # fmt: skip


def revision() -> str:
    """Returns the git revision of this code, with "+" if files have changed since; "unknown" outside of git."""

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(pathlib.Path(__file__).parent), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        git("ls-files", "--error-unmatch", __file__)  # fails if the package is installed inside an unrelated repository
        return git("describe", "--always", "--abbrev=12", "--dirty=+", "--exclude=*")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
