"""The hypotheses on why tying costs quality, on studies whose answers are known."""

import dataclasses

import numpy as np
import pytest

from lapsrn_jax.models import Tying
from studies.hypotheses import gaps, hypotheses
from studies.results import Results
from studies.scaled import ScaledTying

VARIANTS = {
    "ms": None,
    "paper": Tying(),
    "upsample": Tying(gradient="upsample"),
    "fixed": ScaledTying(gain=2.0),
    "learned": ScaledTying(gain=2.0, learn_gain=True),
    "half": ScaledTying(conv_weight=0.5),
}


def study(rng, above, *, begin=0.0, noise=1e-3):
    """Returns a study whose variants score this much above MS-LapSRN at x2 and x4.

    Args:
      rng: the source of the noise.
      above: dB by variant at the end of the training, for both scales or for each; the variants that are missing here
        have no cells.
      begin: dB by which the paper's tying is above MS-LapSRN at the first validation, for both scales or for each.
      noise: standard deviation of the scores, in dB.
    """
    tyings = {name: tying and dataclasses.asdict(tying) for name, tying in VARIANTS.items()}
    grid = {
        "base": {"data": {"scales": [2, 4], "hold_out": 20}},
        "variants": {name: {"tying": tying, "use_bias": False} for name, tying in tyings.items()},
        "seeds": [0, 1, 2, 3],
        "sets": [],
    }
    cells = {}
    for seed in grid["seeds"]:
        for name, gain in above.items():
            early = begin if name == "paper" else 0.0
            end, first = ([at + seed + x + rng.normal(0, noise) for x in np.broadcast_to(gains, 2)]
                          for at, gains in ((30, gain), (20, early)))  # fmt: skip
            cells[name, seed] = {
                "scores": [{"set": "held out", "scale": s, "psnr": psnr} for s, psnr in zip((2, 4), end, strict=True)],
                "validation": [[100, *first], [300, *end]],
            }
    return Results(grid, cells, None)


ABOVE = {"ms": 0.0, "paper": -0.2, "upsample": 0.0, "fixed": -0.2, "learned": 0.0, "half": -0.1}


def verdicts(results):
    """The verdicts on: upsampler alone, fixed gain, learned gain, conflict, speed."""
    return [claim.verdict for claim in hypotheses(results)]


@pytest.mark.parametrize(("above", "begin", "expected"), [
    ({}, -0.5, ["supported", "contradicted", "supported", "supported", "supported"]),
    ({"fixed": -0.09, "learned": -0.11}, -0.5, ["supported", "supported", "contradicted", "supported", "supported"]),
    ({"half": -0.3, "upsample": -0.15}, -0.1, ["contradicted", "contradicted", "supported", "contradicted",
                                               "contradicted"]),
    ({"half": 0.1}, -0.2, ["supported", "contradicted", "supported", "contradicted", "no difference worth having"]),
])  # fmt: skip
def test_verdicts_follow_from_the_differences(rng, above, begin, expected):
    assert verdicts(study(rng, ABOVE | above, begin=begin)) == expected


@pytest.mark.parametrize(("above", "begin", "expected"), [
    ({"upsample": (0, -0.09), "fixed": (-0.09, 0), "learned": (-0.09, -0.09)}, (-0.5, -0.5), "supported"),
    ({"upsample": (0, -0.2), "fixed": (-0.2, 0), "learned": (-0.11, -0.09)}, (-0.1, -0.5), "contradicted"),
    ({"upsample": (0, -0.1), "fixed": (-0.1, 0), "learned": (-0.1, -0.1)}, (-0.2, -0.5), "undecided"),
])  # fmt: skip
def test_support_needs_all_scales_and_contradiction_one(rng, above, begin, expected):
    found = verdicts(study(rng, ABOVE | above, begin=begin, noise=1e-4))
    assert found[:3] == [expected] * 3
    assert found[-1] == expected


def test_a_contradiction_by_any_scale_is_as_rare_as_its_intervals_say(rng):
    """Each of two intervals has a chance of one in eighty; uncorrected, one in twenty studies would be contradicted."""
    found = [
        verdicts(study(rng, {"ms": 0.0, "paper": -1.0, "learned": -0.5}, begin=-1.0, noise=0.1)) for _ in range(1000)
    ]
    assert 0.01 < np.mean([learned == "contradicted" for learned, _ in found]) < 0.04
    assert 0.01 < np.mean([speed == "contradicted" for _, speed in found]) < 0.04


@pytest.mark.parametrize(("half", "upsample", "expected"), [
    ((-0.1, -0.1), (0, 0), "supported"),
    ((-0.1, -0.3), (0, 0), "contradicted"),
    ((-0.1, -0.1), (0, -0.15), "contradicted"),
    ((-0.1, -0.2), (0, 0), "undecided"),
])  # fmt: skip
def test_conflict_needs_all_scales(rng, half, upsample, expected):
    results = study(rng, ABOVE | {"half": half, "upsample": upsample}, noise=1e-4)
    assert verdicts(results)[3] == expected


def test_speed_compares_the_seeds_that_have_both_steps(rng):
    """A cell may lack its last validation, another one its first."""
    results = study(rng, ABOVE, begin=-0.5)
    results.cells["paper", 0]["validation"].pop()
    results.cells["ms", 1]["validation"].pop(0)
    speed = hypotheses(results)[-1]
    assert speed.verdict == "supported"
    assert all(figure.endswith("2 pairs") for figure in speed.figures)


def test_noise_decides_nothing(rng):
    results = study(rng, {"ms": 0.0, "paper": -9.0, "upsample": -4.5, "fixed": -4.5, "half": -9.0}, noise=1.0, begin=-9)
    assert verdicts(results) == ["undecided"] * 4


@pytest.mark.parametrize("paper", [0.0, 0.2])
def test_without_a_gap_there_is_nothing_to_explain(rng, paper):
    results = study(rng, ABOVE | {"paper": paper}, noise=0.02)
    assert not gaps(results)
    assert not hypotheses(results)


def test_only_the_scales_with_a_gap_count(rng):
    results = study(rng, ABOVE)
    for seed in results.grid["seeds"]:
        results.cells["paper", seed]["scores"][1]["psnr"] += 0.3
    assert gaps(results) == [2]
    assert all("x2" in figure for claim in hypotheses(results) for figure in claim.figures)


def test_an_unfinished_study_tests_the_variants_that_it_has(rng):
    results = study(rng, {name: ABOVE[name] for name in ("ms", "paper", "learned")})
    assert [claim.text.split(":")[0] for claim in hypotheses(results)] == ["Scale", "Speed"]
    del results.cells["learned", 0], results.cells["paper", 1]  # two common seeds are left
    assert "2 pairs" in hypotheses(results)[0].figures[0]
    assert not hypotheses(study(rng, {"paper": 0.0}))
