"""The numbers behind the report's plots."""

import numpy as np

from studies.plots import loss_curves
from studies.results import Results


def test_losses_are_compared_on_the_same_batches(rng):
    """A variant may take more steps than another, and each logs its last step."""
    steps = range(20, 1001, 20)
    batches = {step: rng.uniform(0.05, 0.1) for step in (*steps, 905)}
    mine = [[step, 1.02 * batches[step]] for step in steps]
    theirs = [[step, loss] for step, loss in sorted(batches.items()) if step <= 905]
    cells = {("more", 0): {"loss": mine}, ("ms", 0): {"loss": theirs}}
    common, *curves = loss_curves(Results({"seeds": [0]}, cells, None), "more", "ms")
    assert 905 not in common
    assert max(common) < 900
    np.testing.assert_allclose(curves[0] / curves[1], 1.02, rtol=1e-12)
