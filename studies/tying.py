"""The tying study: what does sharing a kernel with the upsampler mean, and what is it worth?

    python -m studies.tying --config studies/configs/mini.py
    python -m studies.report runs/tying_mini

trains and measures every cell of a grid (see grid.py) into FOLDER/cells, then makes the report of what is there.
Finished cells are skipped, whatever stops a cell the same command goes on with it, and any number of processes, also on
several machines, may share the folder; each takes the cells that no other has. On a CPU one process a core is best:

    taskset -c 0 python -m studies.tying --config studies/configs/mini.py &
    taskset -c 1 python -m studies.tying --config studies/configs/mini.py

On CPUs the results are the same to the byte however the work was shared or interrupted, provided that all processes
have the same number of cores, as taskset gives them here. On a machine with several GPUs start one process for each,
with CUDA_VISIBLE_DEVICES.

Exit status: 0, all is done or in others' hands; 75, a signal stopped it and the same command goes on; 1, cells failed;
2, bad input.
"""

import argparse
import pathlib
import sys

from lapsrn_jax.errors import reported

# The processes that make batches read this file again: JAX is none of their business, and comes in with main().


def arguments(description: str | None) -> argparse.Namespace:
    """The command line: `config`, a grid's file, and `folder`, that of the results."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=pathlib.Path, required=True, help="a grid, such as studies/configs/mini.py")
    parser.add_argument("--folder", type=pathlib.Path, help="of the results; runs/tying_NAME for NAME.py if not given")
    args = parser.parse_args()
    args.folder = args.folder or pathlib.Path(f"runs/tying_{args.config.stem}")
    return args


def main() -> None:
    """Reads the command line and works."""
    args = arguments(__doc__)
    with reported():
        from absl import logging

        from lapsrn_jax.cache import keep_compiled
        from studies.grid import load_grid
        from studies.run import run_grid

        logging.set_verbosity(logging.ERROR)  # orbax warns of each checkpoint that is only read
        keep_compiled()
        sys.exit(run_grid(load_grid(args.config), args.folder))


if __name__ == "__main__":
    main()
