"""Confidence intervals of means over a few seeds."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t

Values = Sequence[float] | NDArray[np.float64]


class Interval(NamedTuple):
    """The mean of `n` values and the bounds of its confidence interval, which are infinite for one value."""

    mean: float
    low: float
    high: float
    n: int


def t_interval(values: Values, comparisons: int = 1) -> Interval:
    """Returns Student's interval of the mean; `comparisons` of them hold simultaneously with 95 % (Bonferroni).

    Args:
      values: one or more independent values, one per seed; to compare two variants, the paired differences.
      comparisons: number of intervals that one conclusion depends on.
    """
    mean, n = float(np.mean(values)), len(values)
    half = math.inf if n < 2 else float(t.ppf(1 - 0.025 / comparisons, n - 1)) * standard_error(values)
    return Interval(mean, mean - half, mean + half, n)


def standard_error(values: Values) -> float:
    """Returns the standard error of the mean; nan for a single value."""
    return float(np.std(values, ddof=1) / math.sqrt(len(values))) if len(values) > 1 else math.nan
