"""Enlarges one picture, animation, document or video of a batch, unless its result is there already."""

import itertools
import math
import os
import pathlib
import shutil
import sys
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, cast

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
from lapsrn_jax.upscaling.record import Entry
from lapsrn_jax.upscaling.settings import Batch, Settings
from lapsrn_jax.upscaling.upscale import BYTES_PER_PIXEL, Progress, Size


def upscale_picture(job: Job, batch: Batch, progress: Progress) -> dict[str, Any]:
    """Enlarges one picture unless it is done already.

    Args:
      job: the picture and its result.
      batch: the batch of the job.
      progress: called with the share of the work that was done since the last call.

    Returns:
      "status", "size", "images" (or "frames"), "weights" and "note" of the picture's report.

    Raises:
      UserError: the picture cannot be read, enlarged or written.
    """
    settings, record = batch.settings, batch.record
    if job.target != STREAM and identity(job.target) in batch.inputs:
        raise UserError(input_error(job))
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
        return _upscale_video(job, batch, add, progress)
    name = "standard input" if job.source == STREAM else job.source
    source: Any = _bytes(sys.stdin, name) if job.source == STREAM else job.source
    with open_album(source, name) as album:
        largest = max(_pixels(shape, settings) for shape in album.shapes)
        with batch.room(BYTES_PER_PIXEL * largest):
            return _upscale_album(job, album, name, batch, add, progress)


def _pixels(shape: Size, settings: Settings) -> int:
    """Returns the number of pixels of an image and its result together."""
    try:
        return math.prod(shape) + math.prod(settings.size(shape))
    except UserError:  # it is too large, unless turning it upright helps
        return math.prod(shape)


def _upscale_album(
    job: Job, album: Album, name: str, batch: Batch, add: Callable[[pathlib.Path], None], progress: Progress
) -> dict[str, Any]:
    """Enlarges an album, whose name in messages is `name`. `add` records the complete result."""
    settings = batch.settings
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
            batch.upscale.check_size(shape, size)

    def ready(photo: Photo) -> Photo:
        return filled(photo, settings.background, name) if settings.background else photo

    used = set[str]()  # the names of the weights

    def bands(photo: Photo, size: Size, same: bool) -> Iterator[np.ndarray]:
        if same:
            return iter([samples_of(photo)])
        used.add(settings.weights[photo.lossy])
        return enlarged(
            photo, batch.upscale, size, keep_hidden=settings.keep_hidden, progress=lambda part: progress(part / count)
        )

    def parts() -> Iterator[Part]:
        for frame, size, same in zip(itertools.chain([first], album.frames), sizes, large, strict=True):
            photo = ready(frame.photo)
            yield Part(bands(photo, size, same), photo, frame.seconds)

    photo = ready(first.photo)
    for size in sizes:
        check_writable(where, size[::-1], photo.channels, photo.alpha is not None, lossless=settings.lossless)
    target: Any
    if job.target == STREAM:
        target = _bytes(sys.stdout, "standard output")
    else:
        target = pathlib.Path(job.target)
        target.parent.mkdir(parents=True, exist_ok=True)
        if batch.record:
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
        batch.say(f"{job.target}: {note}")
        report["note"] = note
    options: dict[str, Any] = {
        "strip": settings.strip, "format": form, "quality": settings.quality, "lossless": settings.lossless,
        "on_complete": add,
    }  # fmt: skip
    if count == 1:
        write_photo(target, sizes[0][::-1], bands(photo, sizes[0], large[0]), photo, **options)
    else:
        write_album(target, [size[::-1] for size in sizes], parts(), album, **options)
    return report | ({"weights": "+".join(sorted(used))} if used else {})


def _upscale_video(job: Job, batch: Batch, add: Callable[[pathlib.Path], None], progress: Progress) -> dict[str, Any]:
    """Enlarges a video if the source and the result are videos, and PyAV is installed."""
    suffix = pathlib.PurePath(job.target).suffix
    if job.source == STREAM:
        raise UserError(f"standard input cannot be a video: give a file, or another suffix than {suffix}")
    if not is_video(job.source):
        raise UserError(f"{job.source} is no video: {job.target} would be one, so give the output another suffix")
    if suffix.lower() not in VIDEOS:
        raise UserError(f"{job.source} is a video: give an output with the suffix {', '.join(VIDEOS)}")
    try:
        from lapsrn_jax.upscaling.video import upscale_video
    except ImportError:
        raise UserError("videos need PyAV 19, on Python 3.12 or newer: pip install '.[video]'") from None
    return upscale_video(job, batch, add, progress)


def input_error(job: Job) -> str:
    """Returns the message for a job that would overwrite an input."""
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
    """Returns the SHA-256 of a file, or "" if there is no file."""
    try:
        return sha256(path)
    except FileNotFoundError:
        return ""
