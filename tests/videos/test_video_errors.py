"""What `lapsrn upscale` refuses to do with videos, and the line that it prints."""

import re
from fractions import Fraction

import av
import numpy as np
import pytest

from lapsrn_jax.errors import UserError
from lapsrn_jax.videos.reading import Clip
from tests.upscaling.command import upscale
from tests.videos import clips
from tests.videos.clips import enlarge


def test_an_interlaced_clip_is_refused(tmp_path, rng, weights, capsys):
    source = clips.write(tmp_path / "a.mp4", clips.frames(rng, 3), options={"x264-params": "interlaced=1"})
    assert enlarge(source, tmp_path / "b.mp4", weights) == 2
    assert capsys.readouterr().err.endswith(
        f"{source} is interlaced: make whole frames of it first, for example with FFmpeg's filter bwdif\n"
    )
    assert {path.name for path in tmp_path.iterdir()} == {"a.mp4"}


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


def test_frames_that_cannot_be_decoded_get_one_line(tmp_path, rng, weights, capsys):
    """FFmpeg has no decoder for them, or the decoder cannot begin."""
    path = clips.write(tmp_path / "a.mkv", clips.frames(rng, 2), codec="ffv1", time_base=Fraction(1, 1000))
    content = path.read_bytes()
    start = content.index(b"\x63\xa2") + 3  # the data for the decoder, after their identifier and length
    for damaged, message in (
        (content.replace(b"V_FFV1", b"V_FFVX"), "is in a format that FFmpeg cannot decode: convert it"),
        (content[:start] + b"\xff" * 20 + content[start + 20 :], "none of its frames can be read"),
    ):
        path.write_bytes(damaged)
        assert enlarge(path, tmp_path / "b.mkv", weights) == 2
        error = capsys.readouterr().err
        assert message in error
        assert "Traceback" not in error


def test_sound_that_goes_back_is_refused_before_the_work(tmp_path, rng, weights, capsys, counted):
    """Containers refuse such packets, which would stop the work at its end."""
    path = clips.write(tmp_path / "a.mkv", clips.frames(rng, 4), time_base=Fraction(1, 1000), tracks=1)
    content = bytearray(path.read_bytes())
    block = list(re.finditer(rb"\xa3[\x40-\x7f].\x82|\xa3[\x80-\xfe]\x82", content, re.DOTALL))[2]  # of track 2
    content[block.end() : block.end() + 2] = (9000).to_bytes(2, "big")  # milliseconds
    path.write_bytes(content)
    assert enlarge(path, tmp_path / "b.mkv", weights) == 2
    assert "a.mkv has sound or other streams whose times go back at" in capsys.readouterr().err
    assert not counted


def test_frames_that_can_only_be_read_at_first_are_refused(tmp_path, rng, monkeypatch):
    """Decoding with several threads may find different frames of a damaged file each time."""
    clip = Clip(clips.write(tmp_path / "a.mp4", clips.frames(rng, 3)))
    monkeypatch.setattr(clip, "_decoded", lambda: ((time, None, None) for time in range(3)))
    with pytest.raises(UserError, match="none of its frames can be read"):
        list(clip.frames())


def test_a_folder_names_its_videos_and_leaves_them_out(tmp_path, rng, weights, folder_of_pictures, capsys):
    clips.write(folder_of_pictures / "clip.mp4", clips.frames(rng, 2))
    assert enlarge(folder_of_pictures, tmp_path / "out", weights) == 0
    assert "left out: videos, which take long: 1 .mp4 (give them by name)" in capsys.readouterr().err
    assert enlarge(folder_of_pictures / "clip.mp4", tmp_path / "out/", weights) == 0
    assert len(clips.read(tmp_path / "out" / "clip.mp4").times) == 2
    assert enlarge(folder_of_pictures / "clip.mp4", tmp_path / "out/", weights) == 0
    assert "done before" in capsys.readouterr().out
