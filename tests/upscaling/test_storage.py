"""Addresses of fsspec, here those of its file system in memory."""

import itertools
import pathlib

import numpy as np
import pytest
import tqdm

from lapsrn_jax.errors import UserError
from lapsrn_jax.images.io import write_image
from lapsrn_jax.upscaling.batch import Work, upscale_all
from lapsrn_jax.upscaling.jobs import Job, find_jobs
from tests import tiny
from tests.upscaling.bicubic import Bicubic, settings

fsspec = pytest.importorskip("fsspec", reason="needs the extra ray")
from lapsrn_jax.upscaling import storage  # noqa: E402
from lapsrn_jax.upscaling.storage import Storage, find_jobs_at  # noqa: E402

_NUMBERS = itertools.count()


@pytest.fixture
def memory() -> str:
    """A folder of its own. The file system is one for the process."""
    return f"memory://{next(_NUMBERS)}"


@pytest.fixture
def pictures(tmp_path, memory, rng):
    """The same pictures in the folder `tmp_path`/in and at an address."""
    fs = fsspec.filesystem("memory")
    for name in ("a.png", "b.jpg", "deep/c.png", "deep/a.png"):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_image(path, tiny.photograph(rng, 8, 9))
        fs.pipe(f"{memory}/in/{name}", path.read_bytes())
    return f"{memory}/in"


def run(source: str, target: str, scale: int = 2, **options) -> dict[str, dict]:
    """The reports of a batch by the names of the sources."""
    jobs, _ = find_jobs_at([source], target, **options)
    place = Storage(target)
    chosen = settings(str(scale))._replace(size=lambda shape: (shape[0] * scale, shape[1] * scale))
    work = Work([], Bicubic(), chosen, place.record, tqdm.tqdm(disable=True))
    outcomes = [place.upscale(job, lambda local: work.do(local, wait=True)) for job in jobs]
    return {job.source.rpartition("/in/")[2]: report for job, (report, _) in zip(jobs, outcomes, strict=True)}


def statuses(*arguments, **options) -> list[str]:
    return [report["status"] for report in run(*arguments, **options).values()]


def contents(address: str) -> dict[str, bytes]:
    fs, root = fsspec.url_to_fs(address)
    return {path.removeprefix(f"{root}/"): fs.cat_file(path) for path in fs.find(root)}


def test_the_same_jobs_and_bytes_as_with_folders(pictures, memory, tmp_path):
    at, _ = find_jobs_at([pictures], f"{memory}/out/", ".png", "_x2")
    jobs, _ = find_jobs([f"{tmp_path}/in"], f"{tmp_path}/out", ".png", "_x2")
    there = [Job(*(name.replace(str(tmp_path), memory) for name in job)) for job in jobs]
    assert sorted(at) == sorted(there)
    list(upscale_all(jobs, Bicubic(), settings(), None))
    assert statuses(pictures, f"{memory}/out/", suffix=".png", tag="_x2") == ["done"] * 4
    found = contents(f"{memory}/out")
    local = {str(path.relative_to(tmp_path / "out")): path.read_bytes() for path in (tmp_path / "out").rglob("*.png")}
    assert {name: found[name] for name in found if not name.startswith(".lapsrn/")} == local
    assert {name for name in found if name.startswith(".lapsrn/")} == {f".lapsrn/{name}.jsonl" for name in local}


def test_a_second_run_skips_what_is_unchanged(pictures, memory):
    out, fs = f"{memory}/out", fsspec.filesystem("memory")
    assert statuses(pictures, out) == ["done"] * 4
    first = contents(out)
    assert statuses(pictures, out) == ["skipped"] * 4
    assert contents(out) == first
    fs.rm(f"{out}/a.png")
    fs.pipe(f"{out}/deep/c.png", b"edited")
    reports = run(pictures, out)
    assert {name: report["status"] for name, report in reports.items()} == {
        "a.png": "done", "b.jpg": "skipped", "deep/a.png": "skipped", "deep/c.png": "failed",
    }  # fmt: skip
    assert f"{out}/deep/c.png exists already" in reports["deep/c.png"]["error"]
    assert fs.cat(f"{out}/deep/c.png") == b"edited"


