"""Training runs as processes of their own, which tests kill, signal and wait for."""

import contextlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

from tests import tiny
from tests.conftest import ROOT

started: list[subprocess.Popen] = []


def start(photographs, workdir, *flags) -> subprocess.Popen:
    """Starts train.py in a new process group; its stderr goes to a file beside the run folder."""
    command = [sys.executable, "train.py", *tiny.flags(photographs), f"--workdir={workdir}", *flags]
    with pathlib.Path(f"{workdir}.stderr").open("a") as errors:
        process = subprocess.Popen(command, cwd=ROOT, stdout=errors, stderr=errors, start_new_session=True)
    started.append(process)
    return process


def errors_of(workdir) -> str:
    return pathlib.Path(f"{workdir}.stderr").read_text()


def finish(photographs, workdir, *flags) -> None:
    assert start(photographs, workdir, *flags).wait() == 0, errors_of(workdir)


def wait_for(condition, process, workdir, seconds=120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, errors_of(workdir)
        assert time.monotonic() < deadline
        time.sleep(0.002)


def kill_worker(process) -> None:
    """Kills the data worker of a trainer, as the kernel does for lack of memory."""
    tasks = pathlib.Path(f"/proc/{process.pid}/task").glob("*/children")  # a thread starts the worker
    children = [pid for task in tasks for pid in task.read_text().split()]
    (worker,) = (pid for pid in children if b"spawn_main" in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes())
    os.kill(int(worker), signal.SIGKILL)


def kill(process) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def steps(workdir) -> list[int]:
    """Returns the steps in the log, in its order. A kill may have cut its last line."""
    if not (workdir / "log.jsonl").exists():
        return []
    lines = [line for line in (workdir / "log.jsonl").read_text().splitlines() if line.endswith("}")]
    return [record["step"] for record in map(json.loads, lines) if "loss" in record]
