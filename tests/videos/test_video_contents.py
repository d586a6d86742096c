"""What stays as it is in the source of an enlarged video, and what the command says is lost."""

from fractions import Fraction

import av
import numpy as np
import pytest

from lapsrn_jax.upscaling.clips import enlarged_planes
from lapsrn_jax.upscaling.upscale import Upscaler
from lapsrn_jax.videos.reading import Clip
from lapsrn_jax.weights.files import load_weights
from tests import tiny
from tests.videos import clips
from tests.videos.clips import check_all_but_the_frames, enlarge

BT2020 = {"color_primaries": 9, "color_trc": 16, "colorspace": 9, "color_range": 1}  # PQ
BT709 = {"color_primaries": 1, "color_trc": 1, "colorspace": 1, "color_range": 1}


@pytest.fixture
def variable(rng):
    """Times of frames in ticks of 1/90000 s, without a rhythm, from 0.1 s on."""
    return [int(ticks) for ticks in 9000 + np.cumsum(rng.integers(1000, 9000, 60))]


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