def test_a_result_that_is_lost_on_the_way_does_no_harm(pictures, memory, monkeypatch):
    """The entry of the new result is there before it, and the entry of the old one still is."""
    assert statuses(pictures, f"{memory}/out") == ["done"] * 4
    put = storage._put

    def broken(path, address):
        if not address.endswith(".jsonl"):
            raise OSError("the connection was lost")
        put(path, address)

    with monkeypatch.context() as patch:
        patch.setattr(storage, "_put", broken)
        reports = run(pictures, f"{memory}/out", 3)
        assert {report["status"] for report in reports.values()} == {"failed"}
        assert reports["a.png"]["error"] == f"{pictures}/a.png: OSError: the connection was lost"
    assert statuses(pictures, f"{memory}/out") == ["skipped"] * 4
    assert statuses(pictures, f"{memory}/out", 3) == ["done"] * 4


def test_errors_name_the_addresses(pictures, memory, capsys):
    fs = fsspec.filesystem("memory")
    fs.pipe(f"{pictures}/b.jpg", b"no picture")
    jobs, _ = find_jobs_at([pictures], f"{memory}/out")
    fs.rm(f"{pictures}/deep/c.png")
    place = Storage(f"{memory}/out")
    work = Work([], Bicubic(), settings(), place.record, tqdm.tqdm(disable=True))
    errors = [place.upscale(job, lambda local: work.do(local, wait=True))[0].get("error", "") for job in jobs]
    assert [error.split(" ")[0].rstrip(":") for error in errors] == [
        "",
        f"{pictures}/b.jpg",
        "",
        f"{pictures}/deep/c.png",
    ]
    assert not [error for error in errors if "lapsrn-" in error]


def test_nothing_is_left_in_local_folders(pictures, memory, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before = set(tmp_path.iterdir())
    place = Storage(f"{memory}/out")
    work = Work([], Bicubic(), settings(), place.record, tqdm.tqdm(disable=True))
    for job in find_jobs_at([pictures], f"{memory}/out")[0]:
        place.upscale(job, lambda local: work.do(local, wait=True))
        assert not [path for new in set(tmp_path.iterdir()) - before for path in new.rglob("*") if path.is_file()]


def test_results_and_hidden_files_are_left_out(pictures, memory):
    fs = fsspec.filesystem("memory")
    fs.pipe(f"{pictures}/.hidden/d.png", b"")
    fs.pipe(f"{pictures}/notes.txt", b"")
    assert statuses(pictures, f"{pictures}/x2") == ["done"] * 4  # below the pictures
    jobs, left_out = find_jobs_at([pictures], f"{pictures}/x2")
    assert len(jobs) == 4
    assert left_out == ["files in formats that are not supported: 1 .txt"]
    jobs, left_out = find_jobs_at([pictures], f"{memory}/x4")
    assert not [job for job in jobs if "x2" in job.source]
    assert left_out[0] == "4 earlier results: give one alone to enlarge it again"
    assert find_jobs_at([f"{pictures}/x2/a.png"], f"{memory}/x4")[0] == [
        Job(f"{pictures}/x2/a.png", f"{memory}/x4/a.png")
    ]


def test_bad_addresses_get_one_line(pictures, memory):
    for source, target, words in [
        (pictures, pictures, "is an input and the output"),
        (f"{memory}/nothing", f"{memory}/out", "no pictures in"),
        ("nosuch://a", f"{memory}/out", "Protocol not known"),
    ]:
        with pytest.raises(UserError, match=words) as caught:
            find_jobs_at([source], target)
        assert "\n" not in str(caught.value)


def test_chains_and_paths_are_addresses(tmp_path, rng):
    """Further links of a chain stay behind the names of files."""
    write_image(tmp_path / "in.png", np.zeros((3, 3), np.uint8))
    chain = f"::file://{tmp_path}"
    jobs, _ = find_jobs_at([f"dir://in.png{chain}"], f"dir://out{chain}")
    assert jobs == [Job(f"dir://in.png{chain}", f"dir://out/in.png{chain}")]
    jobs, _ = find_jobs_at([str(tmp_path / "in.png")], f"dir://out{chain}")
    assert jobs == [Job(f"file://{tmp_path}/in.png", f"dir://out/in.png{chain}")]
    for target in (f"dir://out{chain}", f"file://{tmp_path}/out2"):
        assert statuses(str(tmp_path / "in.png"), target) == ["done"]
        assert statuses(str(tmp_path / "in.png"), target) == ["skipped"]
    files = {str(path.relative_to(tmp_path)) for path in pathlib.Path(tmp_path).rglob("*") if path.is_file()}
    assert files == {
        "in.png", *(f"{out}/{name}" for out in ("out", "out2") for name in ("in.png", ".lapsrn/in.png.jsonl")),
    }  # fmt: skip
