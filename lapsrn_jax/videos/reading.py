"""Reads videos: what they hold, and their frames with their times."""

import contextlib
import heapq
import itertools
import os
from collections.abc import Generator, Iterator
from fractions import Fraction
from typing import Any, NamedTuple

import av
import numpy as np

from lapsrn_jax.errors import UserError

# Pixel formats with a plane for luminance and two for colour, or with luminance alone, and their names as results.
# The names with j mean the full range, which results say with a tag. Alpha is left out.
_DEPTHS = ("", "10le", "12le")
_FORMATS = {f"yuv{chroma}p{depth}": f"yuv{chroma}p{depth}" for chroma in (420, 422, 444) for depth in _DEPTHS}
_FORMATS |= {f"yuva{chroma}p{depth}": f"yuv{chroma}p{depth}" for chroma in (420, 422, 444) for depth in _DEPTHS}
_FORMATS |= {f"yuvj{chroma}p": f"yuv{chroma}p" for chroma in (420, 422, 444)}
_FORMATS |= {f"gray{depth}": f"gray{depth}" for depth in _DEPTHS}
_FULL = 2  # FFmpeg's AVCOL_RANGE_JPEG: black is 0 and white is the largest value
_TAGS = ("color_primaries", "color_trc", "colorspace", "chroma_sample_location")
_BESIDE = {  # what frames may hold beside their pixels
    "A53_CC": "closed captions",
    "MASTERING_DISPLAY_METADATA": "HDR metadata",
    "CONTENT_LIGHT_LEVEL": "HDR metadata",
    "DYNAMIC_HDR_PLUS": "HDR metadata",
    "DOVI_METADATA": "Dolby Vision metadata",
    "STEREO3D": "the stereo layout",
    "SPHERICAL": "the spherical projection",
}
# Where a colour lies by FFmpeg's chroma location: rows and columns from the centre of the pixels that share it.
_PLACES = {0: (0, -0.5), 1: (0, -0.5), 2: (0, 0), 3: (-0.5, -0.5), 4: (-0.5, 0), 5: (0.5, -0.5), 6: (0.5, 0)}


