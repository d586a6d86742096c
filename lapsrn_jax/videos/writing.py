"""Writes videos: segments of frames, and files that join the segments with the sound and the rest of their source."""

import functools
import os
import pathlib
import tempfile
import types
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import av
import numpy as np

from lapsrn_jax.errors import UserError
from lapsrn_jax.files import atomic_write
from lapsrn_jax.images.formats import VIDEOS
from lapsrn_jax.videos.reading import Clip, Picture, main_stream, opened

_FASTEST = 120  # frames a second in a segment: Matroska counts milliseconds, and only the order of frames matters there

_NARROWEST = 64  # x265 4.3 writes beyond the memory of narrower frames of 10 bits
_OWN = {"major_brand", "minor_version", "compatible_brands", "encoder"}  # metadata of a container, not of its contents


class _Codec(NamedTuple):
    """An encoder of FFmpeg, the quality that hardly loses anything, and its options. The name is the user's."""

    encoder: str
    crf: int | None
    options: Mapping[str, str] = types.MappingProxyType({})


CODECS = {
    "h264": _Codec("libx264", 18),
    "h265": _Codec("libx265", 20, {"x265-params": "log-level=error"}),
    "vp9": _Codec("libvpx-vp9", 24, {"b": "0", "row-mt": "1", "deadline": "good", "cpu-used": "2"}),
    "av1": _Codec("libsvtav1", 24, {"preset": "6"}),
    "ffv1": _Codec("ffv1", None, {"level": "3"}),
    "prores": _Codec("prores_ks", None, {"profile": "hq"}),
}


class Encoding(NamedTuple):
    """How frames are encoded.

    Attributes:
      codec: a key of `CODECS`.
      crf: the encoder's constant rate factor: lower is better. None for codecs without one.
    """

    codec: str
    crf: int | None


def encoding_for(
    target: str | os.PathLike[str], picture: Picture, size: tuple[int, int], codec: str | None, crf: int | None
) -> Encoding:
    """Returns the encoding of a result, with a codec that all players know where there is a choice.

    Raises:
      UserError: the codec has no such quality, or does not store such frames.
    """
    narrow = size[1] < _NARROWEST
    if codec is None:
        webm = pathlib.Path(target).suffix.lower() == ".webm"
        codec = "vp9" if webm else "h264" if picture.bits == 8 or narrow else "h265"
    if codec == "h265" and narrow:
        raise UserError(f"h265 needs a width of at least {_NARROWEST} pixels: give another --codec, such as h264")
    known = CODECS[codec]
    if crf is not None and known.crf is None:
        raise UserError(f"--crf has no meaning for {codec}, which has one quality: leave it out")
    if picture.format not in _formats(known):
        others = [name for name, other in CODECS.items() if picture.format in _formats(other)]
        raise UserError(f"{codec} cannot store {picture.format}: give another --codec, such as {', '.join(others)}")
    return Encoding(codec, known.crf if crf is None else crf)


def _formats(codec: _Codec) -> list[str]:
    return [form.name for form in av.Codec(codec.encoder, "w").video_formats or ()]


