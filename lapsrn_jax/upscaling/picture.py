"""Enlarges one picture, animation, document or video of a batch, unless its result is there already."""

import itertools
import math
import os
import pathlib
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any, BinaryIO, NamedTuple, cast

import numpy as np

from lapsrn_jax.errors import UserError
from lapsrn_jax.files import atomic_write, remove_partial, sha256
from lapsrn_jax.images.formats import VIDEOS, check_holds, check_writable, format_of, is_video
from lapsrn_jax.photos.background import filled
from lapsrn_jax.photos.photo import Album, Photo, samples_of
from lapsrn_jax.photos.reading import open_album
from lapsrn_jax.photos.writing import what_is_lost, write_photo
from lapsrn_jax.photos.writing_album import Part, write_album
from lapsrn_jax.upscaling.jobs import STREAM, Job
from lapsrn_jax.upscaling.photos import enlarged
from lapsrn_jax.upscaling.record import Entry, Record
from lapsrn_jax.upscaling.upscale import Progress, Size, Upscaler

_BYTES = 16  # memory per pixel of a picture and of its result


class Settings(NamedTuple):
    """The settings that all pictures of a batch share.

    Attributes:
      size: a function from a picture's (rows, columns) to those of its result.
      format: format of a result on standard output, or None for that of its source. Files use their suffix.
      strip: leave out all metadata that is not needed to show the picture.
      keep_hidden: keep the colours of invisible pixels; see `enlarged`.
      overwrite: replace files that the record does not list as unchanged results.
      fingerprint: text that identifies everything that affects the results. A result with another fingerprint is
        replaced.
      quality: quality of lossy formats; see `write_photo`.
      lossless: write without loss.
      background: colour (red, green, blue from 0 to 255) that fills transparency, or None to keep transparency.
      copy_large: copy pictures for which `size` returns their own size. Otherwise, they are errors.
      codec: codec of videos; see `encoding_for`.
      crf: constant rate factor of videos, or None for the codec's default.
    """

    size: Callable[[Size], Size]
    format: str | None
    strip: bool
    keep_hidden: bool
    overwrite: bool
    fingerprint: str
    quality: int | None = None
    lossless: bool = False
    background: tuple[int, int, int] | None = None
    copy_large: bool = False
    codec: str | None = None
    crf: int | None = None


def upscale_picture(
    job: Job,
    upscale: Upscaler,
    settings: Settings,
    record: Record | None,
    inputs: set[Any],
    room: Callable[[int], AbstractContextManager[None]],
    progress: Progress,
    say: Callable[[str], None],
    show: Callable[[str], None],
) -> dict[str, Any]:
    """Enlarges one picture unless it is done already.

    Args:
      job: the picture and its result.
      upscale: the network.
      settings: the settings of the batch.
      record: the record of the output folder, or None.
      inputs: identities of all inputs, which are never overwritten.
      room: waits for a number of bytes of memory, and keeps them until the picture is done.
      progress: called with the share of the work that was done since the last call.
      say: prints a line.
      show: shows a text beside the progress.

    Returns:
      "status", "size", "images" (or "frames") and "note" of the picture's report.

    Raises:
      UserError: the picture cannot be read, enlarged or written.
    """
    if job.target != STREAM and identity(job.target) in inputs:
        raise UserError(is_input(job))
    entry = None
    if record:
        entry = Entry(record.name(job.target), _digest(job.source), settings.fingerprint, _digest(job.target))
        if entry in record:
            return {"status": "skipped"}
    replaces = job.target != STREAM and os.path.exists(job.target)
    if replaces and not settings.overwrite and not (record and record.made(job.target)):
        raise UserError(f"{job.target} exists already: give another --output, or --overwrite to replace it")

    def add(complete: pathlib.Path) -> None:
        if record and entry:
            record.add(entry._replace(result=sha256(complete)))

    if is_video(job.source) or is_video(job.target):
        return _upscale_video(job, upscale, settings, room, add, progress, say, show)
    name = "standard input" if job.source == STREAM else job.source
    source: Any = _bytes(sys.stdin, name) if job.source == STREAM else job.source
    with open_album(source, name) as album, room(_BYTES * max(_pixels(shape, settings) for shape in album.shapes)):
        return _upscale_album(job, album, name, upscale, settings, record, add, progress, say)


def _pixels(shape: Size, settings: Settings) -> int:
    """Returns the pixels of an image and of its result."""
    try:
        return math.prod(shape) + math.prod(settings.size(shape))
    except UserError:  # it is too large, unless turning it upright helps
        return math.prod(shape)


