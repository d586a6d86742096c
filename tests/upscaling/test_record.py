"""The record of an output folder, and what a batch does with it."""

import concurrent.futures
import json
import os
import subprocess
import sys

import numpy as np
import pytest

from lapsrn_jax.images.io import read_image, write_image
from lapsrn_jax.photos import writing
from lapsrn_jax.upscaling.batch import upscale_all
from lapsrn_jax.upscaling.jobs import find_jobs
from lapsrn_jax.upscaling.record import JOURNAL, Entry, Record
from tests import tiny
from tests.conftest import ROOT
from tests.upscaling.bicubic import Bicubic, settings


@pytest.fixture
def folder(tmp_path, rng):
    (tmp_path / "in").mkdir()
    for name in ("a.png", "b.jpg", "c.png"):
        write_image(tmp_path / "in" / name, tiny.photograph(rng, 8, 9))
    return tmp_path


def run(source, target, suffix=None, **options) -> list[str]:
    """The statuses of a batch."""
    jobs, _ = find_jobs([str(source)], str(target), suffix)
    return [report["status"] for report in upscale_all(jobs, Bicubic(), settings(**options), Record(target))]


def test_a_file_that_is_no_result_is_not_replaced(folder):
    """Converting JPEGs in place leaves an unrelated PNG of the same name alone."""
    other = folder / "in" / "b.png"
    write_image(other, np.zeros((3, 3), np.uint8))
    before = other.read_bytes()
    jobs, _ = find_jobs([f"{folder}/in/*.jpg"], f"{folder}/in", ".png")
    record = Record(folder / "in")
    [report] = upscale_all(jobs, Bicubic(), settings(), record)
    assert report["status"] == "failed"
    assert "b.png exists already: give another --output, or --overwrite" in report["error"]
    assert other.read_bytes() == before
    [report] = upscale_all(jobs, Bicubic(), settings(overwrite=True), record)
    assert report["status"] == "done"
    assert read_image(other).shape == (16, 18, 3)
    [report] = upscale_all(jobs, Bicubic(), settings("other"), record)  # it is a result now
    assert report["status"] == "done"


def test_a_result_that_was_edited_is_not_replaced(folder):
    assert run(folder / "in", folder / "out") == ["done"] * 3
    write_image(folder / "out" / "a.png", np.zeros((3, 3), np.uint8))
    assert run(folder / "in", folder / "out", fingerprint="other") == ["failed", "done", "done"]
    assert read_image(folder / "out" / "a.png").shape == (3, 3)


@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_links_to_inputs_are_inputs(folder, link):
    before = (folder / "in" / "a.png").read_bytes()
    (folder / "out").mkdir()
    link(folder / "in" / "a.png", folder / "out" / "a.png")
    jobs, _ = find_jobs([f"{folder}/in"], f"{folder}/out")
    reports = list(upscale_all(jobs, Bicubic(), settings(overwrite=True), Record(folder / "out")))
    assert "is one of the inputs" in reports[0]["error"]
    assert (folder / "out" / "a.png").read_bytes() == before


def test_results_are_not_enlarged_again(folder):
    """Neither in place, nor in a folder of results below the inputs; a result given alone is."""
    names = {path.name for path in (folder / "in").iterdir()}
    for _ in range(3):
        jobs, left_out = find_jobs([f"{folder}/in/*.jpg", f"{folder}/in/*.png"], f"{folder}/in", ".tif")
        list(upscale_all(jobs, Bicubic(), settings(), Record(folder / "in")))
        jobs, left_out = find_jobs([f"{folder}/in"], f"{folder}/in", ".tif")
        assert len(jobs) == 3
        assert len(left_out) == 1
        assert "3 earlier results, such as" in left_out[0]
        list(upscale_all(jobs, Bicubic(), settings(), Record(folder / "in")))
    assert {path.name for path in (folder / "in").iterdir()} == names | {"a.tif", "b.tif", "c.tif", JOURNAL}

    assert run(folder / "in", folder / "in" / "x2") == ["done"] * 3
    jobs, left_out = find_jobs([f"{folder}/in"], f"{folder}/in/x3")
    assert "6 earlier results" in left_out[0]
    assert not any("x2" in job.source for job in jobs)
    jobs, left_out = find_jobs([f"{folder}/in/x2/a.png"], f"{folder}/x4/")
    assert (len(jobs), left_out) == (1, [])


def test_the_journal_only_grows(folder):
    assert run(folder / "in", folder / "out") == ["done"] * 3
    journal = folder / "out" / JOURNAL
    first, inode = journal.read_bytes(), journal.stat().st_ino
    assert run(folder / "in", folder / "out", fingerprint="other") == ["done"] * 3
    assert journal.read_bytes().startswith(first)
    assert journal.stat().st_ino == inode
    assert run(folder / "in", folder / "out", fingerprint="other") == ["skipped"] * 3


def test_a_damaged_line_costs_its_picture_only(folder):
    assert run(folder / "in", folder / "out") == ["done"] * 3
    journal = folder / "out" / JOURNAL
    lines = sorted(filter(None, journal.read_bytes().splitlines()))
    journal.write_bytes(b"\n".join([b'{"target": [], "source": 1}', lines[0][:50], *lines[1:]]))  # cut off at the end
    record = Record(folder / "out")
    record.add(Entry("x.png", "1", "2", "3"))
    assert Entry("x.png", "1", "2", "3") in Record(folder / "out")
    assert json.loads(lines[-1])["target"] == "c.png"
    assert run(folder / "in", folder / "out", overwrite=True) == ["done", "skipped", "skipped"]


