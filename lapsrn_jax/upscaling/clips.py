"""Enlarges videos frame by frame. An interrupted run goes on from the last finished segment of frames."""

import collections
import functools
import hashlib
import itertools
import math
import pathlib
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import numpy as np

from lapsrn_jax.errors import UserError
from lapsrn_jax.files import atomic_write, lock_of, locked, remove_partial, working_folder
from lapsrn_jax.images.color import full_range, studio_range
from lapsrn_jax.images.resize import apply_along, resize_matrix
from lapsrn_jax.upscaling.upscale import BYTES_PER_PIXEL, Progress, Size, Upscaler
from lapsrn_jax.videos.encoding import Encoding, write_segment
from lapsrn_jax.videos.joining import join
from lapsrn_jax.videos.reading import Clip, Picture

SEGMENT = 48  # frames; each segment begins with a frame that is stored whole, where players can start
_NAMED = 5  # damaged frames whose times are named

Planes = list[np.ndarray]  # of a frame: luminance and two colours, or luminance alone


def upscale_clip(
    clip: Clip,
    target: pathlib.Path,
    upscale: Upscaler,
    size: Size,
    encoding: Encoding,
    key: str,
    *,
    strip: bool = False,
    progress: Progress = lambda _: None,
    show: Callable[[str], None] = lambda _: None,
    on_complete: Callable[[pathlib.Path], None] = lambda _: None,
) -> tuple[int, str]:
    """Enlarges a video.

    Args:
      clip: the source.
      target: the result.
      upscale: the network.
      size: (H', W') of the result.
      encoding: how to encode its frames.
      key: text that identifies everything that affects the frames. Segments with the same key are used again.
      strip: leave out titles and other metadata.
      progress: called with the share of the work that was done since the last call.
      show: called with text about the progress.
      on_complete: called with the path of the complete result before it is put in place.

    Returns:
      (count, note): the number of frames, and a line about damaged ones, or "".

    Raises:
      UserError: another process is working on the result, or the frames change.
      OSError: a file cannot be written.
    """
    with locked(lock_of(target), wait=False) as held:
        if not held:
            raise UserError(f"another process is working on {target}: wait for it")
        remove_partial(target)
        folder = working_folder(target.absolute(), hashlib.sha256(key.encode()).hexdigest())
        times, damaged, segments = list[int](), list[int](), list[pathlib.Path]()
        frames = _remembered(clip, times, damaged)
        speed = _Speed(clip.count, progress, show)
        with _enlarging(clip.picture, upscale, size) as enlarged:
            for first in frames:
                part = itertools.chain([first], itertools.islice(frames, SEGMENT - 1))
                segments.append(folder / f"{len(segments):06}.mkv")
                if segments[-1].exists():
                    speed.skip(sum(1 for _ in part))
                else:
                    write_segment(segments[-1], speed.counted(enlarged(part)), size, clip.picture, encoding)
        with atomic_write(target, on_complete=on_complete) as partial:
            join(target, partial, segments, clip, times, strip)
        shutil.rmtree(folder)
    return len(times), _damage(damaged, clip)


