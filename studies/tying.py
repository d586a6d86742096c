"""The tying study: what does sharing a kernel with the upsampler mean, and what is it worth?

    python -m studies.tying --config studies/configs/mini.py
    python -m studies.report runs/tying_mini

trains and measures every cell of a grid (see grid.py) into FOLDER/cells, then makes the report of what is there.
Finished cells are skipped, whatever stops a cell the same command goes on with it, and any number of processes, also on
several machines, may share the folder; each takes the cells that no other has. On a CPU one process a core is best:

    taskset -c 0 python -m studies.tying --config studies/configs/mini.py &
    taskset -c 1 python -m studies.tying --config studies/configs/mini.py

On CPUs the results are the same to the byte however the work was shared or interrupted, provided that all processes
have the same number of cores. To a GPU belongs one process; several, with CUDA_VISIBLE_DEVICES, to several.

Exit status: 0, all is done or in others' hands; 75, a signal stopped it and the same command goes on; 1, cells failed;
2, bad input.
"""

import argparse
import contextlib
import fcntl
import json
import pathlib
import shutil
import sys
from collections.abc import Iterator

from absl import logging

from lapsrn_jax.data.sources import evaluation_pictures, training_pictures
from lapsrn_jax.errors import UserError, reported
from lapsrn_jax.files import appearing
from lapsrn_jax.training.folder import differences
from lapsrn_jax.training.interrupts import STOPPED
from lapsrn_jax.upscaling.command import keep_compiled
from studies.cells import Sets, finish, result_file, run_folder
from studies.grid import Grid, load_grid


def run_grid(grid: Grid, folder: pathlib.Path) -> int:
    """Works through the cells that nobody else has; returns the exit status (see above).

    Raises:
      UserError: photographs that are not there, or a folder of another grid.
    """
    sets = read_sets(grid)
    training_pictures(grid.base.data.train)  # better one line now than one from each cell
    _enter(grid, folder)
    failed: set[str] = set()
    progress = True
    while progress:  # another pass: what others had may be free now, unfinished
        progress = False
        for cell in grid.cells:
            if cell.name in failed or result_file(folder, cell).exists():
                continue
            with _claim(folder / "runs" / f"{cell.name}.lock") as ours:
                if not ours or result_file(folder, cell).exists():
                    continue
                try:
                    if not finish(grid, cell, sets, folder):
                        return STOPPED
                    progress = True
                except UserError as error:
                    print(f"error: {cell.name}: {error}", file=sys.stderr)
                    failed.add(cell.name)
    left = [cell.name for cell in grid.cells if not result_file(folder, cell).exists() and cell.name not in failed]
    print(f"{folder}: {len(grid.cells) - len(left) - len(failed)} of {len(grid.cells)} cells are finished")
    if left:
        print(f"other processes have {', '.join(left)}; should they stop, the same command goes on")
    return 1 if failed else 0


def read_sets(grid: Grid) -> Sets:
    """The pictures of each set, by its folder's name; `UserError` that says where to get them."""
    try:
        return {pathlib.Path(folder).name: evaluation_pictures(folder) for folder in grid.sets}
    except UserError as error:
        raise UserError(f"{error}; `lapsrn prepare benchmarks --folder data` downloads the sets into data/") from None


def _enter(grid: Grid, folder: pathlib.Path) -> None:
    """Makes the folder this grid's, or raises `UserError` if it is another's."""
    for name in ("cells", "runs"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    path = folder / "grid.json"
    with _claim(folder / "runs" / "grid.lock", wait=True):
        if not path.exists():
            with appearing(path) as partial:
                partial.write_text(json.dumps(grid.describe(), indent=1) + "\n")
        for name in differences(json.loads(path.read_text()), grid.describe()):
            raise UserError(f"{folder} holds a study with another {name}: give another --folder")
    for cell in grid.cells:  # a kill between the result and the tidying up
        if result_file(folder, cell).exists():
            shutil.rmtree(run_folder(folder, cell), ignore_errors=True)


@contextlib.contextmanager
def _claim(path: pathlib.Path, wait: bool = False) -> Iterator[bool]:
    """Whether a lock is ours, until the context or this process ends; the file stays, which is what makes it safe."""
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
            return
        yield True


def options(description: str | None) -> tuple[Grid, pathlib.Path]:
    """The grid and the folder that a command line names."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=pathlib.Path, required=True, help="a grid, such as studies/configs/mini.py")
    parser.add_argument("--folder", type=pathlib.Path, help="of the results; runs/tying_NAME for NAME.py if not given")
    args = parser.parse_args()
    return load_grid(args.config), args.folder or pathlib.Path(f"runs/tying_{args.config.stem}")


def main() -> None:
    """Reads the command line and works."""
    with reported():
        grid, folder = options(__doc__)
        logging.set_verbosity(logging.ERROR)  # orbax warns of each checkpoint that is only read
        keep_compiled()
        sys.exit(run_grid(grid, folder))


if __name__ == "__main__":
    main()
