"""Enlarges one video of a batch. It needs PyAV."""

import math
import pathlib
import shutil
from collections.abc import Callable
from typing import Any

from lapsrn_jax.errors import UserError
from lapsrn_jax.files import atomic_write, sha256
from lapsrn_jax.images.formats import VIDEOS
from lapsrn_jax.upscaling.clips import frames_at_once, upscale_clip
from lapsrn_jax.upscaling.jobs import Job
from lapsrn_jax.upscaling.settings import Batch
from lapsrn_jax.upscaling.upscale import BYTES_PER_PIXEL, Progress, Size
from lapsrn_jax.videos.encoding import encoding_for
from lapsrn_jax.videos.joining import rounds_times, try_join
from lapsrn_jax.videos.reading import Clip


def upscale_video(job: Job, batch: Batch, add: Callable[[pathlib.Path], None], progress: Progress) -> dict[str, Any]:
    """Enlarges a video.

    Args:
      job: the video and its result, which is a file with one of the suffixes in `VIDEOS`.
      batch: the batch of the job.
      add: records the complete result.
      progress: called with the share of the work that was done since the last call.

    Returns:
      "status", "size", "frames", "weights" and "note" of the video's report.

    Raises:
      UserError: the video cannot be read, enlarged or written.
    """
    settings, target = batch.settings, pathlib.Path(job.target)
    clip = Clip(job.source)
    shape, chroma = clip.picture.shape, clip.picture.chroma or (1, 1)
    height, width = settings.size(shape[::-1])[::-1] if clip.picture.lies else settings.size(shape)
    upscale = batch.upscale.for_lossy if clip.lossy else batch.upscale
    report: dict[str, Any] = {"status": "done", "weights": settings.weights[clip.lossy]}
    if settings.copy_large and (height, width) == shape:
        if VIDEOS[target.suffix.lower()] != VIDEOS.get(pathlib.PurePath(job.source).suffix.lower()) or settings.strip:
            raise UserError(f"{job.source} is large enough, but videos are only copied as they are: leave out options")
        target.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(target, on_complete=add) as partial:
            shutil.copyfile(job.source, partial)
        return {"status": "copied", "size": _as_shown((height, width), clip), "frames": clip.count}
    size = (height + -height % chroma[0], width + -width % chroma[1])
    upscale.check_size(shape, size)
    encoding = encoding_for(
        target, clip.picture, size, codec=settings.codec, crf=settings.crf, lossless=settings.lossless
    )
    left_out = try_join(target, clip, size, encoding, settings.strip)
    target.parent.mkdir(parents=True, exist_ok=True)
    key = f"{sha256(job.source)} {settings.fingerprint} {size} {encoding}"
    with batch.room(BYTES_PER_PIXEL * (math.prod(shape) + math.prod(size)) * frames_at_once(upscale, size)):
        report["frames"], damage = upscale_clip(
            clip, target, upscale, size, encoding, key, strip=settings.strip, progress=progress,
            show=batch.show, on_complete=add,
        )  # fmt: skip
    left_out += sorted(clip.left_out)
    notes = [f"left out: {', '.join(left_out)}"] if left_out else []
    notes += ["times are rounded to milliseconds"] if rounds_times(target, clip) else []
    if note := "; ".join(filter(None, [*notes, damage])):
        batch.say(f"{job.target}: {note}")
        report["note"] = note
    return report | {"size": _as_shown(size, clip)}


def _as_shown(size: Size, clip: Clip) -> Size:
    """Returns (width, height) after any rotation, of frames with `size` (H, W)."""
    return size if clip.picture.lies else size[::-1]
