"""Paired timing: candidates run in turns, so that whatever else the machine does falls on all of them alike."""

import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np


def in_turns(candidates: Mapping[str, Callable[[], Any]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each call, `rounds` for each candidate, after one that compiles."""
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
    """The median over the rounds of how many times as long as the reference it took."""
    return statistics.median(a / b for a, b in zip(seconds, reference, strict=True))


def ratio_interval(seconds: list[float], reference: list[float]) -> tuple[float, float, float]:
    """The median ratio of paired times, and the bounds of its 95 % confidence interval.

    The interval is a percentile bootstrap of the median over the rounds' ratios.
    """
    ratios = np.array(seconds) / np.array(reference)
    draws = np.random.default_rng(0).choice(ratios, (10_000, len(ratios)))
    low, high = np.percentile(np.median(draws, axis=1), [2.5, 97.5])
    return float(np.median(ratios)), float(low), float(high)


def machine() -> str:
    """Device, versions and date, for the line above a table."""
    device = jax.devices()[0]
    return f"{device.platform}, {device.device_kind}, jax {jax.__version__}, {time.strftime('%Y-%m-%d')}"
