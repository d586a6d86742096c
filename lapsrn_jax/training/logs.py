"""What a run says while it trains: a progress bar, a JSON line per record, TensorBoard curves."""

import importlib.metadata
import json
import pathlib
import platform
import subprocess
import sys
import time
import types
from typing import Any

import jax
import tensorboardX
import tqdm

_PACKAGES = ("jax", "flax", "optax", "orbax-checkpoint", "grain", "numpy")


class Log:
    """A run's log, in `log.jsonl` and `tensorboard/` of its folder; a context manager.

    Args:
      folder: the run folder.
      steps: how many steps the run has in all.
      first_step: how many of them lie behind it.
    """

    def __init__(self, folder: pathlib.Path, steps: int, first_step: int) -> None:
        self._file = (folder / "log.jsonl").open("a", encoding="utf-8")
        self._curves = tensorboardX.SummaryWriter(str(folder / "tensorboard"))
        self._bar = tqdm.tqdm(total=steps, initial=first_step, unit="step", desc="training", dynamic_ncols=True,
                              mininterval=0.5 if sys.stderr.isatty() else 30)  # fmt: skip
        self._shown: dict[str, str] = {}

    def __enter__(self) -> "Log":
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: types.TracebackType | None) -> None:
        self._bar.close()
        self._curves.close()
        self._file.close()

    def advance(self) -> None:
        """Moves the progress bar by one step."""
        self._bar.update()

    def write(self, step: int, values: dict[str, float]) -> None:
        """Records numbers of a step, everywhere."""
        self._line({"step": step, **values})
        for name, value in values.items():
            self._curves.add_scalar(name, value, step)
        self._shown |= {name: f"{value:.4g}" for name, value in values.items() if name in ("loss", "images_per_second")}
        self._shown |= {name: f"{value:.2f} dB" for name, value in values.items() if name.startswith("psnr")}
        self._bar.set_postfix(self._shown)

    def start(self, step: int) -> None:
        """Records where and with what the run starts or goes on: code revision, versions, devices."""
        versions = {package: importlib.metadata.version(package) for package in _PACKAGES}
        self._line(
            {"step": step, "revision": revision(), "python": platform.python_version(), **versions,
             "devices": [device.device_kind for device in jax.devices()], "time": time.time()}
        )  # fmt: skip

    def say(self, text: str) -> None:
        """A line for the person at the terminal, above the progress bar."""
        self._bar.write(text, file=sys.stderr)

    def _line(self, record: dict[str, Any]) -> None:
        self._file.write(json.dumps(record) + "\n")
        self._file.flush()


def revision() -> str:
    """The git revision of the code that runs, with "+" if its files have changed since; "unknown" outside of git."""
    here = pathlib.Path(__file__).parent
    command = ["git", "-C", str(here), "describe", "--always", "--abbrev=12", "--dirty=+", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
