"""Fits of training losses."""

import dataclasses

import numpy as np
import pytest

from lapsrn_jax.models import Tying
from studies.curves import excess
from studies.report import _losses
from studies.results import Results


def study(rng, excesses, *, seeds=(0, 1), steps=range(20, 301, 20)):
    """Returns a study in which a variant's loss is above that of the paper's tying.

    Args:
      rng: the source of the losses of the batches.
      excesses: by variant: its excess at the last step in percent, its change with each doubling and its number of
        steps. Variants whose names end in "bias" have biases.
      seeds: the seeds of the cells.
      steps: the steps that are logged.
    """
    tyings = {name: Tying(layer=1) for name in excesses} | {"paper": Tying(), "paper_bias": Tying()}
    grid = {
        "variants": {
            name: {"tying": dataclasses.asdict(tying), "use_bias": name.endswith("bias")}
            for name, tying in tyings.items()
        },
        "seeds": seeds,
    }
    cells = {}
    for seed in seeds:
        batches = rng.uniform(0.05, 0.1, len(steps))
        for name in tyings:
            level, slope, total = excesses.get(name, (5 * name.endswith("bias"), 0, 300))
            losses = batches * np.exp((level + slope * np.log2(np.array(steps) / max(steps))) / 100)
            cells[name, seed] = {
                "loss": np.column_stack([steps, losses]).tolist(), "config": {"training": {"steps": total}},
            }  # fmt: skip
    return Results(grid, cells, None)


def test_the_excess_and_its_change_are_found(rng):
    results = study(rng, {"worse": (2.0, -0.5, 300)})
    np.testing.assert_allclose(excess(results, "worse", "paper"), [[2, -0.5]] * 2, rtol=1e-9)
    np.testing.assert_allclose(excess(results, "paper", "worse"), [[-2, 0.5]] * 2, rtol=1e-9)
    results.cells["worse", 0]["loss"][0][1] *= 100  # step 20 of 300 is not fitted
    results.cells["worse", 1]["loss"].append([315, 1.0])  # a step that the other has not logged
    np.testing.assert_allclose(excess(results, "worse", "paper"), [[2, -0.5]] * 2, rtol=1e-9)


@pytest.mark.parametrize("steps", [[20], [1, 20]])
def test_a_line_needs_two_points(rng, steps):
    assert np.isnan(excess(study(rng, {"worse": (2, 0, 20)}, steps=steps), "worse", "paper")).all()


def test_the_table_compares_variants_alike_in_biases_and_steps(rng):
    results = study(rng, {"worse": (2.0, -0.5, 300), "worse_bias": (7.0, 0.0, 300), "longer": (2.0, 0.0, 400)})
    table = _losses(results)
    assert "| worse      | +2.000 [+2.000, +2.000] | -0.500 [-0.500, -0.500] " in table
    assert "| worse_bias | +2.000 [" in table
    assert "longer" not in table
    assert "| paper" not in table
