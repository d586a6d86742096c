"""Kills, signals, damage, full disks and competing trainers must not harm a run."""

import contextlib
import dataclasses
import os
import pathlib
import random
import shutil
import signal
import subprocess
import time

import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import load_file

from lapsrn_jax import models
from lapsrn_jax.errors import UserError
from lapsrn_jax.training.checkpoints import Checkpoints
from lapsrn_jax.training.interrupts import STOPPED
from lapsrn_jax.training.loop import train_and_evaluate
from lapsrn_jax.training.state import create_state, make_optimizer
from tests import tiny
from tests.training.runs import errors_of, finish, kill, kill_worker, start, started, steps, wait_for

KILLS = int(os.environ.get("KILLS", "4"))


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    return tiny.write_photographs(tmp_path_factory.mktemp("photographs"))


@pytest.fixture(autouse=True)
def _nothing_runs_on():
    """Kills the processes that a test started, even if the test fails."""
    yield
    while started:
        kill(started.pop())


def assert_same_weights(a, b) -> None:
    weights = load_file(b / "weights.safetensors")
    for name, array in load_file(a / "weights.safetensors").items():
        np.testing.assert_array_equal(array, weights[name])


@pytest.mark.slow
def test_killed_at_random_moments_it_ends_with_the_same_bits(tmp_path, photographs):
    """The first kill comes during a save. Set KILLS=20 for more kills."""
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    flags = [f"--config.training.steps={40 * KILLS}"]
    finish(photographs, whole, *flags)
    generator = random.Random(0)
    for number in range(KILLS):
        before = len(steps(killed))
        process = start(photographs, killed, *flags)
        if number == 0:  # orbax writes to a temporary folder and renames it
            wait_for(lambda: any("tmp" in p.name for p in (killed / "checkpoints").glob("*")), process, killed)
        else:
            wait_for(lambda before=before: len(steps(killed)) > before, process, killed)
            time.sleep(generator.uniform(0, 0.3))
        kill(process)
    assert steps(killed)[-1] < 40 * KILLS
    finish(photographs, killed, *flags)
    assert_same_weights(whole, killed)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_saves_and_says_so(tmp_path, photographs, number):
    workdir = tmp_path / "run"
    process = start(photographs, workdir, "--config.training.steps=10000", "--config.training.checkpoint_every=10000")
    wait_for(lambda: len(steps(workdir)) > 2, process, workdir)
    process.send_signal(number)
    assert process.wait(60) == STOPPED
    assert "run the same command again to resume" in errors_of(workdir)
    (checkpoint,) = (path.name for path in (workdir / "checkpoints").iterdir())
    assert int(checkpoint) == steps(workdir)[-1]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_all_processes_is_the_trainer_s(tmp_path, photographs, number):
    """Ctrl-C in a terminal and many schedulers also signal the data workers."""
    workdir, flags = tmp_path / "run", ["--config.training.steps=10000", "--config.training.checkpoint_every=10000"]
    process = start(photographs, workdir, *flags, "--config.data.workers=2")
    wait_for(lambda: len(steps(workdir)) > 2, process, workdir)
    os.killpg(process.pid, number)
    assert process.wait(60) == STOPPED, errors_of(workdir)
    assert "Traceback" not in errors_of(workdir)
    (checkpoint,) = (path.name for path in (workdir / "checkpoints").iterdir())
    assert int(checkpoint) == steps(workdir)[-1]


@pytest.mark.slow
def test_a_data_worker_that_dies_costs_no_step(tmp_path, photographs):
    """The state is saved, and the message names the remedy."""
    workdir, flags = tmp_path / "run", ["--config.training.steps=10000", "--config.training.checkpoint_every=10000"]
    process = start(photographs, workdir, *flags, "--config.data.workers=1")
    wait_for(lambda: len(steps(workdir)) > 2, process, workdir)
    kill_worker(process)
    assert process.wait(60) == 2, errors_of(workdir)
    assert "Traceback" not in errors_of(workdir)
    (error,) = (line for line in errors_of(workdir).splitlines() if line.startswith("error: "))
    assert "lower data.workers" in error
    (checkpoint,) = (path.name for path in (workdir / "checkpoints").iterdir())
    assert int(checkpoint) == steps(workdir)[-1]
    assert f"step {checkpoint} is saved" in error


