import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import jax
import numpy as np
import pytest
from safetensors.numpy import load_file

from lapsrn_jax.errors import UserError
from lapsrn_jax.training.loop import train_and_evaluate
from lapsrn_jax.weights.files import load_weights
from tests import tiny
from tests.conftest import ROOT


@pytest.fixture
def photographs(tmp_path):
    return tiny.write_photographs(tmp_path / "photographs")


def log(workdir: pathlib.Path) -> list[dict]:
    return [json.loads(line) for line in (workdir / "log.jsonl").read_text().splitlines()]


def test_a_run_leaves_a_folder_that_explains_itself(tmp_path, photographs):
    workdir = tmp_path / "run"
    train_and_evaluate(tiny.config(photographs, data__validation=str(photographs)), workdir)
    assert {path.name for path in workdir.iterdir()} == {
        "checkpoints", "config.json", "log.jsonl", "tensorboard", "weights.safetensors"
    }  # fmt: skip
    records = log(workdir)
    assert records[0]["jax"] == jax.__version__
    assert [record["step"] for record in records if "loss" in record] == [1, 2, 3, 4, 5, 6]
    assert [record["step"] for record in records if "psnr_x2" in record and "psnr_x4" in record] == [2, 4, 6]
    assert json.loads((workdir / "config.json").read_text())["model"]["tying"]["layer"] == 3
    model, params, info = load_weights(workdir)
    assert (model.features, model.tying.layer, info["step"]) == (8, 3, 6)
    assert "upsample" not in params


def test_a_run_can_go_on_in_parts(tmp_path, photographs):
    """Stopped between checkpoints and gone on, it ends with the same bits; a finished run stays as it is."""
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train_and_evaluate(tiny.config(photographs), whole)

    config = tiny.config(photographs)
    with pytest.MonkeyPatch.context() as patch:
        from lapsrn_jax.training import loop

        original, calls = loop.shard_batch, []

        def interrupted(batch, mesh):
            calls.append(1)
            if len(calls) == 4:
                raise KeyboardInterrupt
            return original(batch, mesh)

        patch.setattr(loop, "shard_batch", interrupted)
        with pytest.raises(KeyboardInterrupt):
            train_and_evaluate(config, parts)
    train_and_evaluate(config, parts)
    assert [record["step"] for record in log(parts) if "loss" in record] == [1, 2, 3, 3, 4, 5, 6]
    weights = load_file(parts / "weights.safetensors")
    for name, array in load_file(whole / "weights.safetensors").items():
        np.testing.assert_array_equal(array, weights[name])

    before = (parts / "weights.safetensors").read_bytes()
    train_and_evaluate(config, parts)
    assert (parts / "weights.safetensors").read_bytes() == before


@pytest.mark.slow
def test_kill_and_resume_gives_the_same_bits(tmp_path, photographs):
    def command(workdir):
        return [sys.executable, "train.py", *tiny.flags(photographs), f"--workdir={workdir}",
                "--config.training.steps=40"]  # fmt: skip

    whole, killed = tmp_path / "whole", tmp_path / "killed"
    subprocess.run(command(whole), cwd=ROOT, check=True, capture_output=True)
    process = subprocess.Popen(
        command(killed), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    deadline = time.monotonic() + 120
    while not (killed / "checkpoints" / "4").exists():
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert max(record["step"] for record in log(killed)) < 40
    subprocess.run(command(killed), cwd=ROOT, check=True, capture_output=True)
    weights = load_file(killed / "weights.safetensors")
    for name, array in load_file(whole / "weights.safetensors").items():
        np.testing.assert_array_equal(array, weights[name])


def test_a_folder_belongs_to_one_run(tmp_path, photographs):
    train_and_evaluate(tiny.config(photographs, training__steps=2), tmp_path / "run")
    for change, name in (({"model__tying__layer": 1}, "model.tying.layer"), ({"seed": 1}, "seed")):
        with pytest.raises(UserError, match=f"holds a run with another {name}"):
            train_and_evaluate(tiny.config(photographs, training__steps=2, **change), tmp_path / "run")


def test_a_checkpoint_of_another_model_is_refused(tmp_path, photographs):
    """Also where config.json was changed by hand to say otherwise."""
    workdir = tmp_path / "run"
    train_and_evaluate(tiny.config(photographs, training__steps=2), workdir)
    path = workdir / "config.json"
    path.write_text(path.read_text().replace('"features": 8', '"features": 4'))
    with pytest.raises(UserError, match="is of another model"):
        train_and_evaluate(tiny.config(photographs, training__steps=4, model__features=4), workdir)


def test_a_diverged_run_stops_and_says_so(tmp_path, photographs):
    config = tiny.config(photographs, optimizer__learning_rate=1e30, optimizer__clip_norm=0.0)
    with pytest.raises(UserError, match=r"loss is (nan|inf) at step \d: lower optimizer.learning_rate"):
        train_and_evaluate(config, tmp_path / "run")


def test_small_photographs_are_named_and_left_out(tmp_path, photographs, capsys):
    tiny.write_photographs(photographs / "small", count=1, size=20)
    train_and_evaluate(tiny.config(photographs, training__steps=1), tmp_path / "run")
    assert "smaller than a patch of 32 pixels: 0.png" in capsys.readouterr().out
