"""A Ray cluster of two workers on this machine: lost workers, interruptions, resuming."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from lapsrn_jax.cli import main
from lapsrn_jax.errors import UserError
from lapsrn_jax.images.io import write_image
from lapsrn_jax.upscaling.batch import upscale_all
from lapsrn_jax.upscaling.jobs import find_jobs
from lapsrn_jax.upscaling.record import JOURNAL, Record
from tests import tiny
from tests.conftest import ROOT
from tests.upscaling.bicubic import Bicubic, settings

# Ray itself has crashed once in some hundred runs (2.60, Linux). Only that is repeated.
pytestmark = pytest.mark.flaky(reruns=2, only_rerun=["assert -11 "])

CLUSTER = """
import sys
from ray.cluster_utils import Cluster
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
cluster.add_node(num_cpus=1)
print(cluster.address, flush=True)
sys.stdin.readline()
cluster.shutdown()
"""

COMMAND = "from lapsrn_jax.cli import main; main()"

DRIVER = """
import contextlib, json, signal, sys
from lapsrn_jax.errors import reported
from lapsrn_jax.upscaling.cluster import find_jobs_for_cluster, upscale_on_cluster
from tests.upscaling.bicubic import settings
from tests.upscaling.test_cluster import Watched
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
source, target, address, pids = sys.argv[1:]
jobs, _ = find_jobs_for_cluster([source], target)
outcomes = upscale_on_cluster(jobs, lambda limit: Watched(pids), settings(), target, address)
with reported(), contextlib.closing(outcomes):
    for report in outcomes:
        print(json.dumps(report), flush=True)
"""


class Watched(Bicubic):
    """Leaves the ids of its processes in a folder, takes some time, and dies of pictures that are 30 pixels wide."""

    def __init__(self, pids: str):
        super().__init__()
        self._pids = pathlib.Path(pids)
        if not self._pids.is_dir():
            raise UserError("the network is broken")

    def gray(self, rows, shape, size, *, progress=None):
        (self._pids / str(os.getpid())).touch()
        if shape[1] == 30:
            os.kill(os.getpid(), signal.SIGKILL)
        for _ in range(5):
            time.sleep(0.1)
            progress(0.1)
        return super().gray(rows, shape, size, progress=progress)


@pytest.fixture(scope="module")
def cluster():
    """The address of a cluster."""
    pytest.importorskip("ray", reason="needs the extra ray")
    environment = os.environ | {"RAY_USAGE_STATS_ENABLED": "0"}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", CLUSTER], cwd=ROOT, env=environment, **pipes) as process:
        address = process.stdout.readline().strip()
        assert address
        yield address
        process.communicate("end\n")


@pytest.fixture
def folder(tmp_path, rng):
    (tmp_path / "pids").mkdir()
    (tmp_path / "in" / "deep").mkdir(parents=True)
    for i in range(36):
        write_image(tmp_path / "in" / ("deep" if i % 3 else "") / f"{i:02d}.png", tiny.photograph(rng, 8 + i % 5, 9))
    return tmp_path


INTERRUPTED = """
from lapsrn_jax.upscaling import cluster
watch, calls = cluster._Pool._watch, []
def interrupted(*arguments):
    calls.append(arguments)
    if len(calls) == 12:
        raise KeyboardInterrupt
    watch(*arguments)
