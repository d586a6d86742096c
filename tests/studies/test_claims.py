"""The statistics of the study and the verdicts that follow from them."""

import numpy as np
import pytest

from studies.claims import claims
from studies.intervals import standard_error, t_interval
from studies.results import Results


def test_the_interval_covers_as_often_as_it_says(rng):
    samples = rng.normal(1.0, 2.0, (4000, 4))
    alone = np.mean([low < 1 < high for _, low, high, _ in map(t_interval, samples)])
    assert abs(alone - 0.95) < 0.015
    together = [all(low < 1 < high for _, low, high, _ in (t_interval(s, 4) for s in group))
                for group in samples.reshape(1000, 4, 4)]  # fmt: skip
    assert abs(np.mean(together) - 0.95) < 0.03


def test_the_interval_of_a_known_sample():
    """Student's factor for three values is 4.303."""
    interval = t_interval([1.0, 2.0, 3.0])
    assert interval.mean == 2
    assert interval.high == pytest.approx(2 + 4.3027 / 3**0.5, abs=1e-4)
    assert standard_error([1.0, 2.0, 3.0]) == pytest.approx(3**-0.5)


def test_one_seed_decides_nothing():
    assert t_interval([5.0])[1:] == (-np.inf, np.inf, 1)


TYING = {"layer": 3, "swap_channels": True, "flip_taps": True, "gradient": "both", "strength": "hard", "penalty": 0.0,
         "bias": "own"}  # fmt: skip


def study(rng, gains, times=None, noise=1e-3):
    """Returns a study in which adjoint_3 is better than the others by `gains` at x2 and x4, with this noise."""
    variants = {"ms": None, "adjoint_3": TYING, "adjoint_1": TYING | {"layer": 1}}
    grid = {
        "base": {"model": {"depth": 5, "features": 8}, "data": {"scales": [2, 4], "hold_out": 0}},
        "variants": {name: {"tying": tying, "use_bias": False} for name, tying in variants.items()},
        "seeds": [0, 1, 2],
        "sets": ["data/Set5"],
    }
    cells = {
        (name, seed): {
            "parameters": 5000 - 576 * (name != "ms"),
            "scores": [
                {"set": "Set5", "scale": s, "psnr": 30 + seed + gain * (name == "adjoint_3") + rng.normal(0, noise)}
                for s, gain in zip((2, 4), gains, strict=True)
            ],
        }
        for name in variants
        for seed in grid["seeds"]
    }
    return Results(grid, cells, times)


@pytest.mark.parametrize(("gains", "verdicts"), [
    ((0.1, 0.1), ("supported", "supported", "supported", "supported")),
    ((-0.01, -0.01), ("contradicted", "supported", "contradicted", "supported")),
    ((-0.1, 0.0), ("contradicted", "contradicted", "no difference worth having", "supported")),
])  # fmt: skip
def test_verdicts_follow_from_the_differences(rng, gains, verdicts):
    """The claims are: third layer best, comparable at x2, better at x4, fewer parameters."""
    assert tuple(claim.verdict for claim in claims(study(rng, gains))) == verdicts


def test_wide_intervals_around_zero_decide_nothing(rng):
    assert [claim.verdict for claim in claims(study(rng, (0.0, 0.0), noise=0.03))][2] == "undecided"


def test_held_out_photographs_decide_where_there_are_some(rng):
    """The benchmark sets are for the report."""
    results = study(rng, (0.1, 0.1))
    results.grid["base"]["data"]["hold_out"] = 20
    for (name, seed), cell in results.cells.items():
        worse = 30 + seed - 0.1 * (name == "adjoint_3")
        cell["scores"] += [{"set": "held out", "scale": s, "psnr": worse + rng.normal(0, 1e-3)} for s in (2, 4)]
    assert results.sets == ["held out", "Set5"]
    assert [claim.verdict for claim in claims(results)][:3] == ["contradicted"] * 3


@pytest.mark.parametrize(("ratio", "verdicts"), [
    (0.9, ("supported", "contradicted")), (1.0, ("contradicted", "supported")), (1.1, ("contradicted", "contradicted"))
])  # fmt: skip
def test_verdicts_about_time(rng, ratio, verdicts):
    """The claims are: shorter training, equal inference time."""
    seconds = {"ms": [1.0] * 9, "adjoint_3": list(ratio * rng.normal(1, 1e-3, 9))}
    found = claims(study(rng, (0, 0), {"step": seconds, "picture": seconds}))
    assert tuple(claim.verdict for claim in found[-2:]) == verdicts


def test_every_claim_names_its_files(rng):
    for claim in claims(study(rng, (0, 0))):
        assert "cells/" in claim.files or claim.files == "times.json"