def _upscale_album(
    job: Job,
    album: Album,
    name: str,
    upscale: Upscaler,
    settings: Settings,
    record: Record | None,
    add: Callable[[pathlib.Path], None],
    progress: Progress,
    say: Callable[[str], None],
) -> dict[str, Any]:
    first = next(album.frames)
    form = (settings.format or first.photo.format) if job.target == STREAM else None
    where = form or job.target
    shapes = [first.photo.pixels.shape[:2], *album.shapes[1:]]
    if album.fallback and format_of(where).name != "PNG":  # no other format has a place for it
        first, shapes = next(album.frames), shapes[1:]
    count = len(shapes)
    check_holds(where, name, count, animation=album.plays is not None)
    sizes = [settings.size(shape) for shape in shapes]
    large = [settings.copy_large and size == shape for size, shape in zip(sizes, shapes, strict=True)]
    for size, shape, same in zip(sizes, shapes, large, strict=True):
        if not same:
            upscale.check(max(size[0] / shape[0], size[1] / shape[1]))

    def ready(photo: Photo) -> Photo:
        return filled(photo, settings.background, name) if settings.background else photo

    def bands(photo: Photo, size: Size, same: bool) -> Iterator[np.ndarray]:
        if same:
            return iter([samples_of(photo)])
        return enlarged(
            photo, upscale, size, keep_hidden=settings.keep_hidden, progress=lambda part: progress(part / count)
        )

    def parts() -> Iterator[Part]:
        for frame, size, same in zip(itertools.chain([first], album.frames), sizes, large, strict=True):
            photo = ready(frame.photo)
            yield Part(bands(photo, size, same), photo, frame.seconds)

    photo = ready(first.photo)
    for size in sizes:
        check_writable(where, size[::-1], photo.channels, photo.alpha is not None, lossless=settings.lossless)
    target: Any = _bytes(sys.stdout, "standard output") if job.target == STREAM else pathlib.Path(job.target)
    if job.target != STREAM:
        target.parent.mkdir(parents=True, exist_ok=True)
        if record:
            remove_partial(target)
    report: dict[str, Any] = {"status": "copied" if all(large) else "done", "size": sizes[0][::-1]}
    if count > 1:
        report["images"] = count
    unchanged = photo is first.photo and not (settings.strip or settings.lossless or settings.quality is not None)
    if all(large) and unchanged and format_of(where).name == photo.format and STREAM not in job:
        with atomic_write(target, on_complete=add) as partial:
            shutil.copyfile(job.source, partial)
        return report
    note = what_is_lost(where, photo, strip=settings.strip)
    if note:
        say(f"{job.target}: {note}")
        report["note"] = note
    options: dict[str, Any] = {
        "strip": settings.strip, "format": form, "quality": settings.quality, "lossless": settings.lossless,
        "on_complete": add,
    }  # fmt: skip
    if count == 1:
        write_photo(target, sizes[0][::-1], bands(photo, sizes[0], large[0]), photo, **options)
    else:
        write_album(target, [size[::-1] for size in sizes], parts(), album, **options)
    return report


def _upscale_video(
    job: Job,
    upscale: Upscaler,
    settings: Settings,
    room: Callable[[int], AbstractContextManager[None]],
    add: Callable[[pathlib.Path], None],
    progress: Progress,
    say: Callable[[str], None],
    show: Callable[[str], None],
) -> dict[str, Any]:
    """Enlarges a video. The arguments and the report are as in `upscale_picture`; `add` records the result."""
    target = pathlib.Path(job.target)
    if job.source == STREAM:
        raise UserError(f"standard input cannot be a video: give a file, or another suffix than {target.suffix}")
    if not is_video(job.source):
        raise UserError(f"{job.source} is no video: {job.target} would be one, so give the output another suffix")
    if target.suffix.lower() not in VIDEOS:
        raise UserError(f"{job.source} is a video: give an output with the suffix {', '.join(VIDEOS)}")
    try:
        from lapsrn_jax.upscaling.clips import frames_at_once, upscale_clip
        from lapsrn_jax.videos.encoding import encoding_for
        from lapsrn_jax.videos.joining import rounds_times, try_join
        from lapsrn_jax.videos.reading import Clip
    except ImportError:
        raise UserError("videos need PyAV 19, on Python 3.12 or newer: pip install '.[video]'") from None
    clip = Clip(job.source)
    shape, chroma = clip.picture.shape, clip.picture.chroma or (1, 1)
    height, width = settings.size(shape[::-1])[::-1] if clip.picture.lies else settings.size(shape)
    report: dict[str, Any] = {"status": "done"}
    if settings.copy_large and (height, width) == shape:
        if VIDEOS[target.suffix.lower()] != VIDEOS.get(pathlib.PurePath(job.source).suffix.lower()) or settings.strip:
            raise UserError(f"{job.source} is large enough, but videos are only copied as they are: leave out options")
        target.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(target, on_complete=add) as partial:
            shutil.copyfile(job.source, partial)
        return report | {"status": "copied", "size": (width, height), "frames": clip.count}
    size = (height + -height % chroma[0], width + -width % chroma[1])
    upscale.check(max(size[0] / shape[0], size[1] / shape[1]))
    options: dict[str, Any] = {"codec": settings.codec, "crf": settings.crf, "lossless": settings.lossless}
    encoding = encoding_for(target, clip.picture, size, **options)
    left_out = try_join(target, clip, size, encoding, settings.strip)
    target.parent.mkdir(parents=True, exist_ok=True)
    key = f"{sha256(job.source)} {settings.fingerprint} {size} {encoding}"
    with room(_BYTES * (math.prod(shape) + math.prod(size)) * frames_at_once(upscale, size)):
        report["frames"], damage = upscale_clip(
            clip, target, upscale, size, encoding, key, strip=settings.strip, progress=progress, show=show,
            on_complete=add,
        )  # fmt: skip
    left_out += sorted(clip.left_out)
    notes = [f"left out: {', '.join(left_out)}"] if left_out else []
    notes += ["times are rounded to milliseconds"] if rounds_times(target, clip) else []
    if note := "; ".join(filter(None, [*notes, damage])):
        say(f"{job.target}: {note}")
        report["note"] = note
    return report | {"size": size[::-1]}


def is_input(job: Job) -> str:
    """Returns the error of a job that would overwrite an input."""
    return f"{job.target} is one of the inputs: give another --output"


def identity(path: str) -> tuple[int, int] | None:
    """Identifies a file by what it is, not by its name: links and other letter cases are the same file."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _bytes(stream: Any, name: str) -> BinaryIO:
    """Returns the binary stream below a standard stream. Shells can close standard streams, Jupyter replaces them."""
    binary = getattr(stream, "buffer", None)
    if binary is None:
        raise UserError(f"{name} is closed or takes text only: give a file instead of {STREAM}")
    return cast(BinaryIO, binary)


def _digest(path: str) -> str:
    try:
        return sha256(path)
    except FileNotFoundError:
        return ""