cluster._Pool._watch = interrupted
"""


def start(folder, cluster, before="") -> subprocess.Popen:
    """A batch in a process of its own, which prints a report a line."""
    command = [sys.executable, "-c", before + DRIVER, folder / "in", folder / "out", cluster, folder / "pids"]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def reports_in(output: str) -> list[dict]:
    """The reports among lines that Ray prints on lost workers."""
    return [json.loads(line) for line in output.splitlines() if line.startswith("{")]


def pictures(folder) -> dict[str, bytes]:
    """The results in a folder. There must be nothing else but the journal."""
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    del files[JOURNAL]
    return {name: path.read_bytes() for name, path in files.items()}


def without_ray(folder) -> dict[str, bytes]:
    jobs, _ = find_jobs([f"{folder}/in"], f"{folder}/alone")
    list(upscale_all(jobs, Bicubic(), settings(), Record(folder / "alone")))
    return pictures(folder / "alone")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_killed_workers_cost_nothing(folder, cluster):
    """One is killed at the beginning, the other one later, so that the last pictures are done by new ones."""
    process, reports, killed = start(folder, cluster), [], set()
    for line in process.stdout:
        reports += reports_in(line)
        if len(reports) >= (6, 20, 99)[len(killed)]:
            pid, *_ = {path.name for path in (folder / "pids").iterdir()} - killed
            os.kill(int(pid), signal.SIGKILL)
            killed.add(pid)
    _, errors = process.communicate()
    assert process.returncode == 0, errors
    assert len(killed) == 2
    jobs, _ = find_jobs([f"{folder}/in"], f"{folder}/out")
    assert sorted(report["source"] for report in reports) == sorted(job.source for job in jobs)
    assert {report["status"] for report in reports} <= {"done", "skipped"}  # skipped: it was complete before the kill
    assert [report["status"] for report in reports].count("skipped") <= 6
    assert pictures(folder / "out") == without_ray(folder)
    again = upscale_all(jobs, Bicubic(), settings(), Record(folder / "out"))  # without Ray
    assert {report["status"] for report in again} == {"skipped"}


@pytest.mark.slow
def test_an_interrupt_just_after_a_picture_was_given_to_a_worker_leaves_whole_results(folder, cluster):
    process = start(folder, cluster, INTERRUPTED)
    output, errors = process.communicate()
    assert process.returncode, errors
    done = pictures(folder / "out")
    assert not [name for name in done if name.endswith((".lock", ".partial"))]
    assert 0 < len(reports_in(output)) <= len(done) < 36
    assert done.items() <= without_ray(folder).items()


@pytest.mark.slow
def test_a_picture_that_kills_its_workers_fails_alone(folder, cluster, rng):
    write_image(folder / "in" / "killer.png", tiny.photograph(rng, 8, 30))
    process = start(folder, cluster)
    output, errors = process.communicate()
    reports = reports_in(output)
    assert len(reports) == 37, errors
    [failed] = [report for report in reports if report["status"] == "failed"]
    assert failed["error"].startswith(f"{folder}/in/killer.png: 3 workers were lost with it")
    assert f"failed: {failed['error']}" in errors
    (folder / "in" / "killer.png").unlink()
    for path in list((folder / "out").iterdir()):  # its last attempt was killed
        if path.suffix in (".lock", ".partial"):
            path.unlink()
    assert pictures(folder / "out") == without_ray(folder)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_batch_leaves_whole_results_and_is_finished_by_the_next(folder, cluster, number):
    process = start(folder, cluster)
    for _ in range(4):
        process.stdout.readline()
    process.send_signal(number)
    _, errors = process.communicate(timeout=30)
    assert process.returncode, errors
    assert "Traceback" not in errors
    done = pictures(folder / "out")
    assert 4 <= len(done) < 36
    output, errors = start(folder, cluster).communicate()
    statuses = [report["status"] for report in reports_in(output)]
    assert statuses.count("skipped") >= len(done), errors
    assert {*statuses} == {"done", "skipped"}
    assert pictures(folder / "out") == without_ray(folder)


@pytest.mark.slow
def test_the_command_does_the_same_with_and_without_ray(folder, cluster, capsys):
    """With a real network: bytes, reports, errors, and each skips what the other has done."""
    for path in list((folder / "in" / "deep").iterdir())[4:]:
        path.unlink()
    (folder / "in" / "00.png").write_bytes(b"no picture")

    def run(output: str, *ray: str, source: str = "in") -> tuple[list[dict], str]:
        command = [sys.executable, "-c", COMMAND, "upscale", source, "-o", output, "--scale", "2", "--json", "json"]
        process = subprocess.run([*command, *ray], cwd=folder, capture_output=True, text=True, check=False)
        assert process.returncode == 1, process.stderr
        reports = json.loads((folder / "json").read_text())
        for report in reports:
            report.pop("seconds", None)
            report["target"] = report["target"].replace(output, "out")
        return reports, process.stderr

    reports, errors = run("local")
    assert [report["status"] for report in reports].count("failed") == 1
    on_cluster, cluster_errors = run("out", "--ray", cluster)
    for report in on_cluster:
        if "error" in report:
            report["error"] = report["error"].replace(f"{folder}/", "")
    assert on_cluster == reports
    assert cluster_errors.replace(f"{folder}/", "") == errors.replace("local", "out")
    assert pictures(folder / "out") == pictures(folder / "local")
    for again in (run("out"), run("local", "--ray", cluster)):
        assert {report["status"] for report in again[0]} == {"skipped", "failed"}
    chain = f"::file://{folder}"
    for status in ("done", "skipped"):
        reports, _ = run(f"dir://at{chain}", "--ray", cluster)
        assert [report["status"] for report in reports].count(status) == len(reports) - 1
        reports, _ = run("from", "--ray", cluster, source=f"dir://in{chain}")
        assert [report["status"] for report in reports].count(status) == len(reports) - 1
    for place in (folder / "at", folder / "from"):
        found = {path.relative_to(place).as_posix(): path.read_bytes() for path in place.rglob("*.png")}
        assert found == pictures(folder / "local")


def test_the_extra_is_named(folder, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.delitem(sys.modules, "lapsrn_jax.upscaling.cluster", raising=False)
    with pytest.raises(SystemExit) as caught:
        main(["upscale", str(folder / "in"), "-o", str(folder / "out"), "--ray"])
    assert caught.value.code == 2
    assert capsys.readouterr().err == "error: --ray needs Ray and fsspec: pip install '.[ray]'\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["s3://bucket/in", "-o", "out"], "s3://bucket/in is an address: only --ray takes addresses"),
        (["in", "-o", "s3://bucket/out"], "s3://bucket/out is an address: only --ray takes addresses"),
        (["in", "-o", "out", "--ray", "--device", "cuda:0"], "--ray takes --device cpu or cuda, not cuda:0"),
    ],
)
def test_bad_options_get_one_line(folder, monkeypatch, capsys, arguments, words):
    monkeypatch.chdir(folder)
    with pytest.raises(SystemExit):
        main(["upscale", *arguments])
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["-", "-o", "out"], "--ray takes no standard input or output"),
        (["in/00.png", "-o", "out.png"], "--ray writes to folders: give a folder instead of out.png"),
        (["in", "-o", "in/..//in", "--scale", "17"], "enlarges by at most x16"),
        (["nothing://in", "-o", "out"], "cannot list nothing://in"),
    ],
)
def test_bad_inputs_get_one_line_before_the_cluster_is_asked(folder, monkeypatch, capsys, arguments, words):
    pytest.importorskip("ray", reason="needs the extra ray")
    monkeypatch.chdir(folder)
    with pytest.raises(SystemExit):
        main(["upscale", *arguments, "--ray"])
    assert words in capsys.readouterr().err


@pytest.mark.slow
def test_workers_that_cannot_start_end_the_batch(folder, cluster):
    (folder / "pids").rmdir()
    process = start(folder, cluster)
    _, errors = process.communicate()
    assert process.returncode == 2, errors
    assert errors.splitlines()[-1].startswith("error: no worker is left (a worker cannot start: the network is broken)")
    assert not (folder / "out").exists()


@pytest.mark.slow
def test_an_unreachable_cluster_gets_one_line(folder):
    pytest.importorskip("ray", reason="needs the extra ray")
    _, errors = start(folder, "127.0.0.1:9").communicate()
    assert errors.startswith("error: cannot connect to 127.0.0.1:9: ")
    assert errors.count("\n") == 1
