"""Joins segments of enlarged frames with the sound and everything else of their source."""

import math
import os
import pathlib
import tempfile
from collections.abc import Iterator, Sequence
from typing import Any

import av
import numpy as np

from lapsrn_jax.errors import UserError
from lapsrn_jax.images.formats import VIDEOS
from lapsrn_jax.videos.encoding import Encoding, write_segment
from lapsrn_jax.videos.reading import Clip, Picture, main_stream, opened

_SOUND = 48000  # samples a second, usually
_OWN = {"major_brand", "minor_version", "compatible_brands", "encoder"}  # metadata of a container, not of its contents
_STATISTICS = ("BPS", "NUMBER_OF_", "_STATISTICS_", "DURATION", "ALPHA_MODE")  # of the stream before


def try_join(
    target: str | os.PathLike[str], clip: Clip, size: tuple[int, int], encoding: Encoding, strip: bool
) -> list[str]:
    """Makes a result of one black frame, before the work is done.

    Args:
      target: name of the result, whose suffix gives the container.
      clip: the source.
      size: (H', W') of the result in pixels.
      encoding: how its frames are encoded.
      strip: see `join`.

    Returns:
      Names of the streams and the metadata that the result will lack.

    Raises:
      UserError: the codec does not take such frames, the container cannot hold the codec or another stream, or the
        times of another stream go back.
    """
    with tempfile.TemporaryDirectory() as folder, opened(clip.path) as source:
        _check_times(source, target, clip.path)
        segment, trial = pathlib.Path(folder, "segment.mkv"), pathlib.Path(folder, "trial")
        black = [np.zeros(shape, clip.picture.dtype) for shape in clip.picture.planes(size)]
        try:
            write_segment(segment, [black], size, clip.picture, encoding)
        except av.error.FFmpegError as error:
            height, width = size
            raise UserError(
                f"{encoding.codec} does not take frames of {width} x {height} pixels: {error.strerror}"
            ) from None
        try:
            with av.open(str(segment)) as first, _output(trial, target, clip) as container:
                streams, left_out = _add_streams(container, source, first, target, clip.picture, strip)
                packet = next(packet for packet in first.demux(video=0) if packet.size)
                packet.stream = streams[main_stream(source)]
                container.mux(packet)
            with av.open(str(trial)) as result:
                kept = {name.lower() for name in result.metadata}
        except (av.error.FFmpegError, ValueError):
            codecs = [stream.codec_context.name for stream in _copied(source, target) if stream.codec_context]
            names = ", ".join(dict.fromkeys([encoding.codec, *codecs]))
            raise UserError(f"{target} cannot hold {names}: give the output the suffix .mkv") from None
        lost = [] if strip else [name for name in source.metadata if name.lower() not in kept | _OWN]
    return left_out + ([f"metadata ({', '.join(lost)})"] if lost else [])


def rounds_times(target: str | os.PathLike[str], clip: Clip) -> bool:
    """Whether the container of a result holds the clip's times only in milliseconds."""
    return _is_matroska(target) and bool(1000 % clip.time_base.denominator)


def join(
    target: str | os.PathLike[str],
    place: pathlib.Path,
    segments: Sequence[pathlib.Path],
    clip: Clip,
    times: Sequence[int],
    strip: bool,
) -> None:
    """Writes the result: the frames of the segments, and everything else as it is in the source.

    Args:
      target: name of the result, whose suffix gives the container.
      place: where to write it.
      segments: the files of `write_segment`, in order.
      clip: the source.
      times: when each frame is shown, in ticks of the clip.
      strip: leave out titles and other metadata, but keep chapters and languages.

    Raises:
      OSError: the file cannot be written.
    """
    with opened(clip.path) as source, av.open(str(segments[0])) as first, _output(place, target, clip) as container:
        streams, _ = _add_streams(container, source, first, target, clip.picture, strip)
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
    """Opens PyAV's container for the result `target` at `place`. The same input gives the same bytes."""
    form = VIDEOS[pathlib.Path(target).suffix.lower()]
    options = {"fflags": "+bitexact"}  # otherwise, Matroska gets random numbers
    if not _is_matroska(target):
        ticks = clip.time_base.denominator
        movie = math.lcm(ticks, _SOUND)  # for the beginnings of the streams
        options |= {"video_track_timescale": str(ticks), "movie_timescale": str(movie if movie < 2**31 else ticks)}
    return av.open(os.path.abspath(place), "w", format=form, options=options)


def _is_matroska(target: str | os.PathLike[str]) -> bool:
    return VIDEOS[pathlib.Path(target).suffix.lower()] in ("matroska", "webm")


def _copied(source: Any, target: str | os.PathLike[str]) -> list[Any]:
    """Returns the streams that are copied. Only Matroska holds attachments, such as fonts."""
    kinds = {"audio", "subtitle", "video"} | ({"attachment"} if _is_matroska(target) else set())
    main = main_stream(source)
    return [s for s in source.streams if s.index != main.index and s.type in kinds]


def _check_times(source: Any, target: str | os.PathLike[str], path: str) -> None:
    """Raises `UserError` if the times of decoding of a copied stream go back, since no container takes that."""
    copied, latest = _copied(source, target), dict[int, int]()
    for packet in source.demux(copied) if copied else ():
        if packet.size and packet.dts is not None:
            if packet.dts < latest.get(packet.stream.index, packet.dts):
                when = f"{float(packet.dts * packet.time_base):.3f} s"
                raise UserError(
                    f"{path} has sound or other streams whose times go back at {when}: "
                    "copy it into another file with FFmpeg first"
                )
            latest[packet.stream.index] = packet.dts


def _add_streams(
    container: Any, source: Any, first: Any, target: str | os.PathLike[str], picture: Picture, strip: bool
) -> tuple[dict[Any, Any], list[str]]:
    """Adds the streams of a result. Returns them by those of the source, and what is left out."""
    main, streams = main_stream(source), {}
    copied = {stream.index for stream in _copied(source, target)}
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
        for name, text in stream.metadata.items():
            kept = name == "language" if strip else not (enlarged and name.upper().startswith(_STATISTICS))
            if kept:
                new.metadata[name] = text
        new.disposition = stream.disposition
        streams[stream] = new
    left_out = [f"a stream ({stream.type})" for stream in source.streams if stream not in streams]
    if source.chapters() and "a stream (data)" in left_out:  # MP4 keeps chapters in such a stream, too
        left_out.remove("a stream (data)")
    if not strip:
        container.metadata.update({name: text for name, text in source.metadata.items() if name.lower() not in _OWN})
    container.set_chapters(source.chapters())
    return streams, left_out


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
