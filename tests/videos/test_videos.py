"""`lapsrn upscale` on videos: the frames are enlarged, and everything else stays."""

import json
import os
import signal
import subprocess
import sys
import time
from fractions import Fraction

import av
import numpy as np
import pytest

from lapsrn_jax.files import lock_of, locked
from lapsrn_jax.upscaling import clips as upscaling
from lapsrn_jax.upscaling.clips import enlarged_planes
from lapsrn_jax.upscaling.upscale import Upscaler
from lapsrn_jax.videos import encoding
from lapsrn_jax.videos.encoding import CODECS, encoding_for, write_segment
from lapsrn_jax.videos.reading import Clip
from lapsrn_jax.weights.files import load_weights
from tests import tiny
from tests.conftest import ROOT
from tests.upscaling.command import upscale
from tests.videos import clips

BT2020 = {"color_primaries": 9, "color_trc": 16, "colorspace": 9, "color_range": 1}  # PQ
BT709 = {"color_primaries": 1, "color_trc": 1, "colorspace": 1, "color_range": 1}


@pytest.fixture
def variable(rng):
    """Times of frames in ticks of 1/90000 s, without a rhythm, from 0.1 s on."""
    return [int(ticks) for ticks in 9000 + np.cumsum(rng.integers(1000, 9000, 60))]


@pytest.fixture
def subtitles(tmp_path):
    path = tmp_path / "text.srt"
    path.write_text("1\n00:00:00,100 --> 00:00:00,700\nHello\n\n2\n00:00:00,800 --> 00:00:01,000\nWorld\n")
    return path


def enlarge(source, target, weights, *options):
    return upscale(source, "-o", target, "--scale", 2, "--weights", weights, *options)


def check_all_but_the_frames(source, target):
    """Compares a result with its source."""
    before, after = clips.read(source), clips.read(target)
    assert after.times == before.times
    assert after.packets == before.packets
    assert after.chapters == before.chapters
    changed = {name for name in before.stream if before.stream[name] != after.stream[name]}
    assert changed <= {"width", "height", "codec"}
    assert (after.stream["width"], after.stream["height"]) == (2 * before.stream["width"], 2 * before.stream["height"])
    return before, after


def test_a_constant_rate_with_chapters_and_subtitles(tmp_path, rng, weights, subtitles):
    source = clips.write(
        tmp_path / "a.mkv",
        clips.frames(rng, 55),
        time_base=Fraction(1, 1000),
        tracks=1,
        subtitles=subtitles,
        tags=BT709,
    )
    assert enlarge(source, tmp_path / "b.mkv", weights) == 0
    before, _ = check_all_but_the_frames(source, tmp_path / "b.mkv")
    assert len(before.times) == 55
    assert before.chapters == [(0, "Opening")]
    assert {kind for kind, _ in before.packets} == {"audio", "subtitle"}


def test_a_variable_rate(tmp_path, rng, weights, variable):
    source = clips.write(
        tmp_path / "a.mp4", clips.frames(rng, 60), times=variable, time_base=Fraction(1, 90000), tracks=1
    )
    assert enlarge(source, tmp_path / "b.mp4", weights) == 0
    before, _ = check_all_but_the_frames(source, tmp_path / "b.mp4")
    assert before.times == [Fraction(ticks, 90000) for ticks in variable]


def test_ten_bits_and_tags(tmp_path, rng, weights):
    pixels = "yuv420p10le"
    source = clips.write(tmp_path / "a.mp4", clips.frames(rng, 7), pixels=pixels, tags=BT2020)
    assert enlarge(source, tmp_path / "b.mp4", weights) == 0
    _, after = check_all_but_the_frames(source, tmp_path / "b.mp4")
    assert after.stream.items() >= (BT2020 | {"pix_fmt": pixels, "codec": "hevc"}).items()


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_a_turned_clip_with_two_tracks_and_wide_pixels(tmp_path, rng, weights, suffix):
    source = clips.write(
        tmp_path / f"a{suffix}", clips.frames(rng, 5), rotation=90, tracks=2, aspect=Fraction(4, 3),
        time_base=Fraction(1, 1000),
    )  # fmt: skip
    assert enlarge(source, tmp_path / f"b{suffix}", weights) == 0
    before, _ = check_all_but_the_frames(source, tmp_path / f"b{suffix}")
    assert (before.stream["rotation"], before.stream["aspect"], len(before.packets)) == (90, Fraction(4, 3), 2)


