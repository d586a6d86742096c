"""Is the cost of sharing a matter of time? Three networks of `midi.py`, trained four times as long.

    taskset -c 0 python -m studies.tying --config studies/configs/long.py &
    taskset -c 1 python -m studies.tying --config studies/configs/long.py; wait
    python -m studies.report runs/tying_long

Everything else is as in `midi.py`, with the first of its seeds, so that differences can be compared seed by seed.

This grid was chosen after the results of `midi.py`. adjoint_3 and init_3 are the two variants closest in construction:
they start alike, and only one of them shares its kernel. Over the seeds of `midi.py`, their difference in PSNR has a
standard deviation of 0.015 dB at x2, 0.005 dB at x4 and 0.008 dB at x8. t-intervals of two seeds are nine standard
deviations wide on either side, so the report decides nothing; take the deviation from `midi.py`.
"""

import dataclasses

from studies.configs import midi
from studies.grid import Grid


def get_grid() -> Grid:
    """6 cells."""
    grid = midi.get_grid()
    variants = {name: grid.variants[name] for name in ("adjoint_3", "init_3", "ms")}
    return dataclasses.replace(grid, variants=variants, seeds=(0, 1), flops=1.6e14)
