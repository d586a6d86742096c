import numpy as np
import pytest

from lapsrn_jax.data.sources import evaluation_pictures
from lapsrn_jax.evaluation.protocol import Protocol, bicubic
from lapsrn_jax.evaluation.scoring import evaluate
from lapsrn_jax.images.io import to_float
from lapsrn_jax.images.resize import imresize
from lapsrn_jax.upscaling.upscale import Upscaler
from lapsrn_jax.weights.matconvnet import read_mat

# The CMS-LapSRN paper, Table 2: PSNR / SSIM of bicubic at x2, x4, x8.
BICUBIC = {
    "Set5": [(33.69, 0.931), (28.43, 0.811), (24.40, 0.658)],
    "Set14": [(30.25, 0.870), (26.01, 0.704), (23.10, 0.566)],
    "BSD100": [(29.57, 0.844), (25.97, 0.670), (23.67, 0.548)],
}
# PSNR on Set5: the TPAMI paper's for MS-LapSRN (D5R2 to more digits from the released weights), the CVPR paper's.
NETWORKS = [
    ("MSLapSRN_D5R2.mat", {2: 37.617, 4: 31.621, 8: 26.201}, 0.02),
    ("MSLapSRN_D5R8.mat", {2: 37.78, 4: 31.74, 8: 26.34}, 0.02),
    ("LapSRN_x2.mat", {2: 37.52}, 0.03),
    ("LapSRN_x4.mat", {4: 31.54}, 0.03),
    ("LapSRN_x8.mat", {8: 26.15}, 0.03),
]


@pytest.mark.slow
@pytest.mark.parametrize("name", BICUBIC)
def test_bicubic_rows_of_table_2(benchmarks, name):
    records = evaluate({"bicubic": bicubic}, {name: evaluation_pictures(str(benchmarks / name))}, [2, 4, 8], Protocol())
    for record, (psnr, ssim) in zip(records, BICUBIC[name], strict=True):
        assert record["psnr"] == pytest.approx(psnr, abs=0.005 + 1e-9)
        assert record["ssim"] == pytest.approx(ssim, abs=0.0005 + 1e-9)


@pytest.mark.slow
@pytest.mark.parametrize(("file", "scores", "tolerance"), NETWORKS, ids=[row[0] for row in NETWORKS])
def test_authors_networks_score_as_published(benchmarks, reference, file, scores, tolerance):
    upscale = Upscaler(*read_mat(reference / file))
    records = evaluate(
        {"network": upscale}, {"Set5": evaluation_pictures(str(benchmarks / "Set5"))}, list(scores), Protocol()
    )
    assert {record["scale"]: record["psnr"] for record in records} == pytest.approx(scores, abs=tolerance)


def test_protocols_differ_by_the_rounding_of_the_input(rng):
    hr = rng.integers(0, 256, (21, 26, 3), dtype=np.uint8)
    hr_a, lr_a = Protocol("A").degrade(hr, 4)
    hr_b, lr_b = Protocol("B").degrade(hr, 4)
    assert hr_a.shape == hr_b.shape == (20, 24, 3)
    np.testing.assert_array_equal(lr_a, imresize(to_float(hr[:20, :24]), 0.25))
    np.testing.assert_allclose(lr_b * 255, np.clip(np.floor(lr_a * 255 + 0.5), 0, 255), atol=1e-9)


def test_gray_is_scored_as_it_is_unless_asked_otherwise(rng):
    hr = rng.integers(0, 256, (16, 16), dtype=np.uint8)
    assert Protocol().degrade(hr, 2)[0].ndim == 2
    as_rgb, _ = Protocol(gray_as_rgb=True).degrade(hr, 2)
    assert as_rgb.shape == (16, 16, 3)
    # Studio range is 219/255 of the full range, so the same picture scores 1.32 dB more.
    plain, rgb = (p.score(bicubic(p.degrade(hr, 2)[1], 2), p.degrade(hr, 2)[0], 2)[0] for p in
                  (Protocol(), Protocol(gray_as_rgb=True)))  # fmt: skip
    assert rgb - plain == pytest.approx(20 * np.log10(255 / 219), abs=0.01)


def test_scores_ignore_the_border(rng):
    hr = rng.integers(0, 256, (24, 24, 3), dtype=np.uint8)
    sr = to_float(hr).copy()
    sr[:2] = sr[-2:] = 0
    sr[:, :2] = sr[:, -2:] = 0
    assert Protocol().score(sr, hr, 2) == (np.inf, pytest.approx(1))
    assert Protocol().score(sr, hr, 1)[0] < 20