def frames_at_once(upscale: Upscaler, size: Size) -> int:
    """Returns the number of frames that keep the devices busy and fit into memory."""
    return max(1, min(upscale.images_at_once, upscale.memory_for_images // (BYTES_PER_PIXEL * math.prod(size))))


def _remembered(clip: Clip, times: list[int], damaged: list[int]) -> Iterator[Planes]:
    """Yields the planes of each frame. Adds its time to `times`, and to `damaged` if it could not be read."""
    for when, planes, intact in clip.frames():
        times.append(when)
        if not intact:
            damaged.append(when)
        yield planes


class _Speed:
    """Counts the frames that are done, and shows how many are done in a second."""

    def __init__(self, total: int, progress: Progress, show: Callable[[str], None]) -> None:
        self._total, self._progress, self._show = total, progress, show
        self._done, self._new, self._start = 0, 0, 0.0

    def skip(self, number: int) -> None:
        """Counts frames of an earlier run."""
        self._done += number
        self._progress(number / self._total)

    def counted(self, frames: Iterable[Planes]) -> Iterator[Planes]:
        """Yields the frames and counts each one after it has been used."""
        for planes in frames:
            yield planes
            self._progress(1 / self._total)
            self._done, self._new = self._done + 1, self._new + 1
            if self._new == 1:  # the network is compiled before the first one
                self._start = time.monotonic()
            elif (seconds := time.monotonic() - self._start) > 0:
                rate = (self._new - 1) / seconds
                self._show(f"frame {self._done} of {self._total}, {rate:.3g} frames/s")


def _damage(times: list[int], clip: Clip) -> str:
    """Returns a line about the damaged frames at `times`, or "" if there are none."""
    if not times:
        return ""
    named = ", ".join(f"{float(when * clip.time_base):.3f} s" for when in times[:_NAMED])
    more = ", ..." if len(times) > _NAMED else ""
    frames = f"{len(times)} frames are" if len(times) > 1 else "a frame is"
    return f"{frames} damaged, at {named}{more}: the frame before is repeated"


@contextmanager
def _enlarging(
    picture: Picture, upscale: Upscaler, size: Size
) -> Iterator[Callable[[Iterable[Planes]], Iterator[Planes]]]:
    """Yields a function that enlarges frames in order, several at a time, so that the devices do not wait."""
    stopped = threading.Event()
    number = frames_at_once(upscale, size)

    def check(_: float) -> None:
        if stopped.is_set():
            raise KeyboardInterrupt

    one = functools.partial(enlarged_planes, picture=picture, upscale=upscale, size=size, progress=check)
    with ThreadPoolExecutor(number, "frames") as pool:

        def enlarged(frames: Iterable[Planes]) -> Iterator[Planes]:
            waiting: collections.deque[Future[Planes]] = collections.deque()
            for planes in frames:
                waiting.append(pool.submit(one, planes))
                if len(waiting) >= number:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()

        try:
            yield enlarged
        finally:
            stopped.set()  # without an exception, all is done
            pool.shutdown(cancel_futures=True)


def enlarged_planes(
    planes: Planes, picture: Picture, upscale: Upscaler, size: Size, progress: Progress = lambda _: None
) -> Planes:
    """Enlarges a frame: its luminance with the network, and its colours by bicubic interpolation.

    Args:
      planes: luminance [H, W] and two colours [h, w], or luminance alone, uint8 or uint16.
      picture: how the frame stores its pixels.
      upscale: the network.
      size: (H', W').
      progress: called with the share of the work that was done since the last call.

    Returns:
      The planes of the result, with the dtype of the source.
    """
    unit = 1 << (picture.bits - 8)
    peak = 256 * unit - 1
    luminance = planes[0]

    def shades(start: int, stop: int) -> np.ndarray:
        """Returns rows of the luminance with black at 0 and white at 1."""
        rows = luminance[start:stop]
        return rows / peak if picture.full_range else full_range(rows / (255 * unit))

    def levels(band: np.ndarray) -> np.ndarray:
        """Returns such a band at the levels of the luminance."""
        return peak * band if picture.full_range else 255 * unit * studio_range(band)

    def stored(plane: np.ndarray) -> np.ndarray:
        return np.clip(np.floor(plane + 0.5), 0, peak).astype(luminance.dtype)

    bands = upscale.shades(shades, picture.shape, size, progress=progress)
    result = [np.concatenate([stored(levels(band)) for band in bands])]
    if picture.chroma:
        down, across = (_colours_along(axis, planes[1].shape[axis], picture, size) for axis in (0, 1))
        result += [stored(apply_along(across, apply_along(down, plane, axis=0), axis=1)) for plane in planes[1:]]
    return result


def _colours_along(axis: int, length: int, picture: Picture, size: Size) -> Any:
    """Returns the linear map that enlarges colours along an axis.

    A colour keeps its place among the pixels that share it. Seen in pixels of the source, these pixels shrink, and so
    does the distance of the colour from their centre.
    """
    assert picture.chroma
    shared, scale = picture.chroma[axis], size[axis] / picture.shape[axis]
    shift = picture.place[axis] / shared * (1 / scale - 1)
    return resize_matrix(length, picture.planes(size)[1][axis], scale, shift)