def write_segment(
    path: str | os.PathLike[str],
    frames: Iterable[Sequence[np.ndarray]],
    size: tuple[int, int],
    picture: Picture,
    encoding: Encoding,
) -> None:
    """Encodes frames into a Matroska file, completely or not at all.

    Args:
      path: the file.
      frames: the planes of each frame, uint8 or uint16, with `size` rows and columns, and fewer for colours.
      size: (H', W').
      picture: how the frames store their pixels, with the shape of the source.
      encoding: how to encode them.
    """
    with atomic_write(path) as partial, av.open(str(partial), "w", format="matroska") as container:
        stream = _video_stream(container, size, picture, encoding)
        for number, planes in enumerate(frames):
            frame = _frame(planes, size, picture)
            frame.pts, frame.time_base = number, stream.codec_context.time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _video_stream(container: Any, size: tuple[int, int], picture: Picture, encoding: Encoding) -> Any:
    codec = CODECS[encoding.codec]
    options = dict(codec.options) | ({} if encoding.crf is None else {"crf": str(encoding.crf)})
    if codec.encoder == "libx264" and _has_avx512():
        options["x264-params"] = "asm=avx2"
    os.environ.setdefault("SVT_LOG", "1")  # libsvtav1 prints its settings otherwise
    rate = min(Fraction(picture.rate), Fraction(_FASTEST)).limit_denominator(1001)
    stream = container.add_stream(codec.encoder, rate=rate, options=options)
    stream.height, stream.width = size
    stream.pix_fmt = picture.format
    context = stream.codec_context
    for name, value in picture.tags.items():
        setattr(context, name, value)
    if picture.aspect:
        context.sample_aspect_ratio = picture.aspect
    return stream


@functools.cache
def _has_avx512() -> bool:
    """Whether this is a processor on which x264's results vary from run to run.

    With AVX-512, its rate control reads memory that it has not written, if the width is no multiple of 64.
    """
    try:
        return "avx512" in pathlib.Path("/proc/cpuinfo").read_text()
    except OSError:  # not Linux
        return False


def _frame(planes: Sequence[np.ndarray], size: tuple[int, int], picture: Picture) -> Any:
    """Returns PyAV's frame with these planes."""
    frame = av.VideoFrame(size[1], size[0], picture.format)
    for plane, samples in zip(frame.planes, planes, strict=True):
        lines = np.frombuffer(plane, samples.dtype).reshape(plane.height, -1)
        lines[:, : plane.width] = samples
    frame.color_range = picture.tags["color_range"]
    return frame


def check_container(target: str | os.PathLike[str], clip: Clip, size: tuple[int, int], encoding: Encoding) -> str:
    """Tries to begin the result of a clip, before the work is done.

    Returns:
      What the result will lack, or "".

    Raises:
      UserError: the container cannot hold the codec, or one of the clip's other streams.
    """
    with tempfile.TemporaryDirectory() as folder, opened(clip.path) as source:
        segment = pathlib.Path(folder, "segment.mkv")
        black = [np.zeros(shape, np.uint8 if clip.picture.bits == 8 else np.uint16) for shape in planes_of(size, clip)]
        write_segment(segment, [black], size, clip.picture, encoding)
        with av.open(str(segment)) as first:
            try:
                with _output(pathlib.Path(folder, "trial"), target, clip) as container:
                    _, left_out = _add_streams(container, source, first, clip.picture)
                    container.start_encoding()
            except (av.error.FFmpegError, ValueError):
                codecs = [encoding.codec, *dict.fromkeys(s.codec_context.name for s in _others(source))]
                raise UserError(f"{target} cannot hold {', '.join(codecs)}: give the output the suffix .mkv") from None
    notes = [f"its {kind} stream is left out" for kind in left_out]
    if _is_matroska(target) and 1000 % clip.time_base.denominator:
        notes.append("times are rounded to milliseconds")
    return "; ".join(notes)


