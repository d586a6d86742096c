"""The tying study: what does sharing a kernel with the upsampler mean, and what does it gain?

    python -m studies.tying --config studies/configs/mini.py
    python -m studies.report runs/tying_mini

The first command trains and measures every cell of a grid (see grid.py) and writes the results to FOLDER/cells. The
second writes a report. Rerun the first command to resume after an interruption; finished cells are skipped. Any number
of processes, also on several machines, may share the folder: each takes cells that no other has claimed. On a CPU, one
process per core is best:

    taskset -c 0 python -m studies.tying --config studies/configs/mini.py &
    taskset -c 1 python -m studies.tying --config studies/configs/mini.py

On CPUs the results are identical to the byte, however the work is shared or interrupted, if all processes have the same
number of cores, as with taskset above. On a machine with several GPUs, start one process for each with
CUDA_VISIBLE_DEVICES.

The exit status is 0 if all cells are finished or claimed by other processes, 75 if a signal stopped the process (rerun
the command to resume), 1 if cells failed, and 2 for bad input.
"""

import argparse
import pathlib
import sys

from lapsrn_jax.errors import reported

# The data workers import this file again and must not load JAX, so main() imports it.


def arguments(description: str | None) -> argparse.Namespace:
    """Parses the command line: `config`, the file of a grid, and `folder`, for the results."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=pathlib.Path, required=True, help="a grid, such as studies/configs/mini.py")
    parser.add_argument(
        "--folder", type=pathlib.Path, help="folder for the results (default: runs/tying_NAME for NAME.py)"
    )
    args = parser.parse_args()
    args.folder = args.folder or pathlib.Path(f"runs/tying_{args.config.stem}")
    return args


def main() -> None:
    """Reads the command line and runs the study."""
    args = arguments(__doc__)
    with reported():
        from absl import logging

        from lapsrn_jax.cache import keep_compiled
        from studies.grid import load_grid
        from studies.run import run_grid

        logging.set_verbosity(logging.ERROR)  # orbax warns about each checkpoint opened for reading
        keep_compiled()
        sys.exit(run_grid(load_grid(args.config), args.folder))


if __name__ == "__main__":
    main()