@pytest.mark.slow
def test_a_second_trainer_is_refused(tmp_path, photographs):
    workdir = tmp_path / "run"
    process = start(photographs, workdir, "--config.training.steps=10000")
    wait_for(lambda: len(steps(workdir)) > 0, process, workdir)
    with pytest.raises(UserError, match=f"is in use by process {process.pid} on"):
        train_and_evaluate(tiny.config(photographs, training__steps=10000), workdir)
    kill(process)
    train_and_evaluate(tiny.config(photographs, training__steps=steps(workdir)[-1] + 1), workdir)


@pytest.fixture(scope="module")
def finished(tmp_path_factory, photographs):
    """The folder of a run of 4 steps with checkpoints at 2 and 4."""
    workdir = tmp_path_factory.mktemp("runs") / "run"
    train_and_evaluate(tiny.config(photographs, training__steps=4), workdir)
    return workdir


def files_of(workdir, step) -> list[pathlib.Path]:
    """Returns the files of a checkpoint and, last, its manifest, relative to the run folder."""
    folder = workdir / "checkpoints" / str(step)
    names = sorted(path.relative_to(workdir) for path in folder.rglob("*") if path.is_file())
    return [*names, pathlib.Path("manifests") / f"{step}.json"]


@pytest.mark.parametrize("harm", ["flip", "cut", "remove", "add"])
def test_damage_to_any_file_is_found_and_the_step_before_is_used(tmp_path, finished, harm):
    """Each file of the newest checkpoint in turn gets a flipped bit, is cut or removed, or gets a file beside it."""
    generator = np.random.default_rng(0)
    for name in files_of(finished, 4):
        workdir = tmp_path / "run"
        shutil.copytree(finished, workdir)
        path = workdir / name
        content = bytearray(path.read_bytes())
        if harm == "flip" and content:
            content[generator.integers(len(content))] ^= 1 << int(generator.integers(8))
            path.write_bytes(content)
        elif harm == "cut" and content:
            path.write_bytes(content[: generator.integers(len(content))])
        elif harm == "add":
            (path.parent / "more").write_text("")
        else:
            path.unlink()
        said: list[str] = []
        with Checkpoints(workdir, 3, said.append) as checkpoints:
            if name.parts[0] == "manifests" and harm in ("remove", "add"):
                # Another file beside the manifest has nothing to do with it.
                assert checkpoints.latest_step == {"remove": 2, "add": 4}[harm]
                assert [line.partition(": moved to")[0] for line in said] == {
                    "remove": ["checkpoint 4 is damaged (it has no manifest)"], "add": []
                }[harm]  # fmt: skip
            else:
                assert checkpoints.latest_step == 2, name
                assert len(said) == 1
                assert "checkpoint 4 is damaged" in said[0]
                assert (workdir / "damaged" / "4").is_dir()
        shutil.rmtree(workdir)


def test_after_damage_the_run_ends_with_the_same_bits(tmp_path, finished, photographs, capsys):
    workdir = tmp_path / "run"
    shutil.copytree(finished, workdir)
    name = max(files_of(workdir, 4), key=lambda name: (workdir / name).stat().st_size)
    (workdir / name).write_bytes(b"")
    train_and_evaluate(tiny.config(photographs, training__steps=4), workdir)
    assert f"{name.relative_to('checkpoints/4')} has 0 bytes instead of" in capsys.readouterr().out
    assert_same_weights(finished, workdir)


def test_if_all_checkpoints_are_damaged_the_run_does_not_start_over(tmp_path, finished, photographs):
    workdir = tmp_path / "run"
    shutil.copytree(finished, workdir)
    for step in (2, 4):
        (workdir / files_of(workdir, step)[0]).write_bytes(b"?")
    for _ in range(2):  # the second attempt fails as well
        with pytest.raises(UserError, match=r"every checkpoint in .* is damaged: delete .* to start over"):
            train_and_evaluate(tiny.config(photographs, training__steps=4), workdir)
    shutil.rmtree(workdir / "damaged")
    assert train_and_evaluate(tiny.config(photographs, training__steps=4), workdir)
    assert_same_weights(finished, workdir)


