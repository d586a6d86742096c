"""Works through the cells of a study, possibly beside other processes."""

import json
import pathlib
import shutil
import sys

from lapsrn_jax.data.sources import Picture, evaluation_pictures, hold_out, training_pictures
from lapsrn_jax.errors import UserError
from lapsrn_jax.files import atomic_write, locked
from lapsrn_jax.training.folder import differences
from lapsrn_jax.training.interrupts import STOPPED, StopRequest
from lapsrn_jax.training.settings import completed
from studies.cells import Sets, finish, result_file, run_folder
from studies.grid import HELD_OUT, Cell, Grid


def run_grid(grid: Grid, folder: pathlib.Path) -> int:
    """Works through the cells that no other process has claimed.

    Returns:
      The exit status: 0 if all cells are finished or claimed by other processes, 1 if cells failed, 75 if a signal
      stopped it.

    Raises:
      UserError: photographs are missing, or the folder belongs to a different grid.
    """
    sets = _read_sets(grid)
    enter(grid, folder)
    failed: set[str] = set()
    progress = True
    with StopRequest() as stop:
        while progress:  # make another pass, as others may have abandoned cells
            progress = False
            for cell in _unfinished(grid, folder):
                if cell.name in failed:
                    continue
                with locked(folder / "runs" / f"{cell.name}.lock", wait=False) as ours:
                    if not ours or result_file(folder, cell).exists():
                        continue
                    try:
                        progress |= finish(grid, cell, sets, folder)
                    except UserError as error:
                        print(f"error: {cell.name}: {error}", file=sys.stderr)
                        failed.add(cell.name)
                if stop.received:
                    return STOPPED
    left = [cell.name for cell in _unfinished(grid, folder) if cell.name not in failed]
    print(f"{folder}: {len(grid.cells) - len(left) - len(failed)} of {len(grid.cells)} cells are finished")
    if left:
        print(f"other processes have {', '.join(left)}; if they stop, run the same command again")
    return 1 if failed else 0


def _unfinished(grid: Grid, folder: pathlib.Path) -> list[Cell]:
    return [cell for cell in grid.cells if not result_file(folder, cell).exists()]


def _read_sets(grid: Grid) -> Sets:
    """Returns the pictures of each set by folder name; the `UserError` for a missing set says how to get it."""
    try:
        sets = {pathlib.Path(folder).name: evaluation_pictures(folder) for folder in grid.sets}
    except UserError as error:
        raise UserError(f"{error}; `lapsrn prepare benchmarks --folder data` downloads the sets into data/") from None
    training = _training_pictures(grid)  # one error for missing photographs, instead of one from each cell
    if grid.base.data.hold_out:
        sets = {HELD_OUT: hold_out(training, grid.base.data.hold_out)[1]} | sets
    for name, pictures in sets.items():
        if len({pathlib.PurePath(picture.name).name for picture in pictures}) < len(pictures):
            raise UserError(f"two pictures of {name} have the same name: rename one")
    return sets


def _training_pictures(grid: Grid) -> list[Picture]:
    try:
        return training_pictures(grid.base.data.train)
    except UserError:
        raise UserError(
            f"no photographs in {grid.base.data.train}, which the grid trains on: put the data sets there"
        ) from None


def enter(grid: Grid, folder: pathlib.Path) -> None:
    """Creates the folder for this grid; raises `UserError` if it belongs to a different grid."""
    for name in ("cells", "runs"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    path = folder / "grid.json"
    with locked(folder / "runs" / "grid.lock"):
        if not path.exists():
            with atomic_write(path) as partial:
                partial.write_text(json.dumps(grid.describe(), indent=1) + "\n")
        theirs = json.loads(path.read_text())
        for name in differences(theirs | {"base": completed(theirs["base"])}, grid.describe()):
            raise UserError(f"{folder} holds a study with a different value of {name}: pass another --folder")
    for cell in grid.cells:  # left by a kill between writing the result and deleting the run
        if result_file(folder, cell).exists():
            shutil.rmtree(run_folder(folder, cell), ignore_errors=True)