def test_an_interlaced_clip_is_refused(tmp_path, rng, weights, capsys):
    source = clips.write(tmp_path / "a.mp4", clips.frames(rng, 3), options={"x264-params": "interlaced=1"})
    assert enlarge(source, tmp_path / "b.mp4", weights) == 2
    assert capsys.readouterr().err.endswith(
        f"{source} is interlaced: make whole frames of it first, for example with FFmpeg's filter bwdif\n"
    )
    assert {path.name for path in tmp_path.iterdir()} == {"a.mp4"}


@pytest.mark.parametrize("pixels", ["yuv420p", "yuv422p10le", "yuvj444p", "gray"])
def test_the_frames_are_those_of_the_network(tmp_path, rng, weights, pixels):
    """A codec without loss shows them."""
    known = "mjpeg" if pixels.startswith("yuvj") else "ffv1"
    source = clips.write(tmp_path / "a.mkv", clips.frames(rng, 3), codec=known, pixels=pixels)
    assert enlarge(source, tmp_path / "b.mkv", weights, "--codec", "ffv1") == 0
    network = Upscaler(*load_weights(weights))
    size = (2 * clips.SHAPE[0], 2 * clips.SHAPE[1])
    clip, result = Clip(source), Clip(tmp_path / "b.mkv")
    assert result.picture.full_range == pixels.startswith("yuvj")
    for (_, planes, _), (_, found, _) in zip(clip.frames(), result.frames(), strict=True):
        expected = enlarged_planes(planes, clip.picture, network, size)
        for a, b in zip(expected, found, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("pixels", "suffix", "options", "codec"),
    [
        ("yuv420p", ".mkv", (), "h264"),
        ("yuv420p", ".webm", (), "vp9"),
        ("yuv420p", ".mkv", ("--codec", "h265", "--crf", 51), "hevc"),
        ("yuv420p", ".mp4", ("--codec", "av1", "--crf", 40), "libdav1d"),
        ("yuv422p10le", ".mov", ("--codec", "prores"), "prores"),
        ("yuv420p10le", ".mp4", (), "hevc"),
        ("yuv444p12le", ".mkv", (), "hevc"),
        ("yuv420p", ".mkv", ("--lossless",), "ffv1"),
    ],
)
def test_the_codec_follows_the_container_and_the_depth(tmp_path, rng, weights, pixels, suffix, options, codec):
    source = clips.write(tmp_path / "a.mkv", clips.frames(rng, 2), codec="ffv1", pixels=pixels)
    assert enlarge(source, tmp_path / f"b{suffix}", weights, *options) == 0
    found = clips.read(tmp_path / f"b{suffix}").stream
    assert (found["codec"], found["pix_fmt"]) == (codec, pixels)


class Spoiled:
    """A stream whose encoder gives wrong times of decoding, as libx265 sometimes does for a few frames."""

    def __init__(self, stream):
        self.codec_context, self._encode = stream.codec_context, stream.encode

    def encode(self, frame):
        for packet in self._encode(frame):
            packet.dts = packet.pts + 5
            yield packet


@pytest.mark.parametrize("spoiled", [False, True])
@pytest.mark.parametrize("codec", CODECS)
def test_a_segment_may_have_two_frames(tmp_path, rng, codec, spoiled, monkeypatch):
    pixels = "yuv422p10le" if codec == "prores" else "yuv420p"
    clip = Clip(clips.write(tmp_path / "a.mkv", [tiny.photograph(rng, 64, 64)] * 2, codec="ffv1", pixels=pixels))
    written = encoding_for("b.mkv", clip.picture, (64, 64), codec=codec)
    stream = encoding._video_stream
    if spoiled:
        monkeypatch.setattr(encoding, "_video_stream", lambda *arguments: Spoiled(stream(*arguments)))
    frames = [planes for _, planes, _ in clip.frames()]
    write_segment(tmp_path / "b.mkv", frames, (64, 64), clip.picture, written)
    assert len(clips.read(tmp_path / "b.mkv").times) == 2


def test_narrow_frames_of_ten_bits(tmp_path, rng, weights, capsys):
    pictures = [frame[:, :20] for frame in clips.frames(rng, 7)]
    source = clips.write(tmp_path / "a.mp4", pictures, pixels="yuv420p10le")
    assert enlarge(source, tmp_path / "b.mp4", weights, "--codec", "h265") == 2
    assert "h265 needs a width of at least 64 pixels" in capsys.readouterr().err
    assert enlarge(source, tmp_path / "b.mp4", weights) == 0
    check_all_but_the_frames(source, tmp_path / "b.mp4")