def test_a_line_that_is_still_being_written_is_read_later(tmp_path):
    """Whatever part of it a reader finds first."""
    entry = Entry("a.png", "source", "settings", "result")
    journal = tmp_path / JOURNAL
    Record(tmp_path).add(entry)
    content = journal.read_bytes()
    for cut in range(len(content)):
        journal.write_bytes(content[:cut])
        record = Record(tmp_path)
        assert entry not in record
        journal.write_bytes(content)
        record.read()
        assert entry in record


def test_names_do_not_depend_on_how_the_folder_is_given(folder, monkeypatch):
    assert run(folder / "in", folder / "out") == ["done"] * 3
    monkeypatch.chdir(folder)
    assert run("in", "out") == ["skipped"] * 3
    (folder / "out").rename(folder / "moved")
    assert run("in", "moved") == ["skipped"] * 3


def test_a_kill_before_the_result_is_in_place_does_no_harm(folder, monkeypatch):
    """The entry is written first: the result, if it is there, is known as one."""

    def killed(self, target):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("pathlib.Path.replace", killed)
        with pytest.raises(KeyboardInterrupt):
            run(folder / "in", folder / "out")
    assert len((folder / "out" / JOURNAL).read_bytes().split()) > 1
    assert {path.name for path in (folder / "out").iterdir()} == {JOURNAL}
    assert run(folder / "in", folder / "out") == ["done"] * 3


def test_leftovers_of_killed_processes_are_removed(folder, monkeypatch):
    with monkeypatch.context() as patch:  # a killed process cleans nothing up
        patch.setattr(writing, "write_png", lambda *_: 1 / 0)
        patch.setattr("pathlib.Path.unlink", lambda *_, **__: None)
        run(folder / "in", folder / "out")
    assert len(list((folder / "out").glob(".*.partial"))) == 2
    assert run(folder / "in", folder / "out") == ["done", "skipped", "done"]
    assert not list((folder / "out").glob(".*.partial"))


def test_a_claimed_picture_comes_last(folder):
    record, order = Record(folder / "out"), []
    jobs, _ = find_jobs([str(folder / "in")], str(folder / "out"))
    with record.claimed(jobs[0].target, wait=False) as held:
        assert held
        reports = upscale_all(jobs, Bicubic(), settings(), Record(folder / "out"))
        order += [next(reports)["source"], next(reports)["source"]]
    order += [report["source"] for report in reports]
    assert order == [job.source for job in [*jobs[1:], jobs[0]]]


def test_a_lone_picture_waits_for_the_process_that_works_on_it(folder):
    jobs, _ = find_jobs([f"{folder}/in/a.png"], f"{folder}/out/a.png")
    with concurrent.futures.ThreadPoolExecutor() as pool:
        with Record(folder / "out").claimed(jobs[0].target, wait=False):
            reports = pool.submit(list, upscale_all(jobs, Bicubic(), settings(), Record(folder / "out")))
            with pytest.raises(TimeoutError):
                reports.result(0.2)
        [report] = reports.result(60)
    assert report["status"] == "done"


TWO = """
import json, sys
from lapsrn_jax.upscaling.batch import upscale_all
from lapsrn_jax.upscaling.jobs import find_jobs
from lapsrn_jax.upscaling.record import Record
from tests.upscaling.bicubic import Bicubic, settings
jobs, _ = find_jobs([sys.argv[1]], sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
print(json.dumps([report["status"] for report in upscale_all(jobs, Bicubic(), settings(), Record(sys.argv[2]))]))
"""


def test_two_processes_share_a_folder(tmp_path, rng):
    """Each picture is done once, and each process sees all of them done."""
    source, target = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    for i in range(40):
        write_image(source / f"{i}.png", tiny.photograph(rng, 8, 9))
    command = [sys.executable, "-c", TWO, source, target]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    both = [subprocess.Popen(command, cwd=ROOT, **pipes) for _ in range(2)]
    for process in both:
        assert process.stdout.readline() == "ready\n"
    for process in both:
        process.stdin.write("go\n")
        process.stdin.flush()
    outputs = [process.communicate() for process in both]
    statuses = [json.loads(output) for output, _ in outputs]
    assert sum(status.count("done") for status in statuses) == 40, outputs
    assert sum(status.count("skipped") for status in statuses) == 40
    assert {path.name for path in target.iterdir()} == {f"{i}.png" for i in range(40)} | {JOURNAL}
    assert len((target / JOURNAL).read_bytes().split(b"}")) == 41


def test_long_names_work(tmp_path, rng):
    name = "写" * 82 + ".png"  # 250 bytes; file systems allow 255
    write_image(tmp_path / name, tiny.photograph(rng, 8, 9))
    assert run(tmp_path / name, tmp_path / "out") == ["done"]
    assert (tmp_path / "out" / name).exists()


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_a_killed_batch_is_finished_by_the_next(tmp_path, rng):
    """Killed three times at any moment: nothing is lost, refused or done twice."""
    source, target = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    for i in range(30):
        write_image(source / f"{i}.png", tiny.photograph(rng, 8, 9))
    for results in (3, 9, 15):
        command = [sys.executable, "-c", TWO, source, target]
        process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        process.stdout.readline()
        process.stdin.write("go\n")
        process.stdin.flush()
        while process.poll() is None and len(list(target.glob("*.png"))) < results:
            pass
        process.kill()
        process.communicate()
    statuses = run(source, target)
    assert set(statuses) == {"done", "skipped"}
    assert statuses.count("skipped") >= 15
    assert {path.name for path in target.iterdir() if path.suffix == ".png"} == {f"{i}.png" for i in range(30)}
    assert not list(target.glob(".*.partial"))
    assert run(source, target) == ["skipped"] * 30
