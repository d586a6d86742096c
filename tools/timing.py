"""Paired timing: candidates run in turns, so that other load on the machine affects all of them equally."""

import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np


def in_turns(candidates: Mapping[str, Callable[[], Any]], rounds: int) -> dict[str, list[float]]:
    """Returns the seconds of `rounds` calls of each candidate, after one call that compiles."""
    for call in candidates.values():
        jax.block_until_ready(call())
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(rounds):
        for name, call in candidates.items():
            start = time.perf_counter()
            jax.block_until_ready(call())
            seconds[name].append(time.perf_counter() - start)
    return seconds


def ratio(seconds: list[float], reference: list[float]) -> float:
    """Returns the median over the rounds of the ratio to the reference's time."""
    return statistics.median(a / b for a, b in zip(seconds, reference, strict=True))


def ratio_interval(seconds: list[float], reference: list[float]) -> tuple[float, float, float]:
    """Returns the median ratio of paired times and the bounds of its 95 % confidence interval.

    The interval is a percentile bootstrap of the median over the rounds' ratios.
    """
    ratios = np.array(seconds) / np.array(reference)
    draws = np.random.default_rng(0).choice(ratios, (10_000, len(ratios)))
    low, high = np.percentile(np.median(draws, axis=1), [2.5, 97.5])
    return float(np.median(ratios)), float(low), float(high)


def machine() -> str:
    """Returns device, versions and date, for the line above a table."""
    device = jax.devices()[0]
    return f"{device.platform}, {device.device_kind}, jax {jax.__version__}, {time.strftime('%Y-%m-%d')}"