def test_a_lower_rate_factor_gives_a_larger_file(tmp_path, rng, weights):
    source = clips.write(tmp_path / "a.mp4", clips.frames(rng, 10))
    sizes = []
    for crf in (5, 40):
        assert enlarge(source, tmp_path / f"{crf}.mp4", weights, "--crf", crf) == 0
        sizes.append((tmp_path / f"{crf}.mp4").stat().st_size)
    assert sizes[0] > 1.5 * sizes[1]


def test_odd_sizes_grow_to_even_ones(tmp_path, rng, weights):
    source = clips.write(tmp_path / "a.mp4", clips.frames(rng, 2))
    assert upscale(source, "-o", tmp_path / "b.mp4", "--width", 93, "--weights", weights) == 0
    found = clips.read(tmp_path / "b.mp4").stream
    assert (found["width"], found["height"]) == (94, 62)
    source = clips.write(tmp_path / "a.mkv", clips.frames(rng, 2), codec="ffv1", pixels="yuv444p")
    assert upscale(source, "-o", tmp_path / "b.mkv", "--width", 93, "--weights", weights) == 0
    assert clips.read(tmp_path / "b.mkv").stream["width"] == 93


def test_times_that_matroska_cannot_hold_are_named(tmp_path, rng, weights, capsys):
    source = clips.write(
        tmp_path / "a.mp4", clips.frames(rng, 4), times=[0, 1001, 2002, 3003], time_base=Fraction(1, 30000)
    )
    assert enlarge(source, tmp_path / "b.mkv", weights) == 0
    assert "times are rounded to milliseconds" in capsys.readouterr().err
    before, after = (clips.read(tmp_path / name).times for name in ("a.mp4", "b.mkv"))
    assert max(abs(a - b) for a, b in zip(before, after, strict=True)) <= Fraction(1, 2000)


def test_a_font_is_kept_where_it_can_be(tmp_path, rng, weights, capsys):
    font = rng.bytes(500)
    source = clips.write(tmp_path / "a.mkv", clips.frames(rng, 2), attachment=font)
    for suffix, kept in ((".mkv", [font]), (".mp4", [])):
        assert enlarge(source, tmp_path / f"b{suffix}", weights) == 0
        assert ("left out: a stream (attachment)\n" in capsys.readouterr().err) == (not kept)
        with av.open(str(tmp_path / f"b{suffix}")) as container:
            assert [stream.data for stream in container.streams if stream.type == "attachment"] == kept


def test_what_frames_hold_beside_pixels_is_named(tmp_path, rng, weights, capsys):
    light = "master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1):max-cll=1000,400"
    pictures = [tiny.photograph(rng, 64, 64)] * 2
    source = clips.write(
        tmp_path / "a.mkv", pictures, codec="libx265", options={"x265-params": f"log-level=error:bframes=0:{light}"}
    )
    assert enlarge(source, tmp_path / "b.mkv", weights) == 0
    assert f"{tmp_path / 'b.mkv'}: left out: HDR metadata\n" in capsys.readouterr().err


def test_transparency_is_named(tmp_path, rng, weights, capsys):
    source = clips.write(tmp_path / "a.webm", clips.frames(rng, 2), codec="libvpx-vp9", pixels="yuva420p")
    assert enlarge(source, tmp_path / "b.webm", weights) == 0
    assert f"{tmp_path / 'b.webm'}: left out: transparency\n" in capsys.readouterr().err


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_titles_are_kept_unless_they_are_stripped(tmp_path, rng, weights, suffix, capsys):
    about = {"title": "Harbour", "artist": "Somebody", "comment": "A test"}
    source = clips.write(tmp_path / f"a{suffix}", clips.frames(rng, 2), about=about, tracks=1)
    assert enlarge(source, tmp_path / f"b{suffix}", weights) == 0
    assert {
        name.lower(): text for name, text in clips.read(tmp_path / f"b{suffix}").about.items()
    }.items() >= about.items()
    assert "left out" not in capsys.readouterr().err
    assert enlarge(source, tmp_path / f"c{suffix}", weights, "--strip") == 0
    stripped = clips.read(tmp_path / f"c{suffix}")
    assert not {name.lower() for name in stripped.about} & about.keys()
    assert ("audio", "eng") in stripped.packets


def test_metadata_that_a_container_does_not_know_are_named(tmp_path, rng, weights, capsys):
    source = clips.write(tmp_path / "a.mkv", clips.frames(rng, 2), about={"FOO": "bar"})
    assert enlarge(source, tmp_path / "b.mp4", weights) == 0
    assert "left out: metadata (FOO)\n" in capsys.readouterr().err


