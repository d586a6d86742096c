"""The forecast of the scores from the logs of the stages."""

import json

import numpy as np
import pytest

from tools import forecast


def test_scores_on_a_line_are_continued(tmp_path, monkeypatch, rng):
    """The work counts all stages that a stage continues, also those whose rate has not fallen. Those have no score."""
    each = {"r1": 0.0443e-3, "r2": 0.0803e-3, "r4": 0.1525e-3}  # PFLOP a step, as docs/weights.md has them
    slopes, work = rng.uniform(0.02, 0.1, 3), 0.0
    for name, steps in (("r1", 3000), ("r2", 2000), ("r2b", 2000), ("r4", 2000), ("r4b", 1600)):
        work += steps * each[name.removesuffix("b")]
        psnr = {f"psnr_x{s}": 30 + slope * np.log2(work) for s, slope in zip((2, 4, 8), slopes, strict=True)}
        last = psnr if name in forecast.FINISHED else {"psnr_x2": 1.0, "psnr_x4": 1.0, "psnr_x8": 1.0}
        records = [{"step": 500, "loss": 0.1}, {"step": 1000, **dict.fromkeys(psnr, 2.0)}, {"step": steps, **last}]
        (tmp_path / f"cms_{name}.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    work += 1591 * each["r4"]
    (tmp_path / "cms_long.jsonl").write_text(json.dumps({"step": 500}) + "\n")
    (tmp_path / "cms_long" / "manifests").mkdir(parents=True)
    (tmp_path / "cms_long" / "manifests" / "1591.json").touch()  # stopped after the last line of the log
    (tmp_path / "cms_longer.jsonl").write_text(json.dumps({"step": 3000}) + "\n")
    # cool branches off from long, the other two from longer. A step of slow has four times as many patches.
    total = {
        "cool": work + 2000 * each["r4"],
        "cooler": work + 4000 * each["r4"],
        "slow": work + 3000 * each["r4"] + 1000 * 4 * each["r4"],
    }
    for name, steps in (("cool", 2000), ("cooler", 1000), ("slow", 1000)):
        psnr = {f"psnr_x{s}": 30 + slope * np.log2(total[name]) for s, slope in zip((2, 4, 8), slopes, strict=True)}
        (tmp_path / f"cms_{name}.jsonl").write_text(json.dumps({"step": steps, **psnr}) + "\n")
    monkeypatch.setattr(forecast, "STATE", tmp_path)
    found = forecast.scores("cms")
    assert list(found) == ["r2b", "r4", "r4b", "cool", "cooler", "slow"]
    assert [found[name][0] for name in total] == pytest.approx(list(total.values()), rel=1e-2)
    rows = {row[0]: row[1:] for row in forecast.table(found).rows}
    for column, slope in zip(rows["4 times the work"][1:], slopes, strict=True):
        assert float(column.strip("()")) == pytest.approx(30 + slope * np.log2(4 * total["slow"]), abs=0.011)
    assert [float(column.strip("(+)")) for column in rows["each doubling"][1:]] == pytest.approx(slopes, abs=1e-3)
