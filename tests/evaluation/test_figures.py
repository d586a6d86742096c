import numpy as np
import pytest

from lapsrn_jax.data.sources import evaluation_pictures
from lapsrn_jax.errors import UserError
from lapsrn_jax.evaluation.figures import GAP, MARGIN, PANEL, Crop, Example, comparison, most_improved_crop
from lapsrn_jax.evaluation.protocol import Protocol, bicubic
from lapsrn_jax.evaluation.scoring import evaluate
from lapsrn_jax.evaluation.tables import text_table
from lapsrn_jax.images.io import read_image, write_image
from tests import tiny


def test_the_most_improved_crop_is_where_the_model_wins(rng):
    hr = rng.integers(0, 256, (120, 200, 3), dtype=np.uint8)
    baseline = hr.copy()
    baseline[40:60, 130:150] //= 2  # the baseline is wrong only here
    left, top, side, height = most_improved_crop(baseline, hr, hr, side=40)
    assert side == height == 40
    assert left <= 130 <= 150 <= left + side
    assert top <= 40 <= 60 <= top + side
    worse = np.where(np.arange(200)[None, :, None] < 60, 255 - hr, hr).astype(np.uint8)
    assert most_improved_crop(baseline, worse, hr, side=40)[0] >= 60  # not where the model is worse than the baseline
    assert most_improved_crop(baseline[:30], hr[:30], hr[:30], side=90)[2] == 30


def test_panels_show_the_pixels_of_the_crop(rng):
    hr, sr = rng.integers(0, 256, (2, 60, 80, 3), dtype=np.uint8)
    figure = comparison([Example("x", hr, {"a": sr}, {"a": (30, 0.9)})], 2, Crop(10, 20, 36, 36))
    for i, image in enumerate((hr, sr)):
        repeated = image[20:56, 10:46].repeat(PANEL // 36, axis=0).repeat(PANEL // 36, axis=1)
        x = MARGIN + round(PANEL * 80 / 60) + GAP + i * (PANEL + GAP)
        np.testing.assert_array_equal(figure[MARGIN : MARGIN + PANEL, x : x + PANEL], repeated)


def test_evaluation_writes_pictures_and_a_table(tmp_path, rng):
    write_image(tmp_path / "a.png", rng.integers(0, 256, (40, 40, 3), dtype=np.uint8))
    models = {"bicubic": bicubic, "nearest": lambda lr, s: lr.repeat(s, 0).repeat(s, 1)}
    records = evaluate(models, {"noise": evaluation_pictures(str(tmp_path))}, [2, 4], Protocol(), tmp_path / "out")
    assert [(r["model"], r["scale"], r["images"]) for r in records] == [
        ("bicubic", 2, 1), ("nearest", 2, 1), ("bicubic", 4, 1), ("nearest", 4, 1)
    ]  # fmt: skip
    assert {path.name for path in (tmp_path / "out" / "noise" / "x4").iterdir()} == {
        "a_bicubic.png", "a_nearest.png", "a_comparison.png"
    }  # fmt: skip
    assert read_image(tmp_path / "out" / "noise" / "x2" / "a_nearest.png").shape == (40, 40, 3)
    header, rule, *rows = text_table(records).splitlines()
    assert len({len(line) for line in (header, rule, *rows[:2])}) == 1
    assert "protocol A" in rows[-1]
    gain = records[1]["psnr"] - records[0]["psnr"]
    assert gain != 0
    assert f"{gain:+.2f} dB" in rows[0]


def test_a_broken_picture_names_itself(tmp_path, rng):
    for name in ("a.png", "b.png"):
        write_image(tmp_path / name, rng.integers(0, 256, (40, 40, 3), dtype=np.uint8))
    (tmp_path / "b.png").write_bytes((tmp_path / "b.png").read_bytes()[:300])
    with pytest.raises(UserError, match=rf"{tmp_path}/b\.png is damaged"):
        evaluate({"bicubic": bicubic}, {"set": evaluation_pictures(str(tmp_path))}, [2], Protocol())


def test_results_of_pictures_with_one_name_stay_apart(tmp_path, rng):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        write_image(tmp_path / folder / "x.png", rng.integers(0, 256, (20, 20), dtype=np.uint8))
    evaluate({"bicubic": bicubic}, {"set": evaluation_pictures(str(tmp_path))}, [2], Protocol(), tmp_path / "out")
    assert len(list((tmp_path / "out" / "set" / "x2").glob("*_bicubic.png"))) == 2


def test_results_of_pictures_with_equal_names_are_all_saved(tmp_path):
    """However deep their folders are."""
    image = tiny.photograph(np.random.default_rng(0), 24, 24)
    places = ("1/hr/0.png", "2/hr/0.png", "2/hr/0.bmp", "2/1.png")
    for place in places:
        write_image(make_parents(tmp_path / "set" / place), image)
    pictures = evaluation_pictures(str(tmp_path / "set"))
    evaluate({"bicubic": bicubic}, {"set": pictures}, [2], Protocol(), tmp_path / "images")
    found = {path.name for path in (tmp_path / "images" / "set" / "x2").glob("*_bicubic.png")}
    assert found == {f"{name}_bicubic.png" for name in ("1_hr_0.png", "2_hr_0.png", "hr_0.bmp", "1")}


def make_parents(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def test_pictures_of_a_set_may_lie_anywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for folder in ("a", "b"):
        write_image(make_parents(tmp_path / folder / "0.png"), tiny.photograph(np.random.default_rng(0), 24, 24))
    pictures = evaluation_pictures("a") + evaluation_pictures(str(tmp_path / "b"))
    evaluate({"bicubic": bicubic}, {"set": pictures}, [2], Protocol(), tmp_path / "images")
    found = {path.name for path in (tmp_path / "images" / "set" / "x2").glob("*_bicubic.png")}
    assert found == {"a_0.png_bicubic.png", "b_0.png_bicubic.png"}