@pytest.mark.parametrize("suffix", [".ts", ".mpg", ".flv", ".avi"])
def test_other_containers(tmp_path, rng, weights, suffix):
    """Their results are in Matroska, if the output is a folder."""
    codec = {".mpg": "mpeg2video", ".avi": "mpeg4"}.get(suffix, "libx264")
    base = Fraction(1, 25) if codec != "libx264" else Fraction(1, 90000)
    options = {"g": "10", "bf": "0" if suffix == ".avi" else "2"}
    source = clips.write(
        tmp_path / f"a{suffix}",
        clips.frames(rng, 60),
        codec=codec,
        time_base=base,
        options=options,
        sound="aac" if suffix == ".flv" else "mp2",
        tracks=1,
    )
    assert enlarge(source, f"{tmp_path}/out/", weights) == 0
    before, after = clips.read(source), clips.read(tmp_path / "out" / "a.mkv")
    assert len(before.times) == 60
    assert max(abs(a - b) for a, b in zip(before.times, after.times, strict=True)) <= Fraction(1, 2000)
    [sound], [same] = before.packets.values(), after.packets.values()
    assert b"".join(data for data, _ in sound) == b"".join(data for data, _ in same)
    network = Upscaler(*load_weights(weights))
    clip, result = Clip(source), Clip(tmp_path / "out" / "a.mkv")
    for (_, planes, intact), (_, found, _) in zip(clip.frames(), result.frames(), strict=True):
        assert intact
        expected = enlarged_planes(planes, clip.picture, network, (64, 96))[0]
        assert np.abs(expected.astype(int) - found[0]).mean() < 4  # the encoding loses a little


def test_sound_that_begins_late_stays_in_step(tmp_path, rng, weights):
    source = clips.write(
        tmp_path / "a.mp4", clips.frames(rng, 5), time_base=Fraction(1, 25), options={"x264-params": "bframes=0"},
        tracks=1, sound_start=6241,
    )  # fmt: skip
    assert enlarge(source, tmp_path / "b.mp4", weights) == 0
    check_all_but_the_frames(source, tmp_path / "b.mp4")


def test_times_that_repeat_are_refused_before_the_work(tmp_path, rng, weights, capsys, counted):
    source = clips.write(tmp_path / "a.ts", clips.frames(rng, 5), time_base=Fraction(1, 90000))
    twice = tmp_path / "twice.ts"
    twice.write_bytes(2 * source.read_bytes())
    assert enlarge(twice, tmp_path / "b.mp4", weights) == 2
    assert "shows several frames at" in capsys.readouterr().err
    assert not counted
    assert {path.name for path in tmp_path.iterdir()} == {"a.ts", "twice.ts"}


def test_a_size_that_changes_is_refused(tmp_path, rng, weights, capsys):
    parts = [
        clips.write(
            tmp_path / f"{n}.ts", [frame[:, :width] for frame in clips.frames(rng, 5)], time_base=Fraction(1, 90000),
            times=[3600 * (5 * n + i) for i in range(5)], options={"x264-params": "bframes=0"},
        )
        for n, width in enumerate((48, 32))
    ]  # fmt: skip
    source = tmp_path / "a.ts"
    source.write_bytes(b"".join(part.read_bytes() for part in parts))
    assert enlarge(source, tmp_path / "b.mp4", weights) == 2
    assert "changes its frames' size or format at" in capsys.readouterr().err


def test_width_is_that_of_the_turned_picture(tmp_path, rng, weights):
    source = clips.write(tmp_path / "a.mp4", clips.frames(rng, 2), rotation=90)
    assert upscale(source, "-o", tmp_path / "b.mp4", "--width", 64, "--weights", weights) == 0
    found = clips.read(tmp_path / "b.mp4").stream
    assert (found["width"], found["height"]) == (96, 64)


def test_large_clips_are_copied_on_demand(tmp_path, rng, weights, capsys):
    source = clips.write(tmp_path / "a.mp4", clips.frames(rng, 2))
    options = ("--width", clips.SHAPE[1], "--copy-large", "--weights", weights)
    assert upscale(source, "-o", tmp_path / "b.mp4", *options) == 0
    assert (tmp_path / "b.mp4").read_bytes() == source.read_bytes()
    assert upscale(source, "-o", tmp_path / "b.mkv", *options) == 2
    assert "videos are only copied as they are" in capsys.readouterr().err


def test_names_with_colons(tmp_path, rng, weights, monkeypatch):
    """FFmpeg takes what precedes a colon for a protocol."""
    monkeypatch.chdir(tmp_path)
    clips.write(tmp_path / "10:30 100%.mp4", clips.frames(rng, 2))
    assert enlarge("10:30 100%.mp4", "a:b/10:30.mp4", weights) == 0
    assert len(clips.read(tmp_path / "a:b" / "10:30.mp4").times) == 2


