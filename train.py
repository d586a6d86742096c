"""Trains a network: python train.py --config configs/cms_x4.py [--workdir DIR] [--config.training.steps=1000]."""

import pathlib
import sys

from absl import flags
from ml_collections import config_flags

from lapsrn_jax.errors import run_with_flags

_CONFIG = config_flags.DEFINE_config_file("config", None, "The run's config, such as configs/cms_x4.py.")
flags.mark_flag_as_required("config")
_WORKDIR = flags.DEFINE_string(
    "workdir", None, "The run's folder; runs/NAME for configs/NAME.py if not given, runs/NAME_X for NAME.py:X."
)
_DISTRIBUTED = flags.DEFINE_bool("distributed", False, "Whether this is one process of several that JAX can find.")
_COORDINATOR = flags.DEFINE_string("coordinator", None, "Where it cannot: HOST:PORT of process 0, with the next two.")
_PROCESSES = flags.DEFINE_integer("processes", None, "How many processes there are.")
_PROCESS = flags.DEFINE_integer("process", None, "Which one this is, from 0.")


def main() -> None:
    """Reads the flags and trains."""
    from lapsrn_jax.training.distributed import start_processes  # JAX starts after the flags are read
    from lapsrn_jax.training.interrupts import STOPPED
    from lapsrn_jax.training.loop import train_and_evaluate

    path, _, argument = config_flags.get_config_filename(flags.FLAGS["config"]).partition(":")
    name = "_".join(filter(None, [pathlib.Path(path).stem, argument]))
    if _DISTRIBUTED.value or _COORDINATOR.value:
        start_processes(_COORDINATOR.value, _PROCESSES.value, _PROCESS.value)
    if not train_and_evaluate(_CONFIG.value, pathlib.Path(_WORKDIR.value or f"runs/{name}")):
        sys.exit(STOPPED)


if __name__ == "__main__":
    run_with_flags(main)
