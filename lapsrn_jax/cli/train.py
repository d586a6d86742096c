"""`lapsrn train`: starts or resumes a training run from a config and overrides of its settings."""

import argparse
import os
import pathlib
import sys
from typing import Any

from lapsrn_jax.errors import UserError


def add_to(commands: Any) -> None:
    """Declares the command."""
    parser = commands.add_parser(
        "train",
        help="train a network, or resume its training",
        epilog="Any setting of the config can be overridden, as in --config.training.steps=1000.",
    )
    parser.add_argument("--config", required=True, metavar="FILE", help="config of the run, such as configs/cms_x4.py")
    parser.add_argument(
        "--workdir", type=pathlib.Path, metavar="FOLDER",
        help="folder of the run (default: runs/NAME for configs/NAME.py, runs/NAME_X for configs/NAME.py:X)",
    )  # fmt: skip
    several = parser.add_argument_group("several processes")
    several.add_argument("--distributed", action="store_true", help="let JAX find the processes (Slurm, Open MPI, ...)")
    several.add_argument("--coordinator", metavar="HOST:PORT", help="address of process 0, if JAX cannot find it")
    several.add_argument("--processes", type=int, metavar="N", help="number of processes, with --coordinator")
    several.add_argument("--process", type=int, metavar="I", help="index of this process from 0, with --coordinator")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Trains. The exit status is 75 if a signal stopped the run."""
    if not options.coordinator and (options.processes, options.process) != (None, None):
        raise UserError("--processes and --process need --coordinator HOST:PORT")
    config = read_config(options.config, options.overrides)  # before JAX starts

    from absl import flags, logging

    from lapsrn_jax.training.distributed import start_processes
    from lapsrn_jax.training.interrupts import STOPPED
    from lapsrn_jax.training.loop import train_and_evaluate

    flags.FLAGS.mark_as_parsed()  # grain reads an absl flag
    logging.set_verbosity(logging.WARNING)  # orbax and JAX log a lot at level INFO
    path, _, argument = options.config.partition(":")
    name = "_".join(filter(None, [pathlib.Path(path).stem, argument]))
    if options.distributed or options.coordinator:
        start_processes(options.coordinator, options.processes, options.process)
    if not train_and_evaluate(config, options.workdir or pathlib.Path("runs", name)):
        sys.exit(STOPPED)


def read_config(path: str, overrides: list[str]) -> Any:
    """Reads the `ConfigDict` of a config file and applies overrides.

    Args:
      path: the file, or `file:argument` for a config with an argument.
      overrides: options such as "--config.seed=1".

    Raises:
      UserError: the file does not exist or is not a config, or an override does not fit it.
    """
    from absl import flags
    from ml_collections import config_flags

    file = pathlib.Path(path.partition(":")[0])
    if not file.is_file():
        raise UserError(f"no such config: {file}")
    sys.path[:0] = [os.getcwd(), str(file.resolve().parents[1])]  # configs import others, such as `configs.default`
    values, arguments = flags.FlagValues(), ["lapsrn train", f"--config={path}", *overrides]
    config = config_flags.DEFINE_config_file("config", flag_values=values, sys_argv=arguments)
    try:
        rest = values(arguments)
    except flags.Error as error:
        raise UserError(f"{_one_line(error)} (see lapsrn train --help)") from None
    except Exception as error:  # a config is code and may raise anything
        kind = type(error).__name__
        raise UserError(f"the config or an override is wrong: {kind}: {_one_line(error)}") from None
    if len(rest) > 1:
        raise UserError(f"unrecognized arguments: {' '.join(rest[1:])} (see lapsrn train --help)")
    return config.value


def _one_line(error: Exception) -> str:
    text = str(error.args[0] if error.args else error).replace("\\n", " ").replace("\\", "").strip()
    if "Traceback" in text:  # absl quotes the traceback of a parser; its last line is the error
        text = text.splitlines()[-1]
    text = " ".join(text.split())
    return text[1:-1] if text[:1] == text[-1:] == "'" else text
