"""Fits how the training loss of one variant compares with another's as the training goes on."""

import math

import numpy as np
from numpy.typing import NDArray

from studies.results import Results

DOUBLINGS = 3  # the last 2^-3 to 1 of the training is fitted; before that, the start of the training still shows


def excess(results: Results, name: str, other: str) -> NDArray[np.float64]:
    """Fits the loss of `name` above the loss of `other`, for each seed that both have finished.

    The two variants see the same batches at the same steps. The fit is log(loss / other loss) = a + b log2(step / last
    step) by least squares over the steps that both have logged.

    Returns:
      [seeds, 2]: 100 a, the excess at the last step, and 100 b, its change with each doubling of the steps, both in
      percent of the loss; nan if fewer than two steps can be fitted.
    """
    return np.array([_fit(*(results.cells[n, seed]["loss"] for n in (name, other)))
                     for seed in results.seeds(name, other)]).reshape(-1, 2)  # fmt: skip


def _fit(mine: list[list[float]], theirs: list[list[float]]) -> tuple[float, float]:
    (steps, losses), (other_steps, others) = np.array(mine).T, np.array(theirs).T
    common, i, j = np.intersect1d(steps, other_steps, return_indices=True)
    late = common >= common.max(initial=0) / 2**DOUBLINGS
    if late.sum() < 2:
        return math.nan, math.nan
    slope, level = np.polyfit(np.log2(common / common[-1])[late], np.log(losses[i] / others[j])[late], 1)
    return 100 * float(level), 100 * float(slope)
