"""Training gives the same result on any number of devices and processes."""

import json
import pathlib
import socket
import subprocess
import sys

import jax
import numpy as np
import pytest
from safetensors.numpy import load_file

from lapsrn_jax.errors import UserError
from lapsrn_jax.training.distributed import together
from lapsrn_jax.training.folder import RunFolder
from lapsrn_jax.training.interrupts import STOPPED
from tests import tiny
from tests.conftest import ROOT, with_devices
from tests.training.runs import kill_worker, steps, wait_for

STEPS = 20
FLAGS = [f"--config.training.steps={STEPS}", "--config.training.checkpoint_every=10", "--config.data.batch_size=16"]


def start(photographs, workdir, devices, *flags) -> subprocess.Popen:
    command = [sys.executable, "train.py", *tiny.flags(photographs), *FLAGS, f"--workdir={workdir}", *flags]
    with pathlib.Path(f"{workdir}.{len(flags)}.stderr").open("a") as errors:
        return subprocess.Popen(command, cwd=ROOT, env=with_devices(devices), stdout=errors, stderr=errors)


def start_all(photographs, workdir, devices, processes, *flags) -> list[subprocess.Popen]:
    """Starts one run on `devices` devices, divided among the processes."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    several = [f"--coordinator=127.0.0.1:{port}", f"--processes={processes}"] if processes > 1 else []
    return [
        start(photographs, workdir, devices // processes, *flags, *several, *([f"--process={i}"] if several else []))
        for i in range(processes)
    ]


def train(photographs, workdir, devices, processes=1, *flags) -> None:
    running = start_all(photographs, workdir, devices, processes, *flags)
    assert [process.wait(200) for process in running] == [0] * processes, [
        path.read_text()[-3000:] for path in workdir.parent.glob("*.stderr")
    ]


def weights(workdir) -> dict[str, np.ndarray]:
    return load_file(workdir / "weights.safetensors")


def largest_difference(a, b) -> float:
    """Returns the largest ||a - b|| / ||a|| over the arrays."""
    return max(np.linalg.norm(a[name] - b[name]) / np.linalg.norm(a[name]) for name in a)


def others(monkeypatch, *failed: bool) -> None:
    """Pretends that there are other processes, each of which has failed or not."""
    monkeypatch.setattr(jax, "process_count", lambda: len(failed) + 1)
    monkeypatch.setattr("jax.experimental.multihost_utils.process_allgather", lambda mine: np.array([mine, *failed]))


def test_a_block_that_fails_in_one_process_fails_in_all(monkeypatch):
    others(monkeypatch, False, False)
    with together():
        pass
    with pytest.raises(ValueError, match="ours"), together():
        raise ValueError("ours")
    others(monkeypatch, False, True)
    with pytest.raises(UserError, match="process 2 failed"), together():
        pass


@pytest.mark.slow
def test_all_processes_end_where_one_cannot_begin(tmp_path):
    """The first process finds the folder in use; the others do not wait for it."""
    photographs = tiny.write_photographs(tmp_path / "photographs")
    with RunFolder(tmp_path / "run", tiny.config(photographs)):
        running = start_all(photographs, tmp_path / "run", 2, 2)
        assert [process.wait(120) for process in running] == [2, 2]
    (said,) = (path.read_text() for path in tmp_path.glob("*.stderr"))
    assert [said.count(text) for text in ("error: ", "is in use by", "process 0 failed")] == [2, 1, 1], said
    assert "Traceback" not in said


@pytest.mark.slow
def test_where_a_data_worker_dies_all_processes_save_and_end(tmp_path):
    photographs, workdir = tiny.write_photographs(tmp_path / "photographs"), tmp_path / "run"
    flags = ["--config.training.steps=100000", "--config.training.checkpoint_every=100000", "--config.data.workers=1"]
    running = start_all(photographs, workdir, 2, 2, *flags, "--config.training.log_every=5")
    try:
        wait_for(lambda: len(steps(workdir)) > 2, running[0], workdir)
        kill_worker(running[1])
        assert [process.wait(60) for process in running] == [STOPPED, 2]
    finally:
        for process in running:
            process.kill()
    (said,) = (path.read_text() for path in tmp_path.glob("*.stderr"))
    (checkpoint,) = (path.name for path in (workdir / "checkpoints").iterdir())
    assert f"lower data.workers; step {checkpoint} is saved" in said
    assert int(checkpoint) == steps(workdir)[-1]
    assert "Traceback" not in said


@pytest.mark.slow
def test_devices_and_processes_change_nothing(tmp_path):
    photographs = tiny.write_photographs(tmp_path / "photographs")
    runs = {"1": (1, 1), "2": (2, 1), "4": (4, 1), "2x2": (4, 2)}
    for name, arguments in runs.items():
        # Without a warm-up Adam's first step is the gradient's sign, which amplifies rounding near 0 to 2e-3.
        train(photographs, tmp_path / name, *arguments, "--config.optimizer.warmup=0.5")
    one = weights(tmp_path / "1")
    for name in runs:
        assert largest_difference(one, weights(tmp_path / name)) < 1e-5
        records = [json.loads(line) for line in (tmp_path / name / "log.jsonl").read_text().splitlines()]
        assert [record["step"] for record in records if "loss" in record] == list(range(1, STEPS + 1))
        assert len(records[0]["devices"]) == {"1": 1, "2": 2}.get(name, 4)
    four, two_by_two = weights(tmp_path / "4"), weights(tmp_path / "2x2")
    assert largest_difference(four, two_by_two) < 1e-6


@pytest.mark.slow
def test_a_run_goes_on_with_other_devices_and_processes(tmp_path):
    """Two processes with 2 devices each take ten steps, and one device takes ten more."""
    photographs = tiny.write_photographs(tmp_path / "photographs")
    # The learning rate is constant, so that it does not depend on where a part ends, and small, without warm-up.
    rate = [f"--config.optimizer.{name}=1e-5" for name in ("learning_rate", "final_learning_rate")]
    flags = [*rate, "--config.optimizer.warmup=0.0"]
    train(photographs, tmp_path / "whole", 1, 1, *flags)
    train(photographs, tmp_path / "parts", 4, 2, *flags, "--config.training.steps=10")
    train(photographs, tmp_path / "parts", 1, 1, *flags)
    assert largest_difference(weights(tmp_path / "whole"), weights(tmp_path / "parts")) < 1e-5
