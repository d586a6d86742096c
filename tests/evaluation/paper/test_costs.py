"""The costs counted from the networks equal those that papers print."""

import pytest

from lapsrn_jax.evaluation.paper.costs import cost
from lapsrn_jax.models import DRCN, DRRN, MDSR, VDSR, LapSRN, Pyramid, Tying


@pytest.mark.parametrize(
    ("model", "scale", "billions"),
    [
        (VDSR(), 2, 612.6),
        (VDSR(), 4, 612.6),
        (DRCN(), 4, 17_974.3),
        (DRRN(), 4, 6_796.9),
        (MDSR(), 2, 1_498),
        (MDSR(), 4, 410),
        (LapSRN(levels=1), 2, 94.1),
        (LapSRN(levels=2), 4, 117.5),
        (Pyramid(recursions=2), 2, 94.1),
        (Pyramid(recursions=5), 2, 221.5),
        (Pyramid(), 2, 348.9),
        (Pyramid(), 4, 436.0),
        (Pyramid(tying=Tying()), 4, 436.0),
    ],
)
def test_multiply_adds_are_the_published_ones(model, scale, billions):
    assert cost(model, scale).multiply_adds / 1e9 == pytest.approx(billions, abs=0.06 if billions % 1 else 0.5)


@pytest.mark.parametrize(
    ("model", "depths"),
    [
        (VDSR(), {4: 20}),
        (DRCN(), {4: 20}),
        (DRRN(), {4: 52}),
        (LapSRN(levels=2), {4: 24}),
        (Pyramid(), {2: 43, 4: 84, 8: 125}),
        (Pyramid(tying=Tying()), {4: 84}),
        (MDSR(), {2: 168, 4: 169}),
    ],
)
def test_depths_are_the_published_ones(model, depths):
    """MDSR is the exception: its printed 162 excludes the head, the last convolution of the body and the upsampler."""
    assert {scale: cost(model, scale).depth for scale in depths} == depths


def test_remat_costs_the_same():
    assert cost(Pyramid(remat=True), 4) == cost(Pyramid(), 4)
