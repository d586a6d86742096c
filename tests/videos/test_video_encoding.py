"""The frames of an enlarged video: their pixels, sizes and codecs."""

import os
import sys

import numpy as np
import pytest

from lapsrn_jax.upscaling.clips import enlarged_planes
from lapsrn_jax.upscaling.upscale import Upscaler
from lapsrn_jax.videos import encoding
from lapsrn_jax.videos.encoding import CODECS, encoding_for, write_segment
from lapsrn_jax.videos.reading import Clip
from lapsrn_jax.weights.files import load_weights
from tests import tiny
from tests.upscaling.command import upscale
from tests.videos import clips
from tests.videos.clips import check_all_but_the_frames, enlarge


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


def clip_of_two_frames(folder, rng, codec):
    """A clip of 64 x 64 pixels that the codec takes."""
    pixels = "yuv422p10le" if codec == "prores" else "yuv420p"
    return Clip(clips.write(folder / "a.mkv", [tiny.photograph(rng, 64, 64)] * 2, codec="ffv1", pixels=pixels))


@pytest.mark.parametrize("spoiled", [False, True])
@pytest.mark.parametrize("codec", CODECS)
def test_a_segment_may_have_two_frames(tmp_path, rng, codec, spoiled, monkeypatch):
    clip = clip_of_two_frames(tmp_path, rng, codec)
    written = encoding_for("b.mkv", clip.picture, (64, 64), codec=codec)
    stream = encoding._video_stream
    if spoiled:
        monkeypatch.setattr(encoding, "_video_stream", lambda *arguments: Spoiled(stream(*arguments)))
    frames = [planes for _, planes, _ in clip.frames()]
    write_segment(tmp_path / "b.mkv", frames, (64, 64), clip.picture, written)
    assert len(clips.read(tmp_path / "b.mkv").times) == 2


@pytest.mark.skipif(sys.platform != "linux", reason="looks at the threads that Linux lists")
@pytest.mark.parametrize("codec", CODECS)
def test_no_encoder_changes_priorities(tmp_path, rng, codec):
    """Run by root, SVT-AV1 makes threads real-time ones, which leaves all other programs a twentieth of the machine."""
    clip = clip_of_two_frames(tmp_path, rng, codec)
    seen = set()

    def frames():
        for _, planes, _ in clip.frames():
            yield planes
            seen.update(os.sched_getscheduler(int(thread)) for thread in os.listdir("/proc/self/task"))

    write_segment(
        tmp_path / "b.mkv", frames(), (64, 64), clip.picture, encoding_for("b.mkv", clip.picture, (64, 64), codec=codec)
    )
    assert seen == {os.SCHED_OTHER}
    assert os.sched_getscheduler(0) == os.SCHED_OTHER


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


def test_width_is_that_of_the_turned_picture(tmp_path, rng, weights, capsys):
    source = clips.write(tmp_path / "a.mp4", clips.frames(rng, 2), rotation=90)
    assert upscale(source, "-o", tmp_path / "b.mp4", "--width", 64, "--weights", weights) == 0
    assert "b.mp4: 64 x 96 pixels" in capsys.readouterr().out
    found = clips.read(tmp_path / "b.mp4").stream
    assert (found["width"], found["height"]) == (96, 64)
