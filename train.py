"""Trains a network: python train.py --config configs/cms_x4.py [--workdir DIR] [--config.training.steps=1000]."""

import pathlib

from absl import flags
from ml_collections import config_flags

from lapsrn_jax.errors import run_with_flags

_CONFIG = config_flags.DEFINE_config_file("config", None, "The run's config, such as configs/cms_x4.py.")
flags.mark_flag_as_required("config")
_WORKDIR = flags.DEFINE_string("workdir", None, "The run's folder; runs/NAME for configs/NAME.py if not given.")


def main() -> None:
    """Reads the flags and trains."""
    from lapsrn_jax.training.loop import train_and_evaluate  # JAX starts after the flags are read

    name = pathlib.Path(config_flags.get_config_filename(flags.FLAGS["config"])).stem
    train_and_evaluate(_CONFIG.value, pathlib.Path(_WORKDIR.value or f"runs/{name}"))


if __name__ == "__main__":
    run_with_flags(main)