def planes_of(size: tuple[int, int], clip: Clip) -> list[tuple[int, int]]:
    """Returns the shapes of the planes of a frame with this size."""
    if clip.picture.chroma is None:
        return [size]
    colours = (-(-size[0] // clip.picture.chroma[0]), -(-size[1] // clip.picture.chroma[1]))
    return [size, colours, colours]


def join(
    target: str | os.PathLike[str],
    place: pathlib.Path,
    segments: Sequence[pathlib.Path],
    clip: Clip,
    times: Sequence[int],
) -> None:
    """Writes the result: the frames of the segments, and everything else as it is in the source.

    Args:
      target: name of the result, whose suffix gives the container.
      place: where to write it.
      segments: the files of `write_segment`, in order.
      clip: the source.
      times: when each frame is shown, in ticks of the clip.
    """
    with opened(clip.path) as source, av.open(str(segments[0])) as first, _output(place, target, clip) as container:
        streams, _ = _add_streams(container, source, first, clip.picture)
        main = main_stream(source)
        enlarged = _packets(segments, times, clip)
        for packet in source.demux(list(streams)):
            if not packet.size:
                continue
            if packet.stream is main:
                _mux_one(container, enlarged, streams[main])
            else:
                packet.stream = streams[packet.stream]
                container.mux(packet)
        while _mux_one(container, enlarged, streams[main]):
            pass


def _mux_one(container: Any, packets: Iterator[Any], stream: Any) -> bool:
    """Writes the next packet, and returns whether there is one."""
    packet = next(packets, None)
    if packet:
        packet.stream = stream
        container.mux(packet)
    return bool(packet)


def _output(place: pathlib.Path, target: str | os.PathLike[str], clip: Clip) -> Any:
    ticks = str(clip.time_base.denominator)
    form = VIDEOS[pathlib.Path(target).suffix.lower()]
    options = {} if _is_matroska(target) else {"video_track_timescale": ticks, "movie_timescale": ticks}
    return av.open(str(place), "w", format=form, options=options)


def _is_matroska(target: str | os.PathLike[str]) -> bool:
    return VIDEOS[pathlib.Path(target).suffix.lower()] in ("matroska", "webm")


def _others(source: Any) -> list[Any]:
    """Returns the streams that are copied."""
    main = main_stream(source)
    return [s for s in source.streams if s.index != main.index and s.type in ("audio", "subtitle", "video")]


def _add_streams(container: Any, source: Any, first: Any, picture: Picture) -> tuple[dict[Any, Any], list[str]]:
    """Adds the streams of a result. Returns them by those of the source, and the kinds of those that are left out."""
    main, streams = main_stream(source), {}
    copied = {s.index for s in _others(source)}
    for stream in source.streams:
        if stream.index not in (main.index, *copied):
            continue
        enlarged = stream.index == main.index
        new = container.add_stream_from_template(first.streams.video[0] if enlarged else stream, opaque=True)
        if enlarged:
            new.time_base = stream.time_base
            if new.codec_context.name == "hevc" and container.format.name in ("mp4", "mov"):
                new.codec_context.codec_tag = "hvc1"  # the only tag that Apple's players know
            if picture.matrix:
                new.set_display_matrix(picture.matrix)
        new.metadata.update(stream.metadata)
        new.disposition = stream.disposition
        streams[stream] = new
    container.metadata.update({name: text for name, text in source.metadata.items() if name.lower() not in _OWN})
    container.set_chapters(source.chapters())
    return streams, [s.type for s in source.streams if s not in streams and s.type != "data"]


def _packets(segments: Sequence[pathlib.Path], times: Sequence[int], clip: Clip) -> Iterator[Any]:
    """Yields the packets of all segments with their times in the clip.

    The time of decoding, which must grow and never exceed that of showing, follows from the order alone: it is the time
    of the frame that is `delay` places earlier.
    """
    order, start = list[int](), 0  # the number of the frame in each packet
    for segment in segments:
        with av.open(str(segment)) as container:
            shown: list[Any] = [packet.pts for packet in container.demux(video=0) if packet.size]
        rank = {time: number for number, time in enumerate(sorted(shown), start)}
        order += [rank[time] for time in shown]
        start += len(shown)
    delay = max(place - number for place, number in enumerate(order))
    tick = times[1] - times[0] if len(times) > 1 else 1
    numbers = iter(enumerate(order))
    for segment in segments:
        with av.open(str(segment)) as container:
            for packet in container.demux(video=0):
                if not packet.size:
                    continue
                place, number = next(numbers)
                packet.pts = times[number]
                packet.dts = times[place - delay] if place >= delay else times[0] - (delay - place) * tick
                packet.duration = times[number + 1] - times[number] if number + 1 < len(times) else clip.last
                packet.time_base = clip.time_base
                yield packet
