"""Does the gap close with more training? The networks of `midi.py` that the question is about, for four times as long.

    taskset -c 0 python -m studies.tying --config studies/configs/long.py &
    taskset -c 1 python -m studies.tying --config studies/configs/long.py; wait
    python -m studies.report runs/tying_long

Everything else is as in `midi.py`, with the first of its seeds, so that the differences of both studies can be
compared seed by seed. Two seeds cannot decide the paper's claims: the report's intervals of scores are wide. The
training loss has less noise, and the report fits how its difference changes with the steps.
"""

import dataclasses

from studies.configs import midi
from studies.grid import Grid


def get_grid() -> Grid:
    """4 cells."""
    grid = midi.get_grid()
    variants = {name: grid.variants[name] for name in ("ms", "adjoint_3")}
    return dataclasses.replace(grid, variants=variants, seeds=(0, 1), flops=1.6e14)
