"""Damaged frames, and runs that were interrupted or killed."""

import json
import os
import signal
import subprocess
import sys
import time

import av
import numpy as np
import pytest

from lapsrn_jax.files import lock_of, locked
from lapsrn_jax.upscaling import clips as upscaling
from lapsrn_jax.videos.reading import Clip
from tests.conftest import ROOT
from tests.videos import clips
from tests.videos.clips import check_all_but_the_frames, enlarge


def damaged(path, target, number):
    """Copies a file with its `number`-th packet of video destroyed."""
    with av.open(str(path)) as container:
        packets = [(packet.pos, packet.size, packet.pts) for packet in container.demux(video=0) if packet.size]
    position, size, when = packets[number]
    content = bytearray(path.read_bytes())
    content[position : position + size] = b"\xff" * size
    target.write_bytes(content)
    return when


def test_a_damaged_frame_is_named_and_the_one_before_is_repeated(tmp_path, rng, weights, capsys):
    whole = clips.write(tmp_path / "a.mp4", clips.frames(rng, 12), options={"x264-params": "keyint=1"})
    source = tmp_path / "damaged.mp4"
    when = damaged(whole, source, 7)
    report = tmp_path / "report.json"
    assert enlarge(source, tmp_path / "b.mkv", weights, "--codec", "ffv1", "--json", report) == 0
    line = f"a frame is damaged, at {when / 12800:.3f} s: the frame before is repeated"
    assert line in capsys.readouterr().err
    [entry] = json.loads(report.read_text())
    assert line in entry["note"]
    assert (entry["status"], entry["frames"]) == ("done", 12)
    found = clips.read(tmp_path / "b.mkv")
    assert found.times == clips.read(whole).times
    same = [
        np.array_equal(a.to_ndarray(), b.to_ndarray()) for a, b in zip(found.frames, found.frames[1:], strict=False)
    ]
    assert same == [n == 6 for n in range(11)]


def test_damage_before_the_first_whole_frame(tmp_path, rng):
    whole = clips.write(tmp_path / "a.mp4", clips.frames(rng, 4), options={"x264-params": "keyint=1"})
    damaged(whole, tmp_path / "b.mp4", 0)
    found = list(Clip(tmp_path / "b.mp4").frames())
    assert [(when, intact) for when, _, intact in found] == [(0, False), (512, True), (1024, True), (1536, True)]
    np.testing.assert_array_equal(found[0][1][0], found[1][1][0])


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_an_interrupted_run_goes_on_from_the_last_segment(tmp_path, rng, weights, counted, monkeypatch, suffix):
    source = clips.write(tmp_path / "a.mp4", clips.frames(rng, 20))
    whole, result = tmp_path / f"whole{suffix}", tmp_path / f"b{suffix}"
    assert enlarge(source, whole, weights) == 0
    assert len(counted) == 20

    def interrupted(path, *arguments):
        if path.name == "000001.mkv":
            raise KeyboardInterrupt
        return write(path, *arguments)

    write = upscaling.write_segment
    with monkeypatch.context() as patch:
        patch.setattr(upscaling, "write_segment", interrupted)
        assert enlarge(source, result, weights) == 130
    counted.clear()
    assert enlarge(source, result, weights) == 0
    assert len(counted) == 12
    assert result.read_bytes() == whole.read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {"a.mp4", result.name, whole.name}


def test_segments_of_other_settings_are_not_used(tmp_path, rng, weights, counted, monkeypatch):
    source = clips.write(tmp_path / "a.mp4", clips.frames(rng, 10))

    def full(*arguments):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(upscaling, "join", full)
        assert enlarge(source, tmp_path / "b.mp4", weights) == 2
    counted.clear()
    assert enlarge(source, tmp_path / "b.mp4", weights, "--crf", 30) == 0
    assert len(counted) == 10
    assert {path.name for path in tmp_path.iterdir()} == {"a.mp4", "b.mp4"}


@pytest.mark.slow
def test_a_killed_run_goes_on(tmp_path, rng, weights):
    source = clips.write(tmp_path / "a.mp4", clips.frames(rng, 150), tracks=1)
    command = [sys.executable, "-m", "lapsrn_jax.cli", "upscale", source, "--scale", "2", "--weights", weights, "-o"]
    subprocess.run([*command, tmp_path / "whole.mp4"], check=True, cwd=ROOT)
    process = subprocess.Popen([*command, tmp_path / "b.mp4"], cwd=ROOT)
    deadline = time.monotonic() + 120
    while not (first := list(tmp_path.glob(".*.unfinished/000000.mkv"))):
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    made = first[0].stat().st_mtime_ns
    kept = tmp_path / "kept.mkv"
    os.link(first[0], kept)
    assert not (tmp_path / "b.mp4").exists()
    subprocess.run([*command, tmp_path / "b.mp4"], check=True, cwd=ROOT)
    assert kept.stat().st_mtime_ns == made
    assert (tmp_path / "b.mp4").read_bytes() == (tmp_path / "whole.mp4").read_bytes()
    check_all_but_the_frames(source, tmp_path / "b.mp4")


def test_two_runs_do_not_work_on_one_result(tmp_path, rng, weights, capsys):
    source = clips.write(tmp_path / "a.mp4", clips.frames(rng, 2))
    with locked(lock_of(tmp_path / "b.mp4")):
        assert enlarge(source, tmp_path / "b.mp4", weights) == 2
    assert f"another process is working on {tmp_path / 'b.mp4'}: wait for it" in capsys.readouterr().err
    assert enlarge(source, tmp_path / "b.mp4", weights) == 0