def test_checkpoints_without_manifests_are_moved_aside(tmp_path, finished, photographs, capsys):
    """In a folder that was copied without manifests, nothing is deleted and the run does not start over by itself."""
    workdir = tmp_path / "run"
    shutil.copytree(finished, workdir, ignore=shutil.ignore_patterns("manifests"))
    with pytest.raises(UserError, match=r"delete .*damaged to start over"):
        train_and_evaluate(tiny.config(photographs, training__steps=4), workdir)
    assert {path.name for path in (workdir / "damaged").iterdir()} == {"2", "4"}
    assert capsys.readouterr().out.count("it has no manifest") == 2


def test_a_kill_while_saving_keeps_the_checkpoint_before(tmp_path, photographs, monkeypatch):
    """This holds with training.keep=1. The run removes its own unfinished checkpoint without a message."""
    config = tiny.config(photographs)
    state = create_state(models.from_settings(config.model), make_optimizer(config), 0, ema=True)

    def kill(*_):
        raise KeyboardInterrupt

    with Checkpoints(tmp_path, 1, pytest.fail) as checkpoints:
        checkpoints.save(dataclasses.replace(state, step=jnp.int32(2)))
        monkeypatch.setattr("lapsrn_jax.training.checkpoints.write_manifest", kill)
        with pytest.raises(KeyboardInterrupt):
            checkpoints.save(dataclasses.replace(state, step=jnp.int32(4)))
        monkeypatch.undo()
    with Checkpoints(tmp_path, 1, pytest.fail) as checkpoints:
        assert int(checkpoints.restore(state).step) == 2
        for step in (4, 6):
            checkpoints.save(dataclasses.replace(state, step=jnp.int32(step)))
    assert {str(path.relative_to(tmp_path)) for path in tmp_path.glob("*/*")} == {"checkpoints/6", "manifests/6.json"}


@contextlib.contextmanager
def small_disk(folder, size):
    """Mounts a file system of `size` bytes at `folder`."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small file system takes root")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.slow
@pytest.mark.parametrize("victim", ["checkpoint", "log"])
def test_a_full_disk_leaves_the_old_checkpoints(tmp_path, finished, photographs, victim):
    with small_disk(tmp_path / "disk", 8 << 20):
        workdir = tmp_path / "disk" / "run"
        shutil.copytree(finished, workdir)
        pathlib.Path(f"{workdir}.stderr").symlink_to(tmp_path / "stderr")  # not on the disk that will be full
        never = {"checkpoint": "log_every", "log": "checkpoint_every"}[victim]
        run = start(photographs, workdir, "--config.training.steps=100000", f"--config.training.{never}=100000")
        if victim == "checkpoint":
            wait_for(lambda: (workdir / "manifests" / "8.json").exists(), run, workdir)
        else:
            wait_for(lambda: 8 in steps(workdir), run, workdir)
        with contextlib.suppress(OSError), (tmp_path / "disk" / "ballast").open("wb", buffering=0) as ballast:
            while ballast.write(bytes(4096)):
                pass
        assert run.wait(60) == 2, errors_of(workdir)
        # After this line tensorboardX may report that it could not write either.
        assert errors_of(workdir).count("\nerror: cannot") == 1, errors_of(workdir)
        (tmp_path / "disk" / "ballast").unlink()
        said: list[str] = []
        with Checkpoints(workdir, 3, said.append) as checkpoints:
            newest = checkpoints.latest_step
        assert newest is not None
        assert newest >= {"checkpoint": 8, "log": 4}[victim]
        assert said == []
        finish(photographs, workdir, f"--config.training.steps={newest + 2}")


def test_a_folder_that_cannot_be_written_is_named(tmp_path, photographs):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"cannot write to .*file/run"):
        train_and_evaluate(tiny.config(photographs), tmp_path / "file" / "run")
