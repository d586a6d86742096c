"""Compares the training losses of two variants on equal batches."""

import numpy as np
from numpy.typing import NDArray

from studies.results import Results

DOUBLINGS = 3  # the last 2^-3 to 1 of the training is fitted; before that, the start of the training still shows


def paired_losses(
    results: Results, name: str, other: str
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Returns the steps [n] that all cells of two variants have logged, and the losses [seeds, n] of each variant.

    The seeds are those that both have finished. The two variants see the same batches at the same steps.
    """
    seeds = results.seeds(name, other)
    losses = {n: [dict(results.cells[n, seed]["loss"]) for seed in seeds] for n in (name, other)}
    steps = sorted(set.intersection(*(set(curve) for curves in losses.values() for curve in curves)))
    mine, theirs = (np.array([[curve[step] for step in steps] for curve in losses[n]]) for n in (name, other))
    return np.array(steps), mine, theirs


def excess(results: Results, name: str, other: str) -> NDArray[np.float64]:
    """Fits the loss of `name` above the loss of `other`, for each seed that both have finished.

    The fit is log(loss / other loss) = a + b log2(step / last step) by least squares over the steps that all have
    logged.

    Returns:
      [seeds, 2]: 100 a, the excess at the last step, and 100 b, its change with each doubling of the steps, both in
      percent of the loss; nan if fewer than two steps can be fitted.
    """
    steps, mine, theirs = paired_losses(results, name, other)
    late = steps >= steps.max(initial=0) / 2**DOUBLINGS
    if late.sum() < 2:
        return np.full((len(mine), 2), np.nan)
    slopes, levels = np.polyfit(np.log2(steps[late] / steps[-1]), np.log(mine / theirs)[:, late].T, 1)
    return 100 * np.column_stack([levels, slopes])
