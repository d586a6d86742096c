"""How sure a mean over a few seeds is."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.stats import t


class Interval(NamedTuple):
    """A mean of `n` values and the bounds of its confidence interval; of one value they are infinite."""

    mean: float
    low: float
    high: float
    n: int


def t_interval(values: Sequence[float], comparisons: int = 1) -> Interval:
    """Student's interval of the mean; all of `comparisons` such intervals hold together with 95 % (Bonferroni).

    Args:
      values: independent ones, one a seed; the differences of pairs, where two variants are compared. One at least.
      comparisons: how many intervals are looked at for one conclusion.
    """
    mean, n = float(np.mean(values)), len(values)
    half = math.inf if n < 2 else float(t.ppf(1 - 0.025 / comparisons, n - 1)) * standard_error(values)
    return Interval(mean, mean - half, mean + half, n)


def standard_error(values: Sequence[float]) -> float:
    """Of the mean; nan for a single value."""
    return float(np.std(values, ddof=1) / math.sqrt(len(values))) if len(values) > 1 else math.nan