def test_options_of_the_other_kind_are_refused(tmp_path, rng, weights, folder_of_pictures, capsys):
    source = clips.write(tmp_path / "a.mp4", clips.frames(rng, 2))
    picture = folder_of_pictures / "a.png"
    for name, target, options, message in (
        (source, "b.mp4", ("--quality", 80), "--quality, --background and --keep-hidden are for pictures"),
        (source, "b.mp4", ("--background", "white"), "are for pictures"),
        (source, "b.mp4", ("--lossless", "--codec", "h264"), "--lossless needs the codec ffv1, not h264"),
        (source, "b.mp4", ("--codec", "h265", "--crf", 52), "--crf 52 is too large: h265 takes up to 51"),
        (picture, "b.png", ("--crf", 20), "--codec and --crf are for videos, and no input is one"),
        (picture, "b.png", ("--codec", "av1"), "--codec and --crf are for videos, and no input is one"),
    ):
        assert enlarge(name, tmp_path / target, weights, *options) == 2
        assert message in capsys.readouterr().err


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


@pytest.fixture
def counted(monkeypatch):
    """Shorter segments, and the number of frames that the network has enlarged."""
    calls = []
    monkeypatch.setattr(upscaling, "SEGMENT", 8)

    def enlarged(*arguments, **options):
        calls.append(1)
        return enlarged_planes(*arguments, **options)

    monkeypatch.setattr(upscaling, "enlarged_planes", enlarged)
    return calls


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


def test_what_cannot_be_done_is_refused_before_the_work(tmp_path, rng, weights, subtitles, capsys, counted):
    source = clips.write(
        tmp_path / "a.mkv", clips.frames(rng, 2), time_base=Fraction(1, 1000), subtitles=subtitles, pixels="yuv444p"
    )
    rgb = clips.write(tmp_path / "rgb.mkv", clips.frames(rng, 2), codec="ffv1", pixels="bgr0")
    text = tmp_path / "text.mp4"
    text.write_text("no video")
    tone = tmp_path / "tone.mp4"
    with av.open(str(tone), "w") as container:
        stream = container.add_stream("aac", rate=48000, layout="mono")
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        sound.sample_rate = 48000
        container.mux(stream.encode(sound))
        container.mux(stream.encode(None))
    for name, output, options, message in (
        (source, "b.mp4", (), f"{tmp_path / 'b.mp4'} cannot hold h264, srt: give the output the suffix .mkv"),
        (source, "b.mkv", ("--codec", "av1"), "av1 cannot store yuv444p: give another --codec, such as h264, h265"),
        (source, "b.mkv", ("--codec", "ffv1", "--crf", 3), "--crf has no meaning for ffv1, which has one quality"),
        (source, "b.png", (), f"{source} is a video: give an output with the suffix .mp4"),
        (source, "-", (), f"{source} is a video: give an output with the suffix .mp4"),
        (rgb, "b.mkv", (), f"{rgb} stores its pixels as bgr0: convert it to yuv420p or yuv444p with FFmpeg first"),
        (text, "b.mp4", (), f"{text} is not a video that FFmpeg can read: Invalid data found"),
        (tone, "b.mp4", (), f"{tone} has no video"),
        (subtitles, "b.mp4", (), f"{subtitles} is no video: "),
        ("-", "b.mp4", (), "standard input cannot be a video"),
    ):  # fmt: skip
        before = {path.name for path in tmp_path.iterdir()}
        assert enlarge(name, output if output == "-" else tmp_path / output, weights, *options) == 2
        assert message in capsys.readouterr().err
        assert {path.name for path in tmp_path.iterdir()} == before
    assert not counted


def test_a_folder_names_its_videos_and_leaves_them_out(tmp_path, rng, weights, folder_of_pictures, capsys):
    clips.write(folder_of_pictures / "clip.mp4", clips.frames(rng, 2))
    assert enlarge(folder_of_pictures, tmp_path / "out", weights) == 0
    assert "left out: videos, which take long: 1 .mp4 (give them by name)" in capsys.readouterr().err
    assert enlarge(folder_of_pictures / "clip.mp4", tmp_path / "out/", weights) == 0
    assert len(clips.read(tmp_path / "out" / "clip.mp4").times) == 2
    assert enlarge(folder_of_pictures / "clip.mp4", tmp_path / "out/", weights) == 0
    assert "done before" in capsys.readouterr().out
