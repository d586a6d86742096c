"""Several pictures at a time: order, errors, memory, interruptions."""

import io
import os
import threading
import time
import warnings

import PIL.Image
import pytest
import tqdm

from lapsrn_jax.errors import UserError
from lapsrn_jax.images.io import write_image
from lapsrn_jax.photos import writing
from lapsrn_jax.photos.reading import _SILENCE
from lapsrn_jax.upscaling import batch, picture
from lapsrn_jax.upscaling.batch import upscale_all
from lapsrn_jax.upscaling.jobs import find_jobs
from lapsrn_jax.upscaling.record import Record
from tests import tiny
from tests.upscaling.bicubic import Bicubic, settings


@pytest.fixture
def jobs(tmp_path, rng):
    (tmp_path / "in").mkdir()
    for i in range(24):
        write_image(tmp_path / "in" / f"{i:02d}.png", tiny.photograph(rng, 8 + i % 5, 9))
    return find_jobs([f"{tmp_path}/in"], f"{tmp_path}/out")[0]


class Watched:
    """Delays each picture by a random time, and counts how many are worked on at once."""

    def __init__(self, monkeypatch, rng):
        self.now = self.most = self.begun = 0
        self._lock, self._delays = threading.Lock(), rng.random(99) * 0.02
        self.fail_at: dict[int, BaseException] = {}
        monkeypatch.setattr(picture, "_upscale_album", self._counted(picture._upscale_album))

    def _counted(self, work):
        def counted(*arguments):
            with self._lock:
                self.begun += 1
                number, self.now = self.begun, self.now + 1
                self.most = max(self.most, self.now)
            try:
                time.sleep(self._delays[number])
                if number in self.fail_at:
                    raise self.fail_at[number]
                return work(*arguments)
            finally:
                with self._lock:
                    self.now -= 1

        return counted


def test_reports_keep_the_order_and_errors_their_picture(jobs, tmp_path, rng, monkeypatch):
    watched = Watched(monkeypatch, rng)
    (tmp_path / "in" / "07.png").write_bytes(b"no picture")
    reports = list(upscale_all(jobs, Bicubic(), settings(), Record(tmp_path / "out")))
    assert [report["source"] for report in reports] == [job.source for job in jobs]
    assert [report["source"][-6:] for report in reports if report["status"] != "done"] == ["07.png"]
    assert watched.most == Bicubic.images_at_once
    again = list(upscale_all(jobs, Bicubic(), settings(), Record(tmp_path / "out")))
    assert {report["status"] for report in again} == {"skipped", "failed"}
    for report in [*reports, *again]:
        assert ("seconds" in report) == ("size" in report) == (report["status"] == "done")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (UserError("this is no picture"), "this is no picture"),
        (OSError(5, "Input/output error", "b.jpg"), "b.jpg: Input/output error"),
        (MemoryError(), "not enough memory"),
        (RuntimeError("a\n  bug"), "RuntimeError: a bug"),
    ],
    ids=repr,
)
def test_an_error_on_one_picture_does_not_stop_the_batch(jobs, monkeypatch, capsys, error, said):
    """It is reported in one line; a bug has a traceback too."""
    read = picture.open_album

    def harmed(path, name):
        if path == jobs[1].source:
            raise error
        return read(path, name)

    monkeypatch.setattr(picture, "open_album", harmed)
    reports = upscale_all(jobs[:3], Bicubic(), settings(), None)
    assert [report["status"] for report in reports] == ["done", "failed", "done"]
    captured = capsys.readouterr().err
    assert f"failed: {said}\n" in captured
    assert ("Traceback" in captured) == isinstance(error, RuntimeError)


def test_a_picture_that_is_gone_does_no_harm_to_the_others(jobs, tmp_path):
    os.remove(jobs[1].source)
    reports = list(upscale_all(jobs[:3], Bicubic(), settings(), Record(tmp_path / "out")))
    assert [report["status"] for report in reports] == ["done", "failed", "done"]
    assert "01.png" in reports[1]["error"]


def test_a_full_disk_ends_the_batch(jobs, monkeypatch):
    """The remaining pictures would fail too."""

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(writing, "write_png", full)
    reports = upscale_all(jobs, Bicubic(), settings(), None)
    assert next(reports)["status"] == "failed"
    with pytest.raises(UserError, match=r"cannot write .*00\.png: No space left on device: free some space"):
        next(reports)


def test_pictures_wait_for_memory(jobs, tmp_path, rng, monkeypatch):
    """With room for one only, and also if one alone is too much."""
    watched, network = Watched(monkeypatch, rng), Bicubic()
    network.memory_for_images = 16 * (12 * 9) * 5
    assert {report["status"] for report in upscale_all(jobs, network, settings(), None)} == {"done"}
    assert watched.most == 1
    network.memory_for_images *= 2
    assert {report["status"] for report in upscale_all(jobs, network, settings(overwrite=True), None)} == {"done"}
    assert watched.most == 2