class Picture(NamedTuple):
    """How the frames of a clip store their pixels.

    Attributes:
      shape: (H, W) in pixels.
      format: FFmpeg's name of the planar pixel format, such as "yuv420p10le".
      bits: the bits of each sample.
      chroma: rows and columns of pixels that share a colour, such as (2, 2); None without colours.
      full_range: whether black is 0; otherwise it is 16, and white is 235, times 2^(bits - 8).
      place: rows and columns, in pixels, from the centre of the pixels that share a colour to where it was sampled.
      tags: values of FFmpeg's fields for primaries, transfer, matrix, range and the place of colours.
      aspect: width over height of a pixel, or None.
      rate: frames a second, on average.
      matrix: FFmpeg's display matrix, which turns the frames; None without.
    """

    shape: tuple[int, int]
    format: str
    bits: int
    chroma: tuple[int, int] | None
    full_range: bool
    place: tuple[float, float]
    tags: dict[str, Any]
    aspect: Fraction | None
    rate: Fraction
    matrix: tuple[int, ...] | None

    def planes(self, size: tuple[int, int]) -> list[tuple[int, int]]:
        """Returns the shapes of the planes of a frame with `size` (H, W)."""
        if self.chroma is None:
            return [size]
        colours = (-(-size[0] // self.chroma[0]), -(-size[1] // self.chroma[1]))
        return [size, colours, colours]

    @property
    def dtype(self) -> np.dtype:
        """The dtype of the planes: uint8, or uint16 for more than 8 bits."""
        return np.dtype(np.uint8 if self.bits == 8 else np.uint16)

    @property
    def lies(self) -> bool:
        """Whether the frames are shown with their rows upright."""
        return bool(self.matrix and not self.matrix[0] and self.matrix[1])


class Clip:
    """A video, which is opened again for each reading, since some containers cannot be rewound exactly.

    Args:
      path: the file.

    Attributes:
      path: where the file is.
      picture: how its frames store their pixels.
      lossy: whether its codec usually loses detail.
      count: number of its frames.
      time_base: seconds of one tick.
      last: ticks for which the last frame is shown.
      left_out: names of data that the frames read so far hold beside their pixels, and that the result will lack.

    Raises:
      UserError: the file is no video, or one that cannot be enlarged: without frames that can be read, interlaced, in a
        pixel format that is not in `_FORMATS`, or with frames that have no times or share one.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        with opened(path) as container:
            stream = main_stream(container)
            shown = [
                (packet.pts, packet.duration or 0)
                for packet in container.demux(stream)
                if packet.size and not packet.is_discard
            ]
            self.time_base, alpha = stream.time_base, stream.metadata.get("alpha_mode") == "1"
            self.lossy = stream.codec_context.codec.lossy
        if not shown:
            raise UserError(f"{path} has no frames")
        if any(time is None for time, _ in shown):
            raise UserError(f"{path} has frames without times: copy it into an .mkv with FFmpeg first")
        shown.sort()
        for (time, _), (following, _) in itertools.pairwise(shown):
            if time == following:
                raise UserError(self._disorder(time))
        self.count, self.last = len(shown), shown[-1][1]
        with contextlib.closing(self._decoded()) as decoded:
            frame, stream = next(((frame, stream) for _, frame, stream in decoded if frame), (None, None))
            if frame is None:
                raise UserError(f"{path}: none of its frames can be read")
            self.picture = _picture(path, stream, frame)
            alpha = alpha or frame.format.name.startswith("yuva")
        self.left_out = {"transparency"} if alpha else set[str]()

    def frames(self) -> Iterator[tuple[int, list[np.ndarray], bool]]:
        """Yields (time in ticks, planes, whether it could be read) of each frame in the order of their times.

        A plane is uint8, or uint16 for more than 8 bits, [H, W], with values below 2^bits. A frame that cannot be read
        has the planes of the one before, or of the first one that can.

        Raises:
          UserError: the frames change their size or format, are interlaced, their times go back, or none can be read.
        """
        planes: list[np.ndarray] | None = None
        early = []
        for time, frame, _ in self._decoded():
            if frame is None:
                if planes is None:
                    early.append(time)
                else:
                    yield time, planes, False
                continue
            _check(self.path, frame, self.picture)
            self.left_out |= {_BESIDE[data.name] for data in frame.side_data if data.name in _BESIDE}
            planes = [_samples(plane, self.picture.dtype) for plane in frame.planes[:3]]
            yield from ((missed, planes, False) for missed in early)
            early.clear()
            yield time, planes, True
        if planes is None:
            raise UserError(f"{self.path}: none of its frames can be read")

    def _decoded(self) -> Generator[tuple[int, Any, Any], None, None]:
        """Yields (time, frame, stream) in order. The frame is None if it is damaged or missing, not so its packet."""
        expected: list[int] = []  # times of packets whose frames have not come
        last: int | None = None
        with opened(self.path) as container:
            stream = main_stream(container)
            for packet in container.demux(stream):
                if packet.size and not packet.is_discard:
                    heapq.heappush(expected, packet.pts)
                try:
                    frames = packet.decode()
                except MemoryError:
                    raise
                except (av.error.FFmpegError, ValueError):  # it is damaged; its time stays among the expected ones
                    continue
                for frame in frames:
                    if frame.pts is None or (last is not None and frame.pts <= last):
                        raise UserError(self._disorder(last or 0))
                    while expected and expected[0] < frame.pts:
                        yield heapq.heappop(expected), None, stream
                    if expected and expected[0] == frame.pts:
                        heapq.heappop(expected)
                    last = frame.pts
                    yield frame.pts, None if frame.is_corrupt else frame, stream
            while expected:
                yield heapq.heappop(expected), None, stream

    def _disorder(self, time: int) -> str:
        when = f"{float(time * self.time_base):.3f} s"
        return f"{self.path} shows several frames at {when}, or goes back there: encode it again with FFmpeg first"


def opened(path: str | os.PathLike[str]) -> Any:
    """Returns PyAV's container of a video, whose frames all have times if that is possible.

    Raises:
      FileNotFoundError: there is no such file.
      UserError: FFmpeg cannot read it.
    """
    try:
        return av.open(os.path.abspath(path), options={"fflags": "genpts"})  # FFmpeg takes "10:30.mp4" for an address
    except FileNotFoundError:
        raise
    except av.error.FFmpegError as error:
        raise UserError(f"{path} is not a video that FFmpeg can read: {error.strerror}") from None


def main_stream(container: Any) -> Any:
    """Returns the stream that is enlarged: the best one that is no cover picture.

    Raises:
      UserError: there is none, or FFmpeg has no decoder for it.
    """
    stream = container.streams.best("video")
    if stream is None or stream.disposition & av.stream.Disposition.attached_pic:
        raise UserError(f"{container.name} has no video")
    if stream.codec_context is None:
        raise UserError(f"{container.name} is in a format that FFmpeg cannot decode: convert it to another first")
    stream.thread_type = "AUTO"
    return stream


def _picture(path: str | os.PathLike[str], stream: Any, frame: Any) -> Picture:
    """Returns how a stream stores its pixels, according to its first frame. The errors are as in `Clip`."""
    form, context = frame.format, stream.codec_context
    if form.name not in _FORMATS:
        raise UserError(f"{path} stores its pixels as {form.name}: convert it to yuv420p or yuv444p with FFmpeg first")
    if frame.interlaced_frame:
        raise UserError(_interlaced(path))
    chroma = None
    if len(form.components) > 1:
        chroma = 2 if form.chroma_height(2) == 1 else 1, 2 if form.chroma_width(2) == 1 else 1
    tags = {name: getattr(context, name) for name in _TAGS}
    down, right = _PLACES.get(context.chroma_sample_location, _PLACES[0])
    full = frame.color_range == _FULL or form.name.startswith("yuvj")
    matrix = context.coded_side_data.get("display_matrix") if context.coded_side_data else None
    return Picture(
        shape=(frame.height, frame.width),
        format=_FORMATS[form.name],
        bits=form.components[0].bits,
        chroma=chroma,
        full_range=full,
        place=(down if chroma and chroma[0] > 1 else 0, right if chroma and chroma[1] > 1 else 0),
        tags=tags | {"color_range": _FULL if full else context.color_range},
        aspect=stream.sample_aspect_ratio or None,
        rate=stream.average_rate or stream.guessed_rate or Fraction(25),
        matrix=tuple(np.frombuffer(matrix, np.int32).tolist()) if matrix else None,
    )


def _check(path: str, frame: Any, picture: Picture) -> None:
    """Raises `UserError` if a frame differs from the first one in size or format, or is interlaced."""
    if (frame.height, frame.width) != picture.shape or _FORMATS.get(frame.format.name) != picture.format:
        raise UserError(f"{path} changes its frames' size or format at {float(frame.time):.3f} s: split it there first")
    if frame.interlaced_frame:
        raise UserError(_interlaced(path))


def _interlaced(path: str | os.PathLike[str]) -> str:
    return f"{path} is interlaced: make whole frames of it first, for example with FFmpeg's filter bwdif"


def _samples(plane: Any, dtype: np.dtype) -> np.ndarray:
    """Copies a plane [H, W] without the bytes that fill up its lines."""
    lines = np.frombuffer(plane, dtype).reshape(plane.height, plane.line_size // dtype.itemsize)
    return lines[:, : plane.width].copy()
