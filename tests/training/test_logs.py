"""The log of a run."""

import json

import pytest

from lapsrn_jax.training.logs import Log, read_log


@pytest.mark.parametrize("kept", [0, 1, 10, None])
def test_a_line_that_a_kill_has_cut_costs_no_other_line(tmp_path, kept):
    with Log(tmp_path, 10, 0) as log:
        log.write(1, {"loss": 0.5})
        log.write(2, {"loss": 0.25})
    path = tmp_path / "log.jsonl"
    whole = path.read_bytes()
    last = whole[:-1].rfind(b"\n") + 1
    path.write_bytes(whole if kept is None else whole[: last + kept])
    with Log(tmp_path, 10, 1) as log:
        log.write(2, {"loss": 0.125})
    records = read_log(tmp_path)
    assert [record["loss"] for record in records if "loss" in record] == [0.5, *([0.25] * (kept is None)), 0.125]
    assert sum("revision" in record for record in records) == 2  # both beginnings


def test_each_line_is_json_for_every_reader(tmp_path):
    """JSON has no NaN, which a skipped step's loss may be."""
    with Log(tmp_path, 10, 0) as log:
        log.write(1, {"loss": float("nan"), "gradient_norm": float("inf"), "skipped": 1.0})
    line = (tmp_path / "log.jsonl").read_text().splitlines()[-1]
    assert json.loads(line, parse_constant=pytest.fail) == {
        "step": 1, "loss": None, "gradient_norm": None, "skipped": 1.0
    }  # fmt: skip