def test_a_large_picture_gets_its_turn():
    """A small one that would still fit into memory waits behind it."""
    memory, order = batch._Memory(2), []

    def work(amount: int) -> None:
        with memory.taken(amount):
            order.append(amount)

    threads = [threading.Thread(target=work, args=(amount,)) for amount in (2, 1)]
    with memory.taken(1):
        threads[0].start()
        start = time.monotonic()
        while not memory._turn.locked() and time.monotonic() < start + 5:
            time.sleep(0.001)
        threads[1].start()
        threads[1].join(0.05)
        assert order == []
    for thread in threads:
        thread.join()
    assert order == [2, 1]


def test_an_interruption_ends_the_threads_and_leaves_whole_results_only(jobs, tmp_path, rng, monkeypatch):
    watched = Watched(monkeypatch, rng)
    watched.fail_at[9] = KeyboardInterrupt()
    before = threading.active_count()
    reports = upscale_all(jobs, Bicubic(), settings(), Record(tmp_path / "out"))
    with pytest.raises(KeyboardInterrupt):
        list(reports)
    assert threading.active_count() <= before
    assert watched.begun < len(jobs)
    found = {path.name for path in (tmp_path / "out").iterdir() if path.suffix != ".jsonl"}
    assert found <= {f"{i:02d}.png" for i in range(24)}
    again = list(upscale_all(jobs, Bicubic(), settings(), Record(tmp_path / "out")))
    assert [report["status"] for report in again].count("skipped") == len(found)


def test_a_batch_that_is_given_up_stops(jobs, tmp_path, rng, monkeypatch):
    """Also in the middle of a picture, and while it waits for another process."""
    watched, record = Watched(monkeypatch, rng), Record(tmp_path / "out")
    with Record(tmp_path / "out").claimed(jobs[3].target, wait=False):
        reports = upscale_all(jobs[:5], Bicubic(), settings(), record)
        for _ in range(4):
            next(reports)
        start = time.monotonic()
        reports.close()
        assert time.monotonic() - start < 5
    assert watched.begun == 4


def test_the_bar_moves_in_parts_of_pictures_and_ends_at_their_number(jobs, tmp_path, monkeypatch):
    """Those that fail half-way count too, and so do those that were done before. An animation is one picture."""
    frames = [PIL.Image.new("RGB", (7, 8), (60 * i, 0, 0)) for i in range(3)]
    frames[0].save(tmp_path / "in" / "24.gif", save_all=True, append_images=frames[1:])
    jobs, _ = find_jobs([f"{tmp_path}/in"], f"{tmp_path}/out")
    bars, places = [], []

    class Bar(tqdm.tqdm):
        def __init__(self, **options):
            super().__init__(**options | {"disable": False, "file": io.StringIO()})
            bars.append(self)

    class Tenths(Bicubic):
        images_at_once = 1

        def gray(self, rows, shape, size, *, progress):
            for _ in range(5):
                progress(0.1)
            places.append(bars[-1].n)
            if shape[0] == 9:
                raise UserError("half a picture")
            yield from super().gray(rows, shape, size)
            for _ in range(5):
                progress(0.1)

    monkeypatch.setattr(batch.tqdm, "tqdm", Bar)
    for status, begun in (("done", range(24)), ("skipped", range(1, 24, 5))):
        places.clear()
        reports = list(upscale_all(jobs, Tenths(), settings(), Record(tmp_path / "out")))
        assert {report["status"] for report in reports} == {status, "failed"}
        assert places[: len(begun)] == pytest.approx([place + 1 / 2 for place in begun])
        assert places[len(begun) :] == pytest.approx([24 + part / 6 for part in (1, 3, 5)] if status == "done" else [])
        assert bars[-1].n == 25  # tqdm warns of a bar that is beyond its end by any rounding


def test_warnings_are_silent_in_every_thread_and_come_back():
    barrier, heard = threading.Barrier(3), []

    def work(stay: float) -> None:
        barrier.wait()
        with _SILENCE:
            time.sleep(stay)
            warnings.warn("odd metadata", stacklevel=1)
        heard.append(stay)

    threads = [threading.Thread(target=work, args=(stay,)) for stay in (0.01, 0.05, 0.1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(heard) == 3  # a warning is an error in tests, and would have ended its thread
    with pytest.raises(UserWarning, match="loud"):
        warnings.warn("loud", stacklevel=1)


def test_the_same_bytes_as_one_after_another(jobs, tmp_path):
    list(upscale_all(jobs, Bicubic(), settings(), None))
    for job in jobs:
        alone = job._replace(target=f"{tmp_path}/alone.png")
        list(upscale_all([alone], Bicubic(), settings(overwrite=True), None))
        with open(job.target, "rb") as together, open(alone.target, "rb") as single:
            assert together.read() == single.read()
