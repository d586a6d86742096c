"""Times a training step and one picture for each variant, in turns in one process, for reliable ratios.

    python -m studies.times --config studies/configs/mini.py

writes FOLDER/times.json. Times are not reproducible, so they are separate from the cells. Run nothing else at the same
time. If interrupted, it starts over, but reuses compiled programs from the disk.
"""

import json
from collections.abc import Callable
from typing import Any

import jax

from lapsrn_jax import models
from lapsrn_jax.cache import keep_compiled
from lapsrn_jax.errors import reported
from lapsrn_jax.files import atomic_write
from studies.grid import Cell, Grid, load_grid
from studies.run import enter
from studies.tying import arguments
from tools.timing import in_turns, machine
from tools.train_step import TimedStep, random_images

ROUNDS = 200
SIDE = 32  # side of the picture, in LR pixels
AGAIN = " again"  # marks a repetition of the first variant, which shows the timing noise


def measure(grid: Grid, rounds: int = ROUNDS) -> dict[str, Any]:
    """Returns the seconds of each round at the grid's largest scale, JSON-ready.

    A step uses the grid's batch and patch size, with all samples at that scale.
    """
    data, scale = grid.base.data, max(grid.base.data.scales)
    images = random_images(data.batch_size, data.patch_size, scale)
    lr = jax.numpy.asarray(random_images(1, SIDE, 1)[0])

    def picture(name: str) -> Callable[[], Any]:
        model = grid.model(name)
        params = models.initial(model, jax.random.key(0))
        apply = jax.jit(lambda params, lr: model.apply({"params": params}, lr, scale)[-1])
        return lambda: apply(params, lr)

    def step(name: str) -> Callable[[], Any]:
        return TimedStep(
            grid.config(Cell(name, grid.seeds[0])), {scale: images}, grid.base.training.dtype, grid.model(name)
        )

    names = {name: name for name in grid.variants}
    names |= {f"{(first := next(iter(names)))}{AGAIN}": first}
    seconds = {
        kind: in_turns({label: make(name) for label, name in names.items()}, rounds)
        for kind, make in (("step", step), ("picture", picture))
    }
    return {"machine": machine(), "scale": scale, "side": SIDE} | seconds


def main() -> None:
    """Measures the times and writes the file."""
    args = arguments(__doc__)
    with reported():
        keep_compiled()
        grid, path = load_grid(args.config), args.folder / "times.json"
        enter(grid, args.folder)
        times = measure(grid)
        with atomic_write(path) as partial:
            partial.write_text(json.dumps(times) + "\n")
        print(path)


if __name__ == "__main__":
    main()
