"""Encodes frames into segments of videos."""

import functools
import itertools
import os
import pathlib
import types
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from fractions import Fraction
from typing import Any, NamedTuple

import av
import numpy as np

from lapsrn_jax.errors import UserError
from lapsrn_jax.files import atomic_write
from lapsrn_jax.videos.reading import Picture

_FASTEST = 120  # frames a second in a segment: Matroska counts milliseconds, and only the order of frames matters there
_DELAY = 64  # frames that an encoder may hold back; only the order of times of decoding matters, too
_NARROWEST = 64  # x265 4.3 writes beyond the memory of narrower frames of 10 bits


class _Codec(NamedTuple):
    """An encoder of FFmpeg, the constant rate factor that hardly loses anything, the largest one, and its options."""

    encoder: str
    crf: int | None = None
    largest_crf: int | None = None
    options: Mapping[str, str] = types.MappingProxyType({})


CODECS = {
    "h264": _Codec("libx264", 18, 51),
    "h265": _Codec("libx265", 20, 51, {"x265-params": "log-level=error"}),
    "vp9": _Codec("libvpx-vp9", 24, 63, {"b": "0", "row-mt": "1", "deadline": "good", "cpu-used": "2"}),
    "av1": _Codec("libsvtav1", 24, 63, {"preset": "6"}),
    "ffv1": _Codec("ffv1", options={"level": "3"}),
    "prores": _Codec("prores_ks", options={"profile": "hq"}),
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
    target: str | os.PathLike[str],
    picture: Picture,
    size: tuple[int, int],
    *,
    codec: str | None = None,
    crf: int | None = None,
    lossless: bool = False,
) -> Encoding:
    """Returns the encoding of a result, with a codec that all players know where there is a choice.

    Args:
      target: the result.
      picture: how its frames store their pixels, with the shape of the source.
      size: (H', W') of the result in pixels.
      codec: a key of `CODECS`, or None.
      crf: the constant rate factor, or None for the codec's own.
      lossless: whether nothing may be lost.

    Raises:
      UserError: the codec has no such quality, or does not store such frames.
    """
    narrow, webm = size[1] < _NARROWEST, pathlib.Path(target).suffix.lower() == ".webm"
    if lossless and codec not in (None, "ffv1"):
        raise UserError(f"--lossless needs the codec ffv1, not {codec}: leave out one of the options")
    if lossless:
        codec = "ffv1"
    if codec is None:
        codec = "vp9" if webm else "h264" if picture.bits == 8 or narrow else "h265"
    if codec == "h265" and narrow:
        raise UserError(f"h265 needs a width of at least {_NARROWEST} pixels: give another --codec, such as h264")
    known = CODECS[codec]
    if crf is not None and known.largest_crf is None:
        raise UserError(f"--crf has no meaning for {codec}, which has one quality: leave it out")
    if crf is not None and known.largest_crf is not None and crf > known.largest_crf:
        raise UserError(f"--crf {crf} is too large: {codec} takes up to {known.largest_crf}")
    if picture.format not in _formats(known):
        others = [name for name in (("vp9", "av1") if webm else CODECS) if picture.format in _formats(CODECS[name])]
        remedy = f"give another --codec, such as {', '.join(others)}" if others else "give the output the suffix .mkv"
        raise UserError(f"{codec} cannot store {picture.format}: {remedy}")
    return Encoding(codec, known.crf if crf is None else crf)


def _formats(codec: _Codec) -> list[str]:
    """Returns the names of the pixel formats that an encoder takes."""
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

    Raises:
      av.error.FFmpegError: the encoder does not take such frames.
      OSError: the file cannot be written.
    """
    with atomic_write(path) as partial, av.open(os.path.abspath(partial), "w", format="matroska") as container:
        stream, places = _video_stream(container, size, picture, encoding), itertools.count(-_DELAY)

        def encode(frame: Any) -> None:
            for packet in stream.encode(frame):
                packet.dts = next(places)  # libx265 gives a few frames random times of decoding
                container.mux(packet)

        for number, planes in enumerate(frames):
            frame = _frame(planes, size, picture)
            frame.pts, frame.time_base = number, stream.codec_context.time_base
            encode(frame)
        encode(None)


def _video_stream(container: Any, size: tuple[int, int], picture: Picture, encoding: Encoding) -> Any:
    """Adds a stream for the frames to PyAV's container."""
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
    with _priority_kept():
        context.open()
    return stream


@contextmanager
def _priority_kept() -> Iterator[None]:
    """Resets the scheduling of this thread, and of all threads that were started in the context.

    If root runs it, SVT-AV1 4.2 makes these threads real-time ones for good. Linux then leaves a twentieth of the
    machine to all other programs, and programs that this process starts have the same priority.
    """
    threads = pathlib.Path("/proc/self/task")
    if not threads.exists():  # not Linux
        yield
        return
    before, policy, parameters = set(os.listdir(threads)), os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        for thread in ("0", *set(os.listdir(threads)) - before):  # 0 is this one
            with suppress(ProcessLookupError):  # it has ended
                os.sched_setscheduler(int(thread), policy, parameters)


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
