"""Training batches as a pure function of (seed, index), so there is no data state to save or restore.

A sample is the image pyramid of one patch, from the low-resolution image to the patch itself. Each image is twice the
size of the one before: (LR, HR) for x2, (LR, HR / 2, HR) for x4. A scale that is not a power of 2 has no intermediate
levels: (LR, HR) for x3. A batch maps each scale to a tuple of stacked images, float32 [n, h, w, C], luminance or RGB in
[0, 1], or slightly outside, since bicubic interpolation overshoots at sharp edges:

    {2: (lr, hr), 4: (lr, half, hr)}
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import grain
import numpy as np

from lapsrn_jax.data.degradation import MARGIN, Degradation, degraded
from lapsrn_jax.data.masks import mask_pyramid
from lapsrn_jax.errors import UserError
from lapsrn_jax.images.color import full_range, luminance
from lapsrn_jax.images.io import to_float
from lapsrn_jax.images.resize import imresize, resize_window, scaled_size

ImagePyramid = tuple[np.ndarray, ...]
HostBatch = dict[int, ImagePyramid]

RESCALES = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0)  # the LapSRN authors' augmentation


def split_batch(batch_size: int, scales: Sequence[int], parts: int) -> dict[int, int]:
    """Divides a batch among the scales into equal shares; the first scales take the remainder.

    Args:
      batch_size: number of samples in the batch.
      scales: the scales that are trained together.
      parts: number of parts that each share must divide into (devices x accumulated gradients).

    Returns:
      The number of samples of each scale.

    Raises:
      UserError: a share does not divide into `parts`.
    """
    shares = {scale: (batch_size + len(scales) - 1 - i) // len(scales) for i, scale in enumerate(scales)}
    unit = parts * len(scales)
    nearest = max(1, round(batch_size / unit)) * unit
    if any(share % parts or not share for share in shares.values()):
        raise UserError(
            f"data.batch_size {batch_size} does not divide into {len(scales)} scale(s), each into {parts} part(s) "
            f"(devices x training.accumulate): use a multiple of {unit}, such as {nearest}"
        )
    return shares


def training_batches(
    photographs: Any,
    batch_sizes: Mapping[int, int],
    patch_size: int,
    seed: int,
    batches: slice,
    process: int = 0,
    processes: int = 1,
    channels: int = 1,
    degradation: Degradation | None = None,
    full_range_share: float = 0.0,
    mask_share: float = 0.0,
) -> grain.MapDataset[HostBatch]:
    """Returns the batches of one process. Element i is batch `batches.start + i`, whenever it is made.

    Args:
      photographs: `Photographs`, or any sequence of uint8 [H, W, 3] with no side below `patch_size`. Every epoch uses
        each of them once, in a different order.
      batch_sizes: number of samples of each scale, over all processes.
      patch_size: side of the HR patch, in pixels.
      seed: determines the order of the photographs, the patches and the augmentation.
      batches: range of batches to make, numbered from the start of training.
      process: index of the process whose share of each batch to make. The shares of all processes together are the
        batch that a single process would make.
      processes: number of processes.
      channels: 1 for luminance, 3 for RGB.
      degradation: the degradations of the LR images; None leaves all of them clean.
      full_range_share: probability that a sample's luminance is stretched to [0, 1], the range of gray pictures. RGB
        samples have that range anyway and stay as they are.
      mask_share: probability that a sample is a `mask_pyramid` and no photograph.

    Raises:
      UserError: `patch_size` is not a multiple of a scale.
    """
    for scale in batch_sizes:
        if patch_size % scale:
            raise UserError(f"data.patch_size {patch_size} is not a multiple of the scale {scale}")
    total = sum(batch_sizes.values())
    scale_of = [scale for scale, size in batch_sizes.items() for _ in range(size)]  # of each position in a batch

    def sample(scale_and_photograph: tuple[int, np.ndarray], rng: np.random.Generator) -> ImagePyramid:
        scale, photograph = scale_and_photograph
        if mask_share > 0 and rng.random() < mask_share:
            return mask_pyramid(shrinks_of(scale), patch_size, channels, rng)
        pyramid = augmented(cut_patch(photograph, scale, patch_size, rng, channels, degradation), rng)
        stretched = full_range_share > 0 and channels == 1 and rng.random() < full_range_share
        return tuple(map(full_range, pyramid)) if stretched else pyramid

    samples = (
        grain.MapDataset.source(photographs)
        .seed(seed)
        .shuffle()
        .repeat()
        .map_with_index(lambda n, photograph: (scale_of[n % total], photograph))
        .random_map(sample)
    )

    def batch(number: int) -> HostBatch:
        result, first = {}, number * total
        for scale, size in batch_sizes.items():
            ours = range(first + size * process // processes, first + size * (process + 1) // processes)
            result[scale] = tuple(np.stack(images) for images in zip(*(samples[n] for n in ours), strict=True))
            first += size
        return result

    return grain.MapDataset.range(batches.start, batches.stop).map(batch)


def prefetched(batches: grain.MapDataset[HostBatch], workers: int) -> grain.IterDataset[HostBatch]:
    """Makes the batches ahead of time, in order: in `workers` processes, or in four threads if `workers` is 0."""
    if workers:
        iterable = batches.to_iter_dataset(grain.ReadOptions(num_threads=1, prefetch_buffer_size=2))
        options = grain.MultiprocessingOptions(num_workers=workers, per_worker_buffer_size=2)
        return iterable.mp_prefetch(options, worker_init_fn=_follow_the_trainer)
    return batches.to_iter_dataset(grain.ReadOptions(num_threads=4, prefetch_buffer_size=8))


def next_batch(batches: Iterator[HostBatch]) -> HostBatch:
    """Returns the next of the `prefetched` batches.

    Raises:
      UserError: a worker process died.
    """
    try:
        return next(batches)
    except RuntimeError as error:  # grain raises no more specific type
        if "Worker process was terminated" not in str(error):
            raise
        raise UserError("a data worker was killed, perhaps for lack of memory: lower data.workers") from None


def _follow_the_trainer(worker: int, workers: int) -> None:
    """Makes a worker end with the trainer, and only then.

    Ctrl-C and many schedulers signal all processes at once, but the trainer needs its workers to finish the step. A
    trainer that is killed cannot stop its workers.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    trainer = multiprocessing.parent_process()
    assert trainer is not None, "this runs in a worker process"

    def watch() -> None:
        trainer.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def shrinks_of(scale: int) -> tuple[int, ...]:
    """How many times smaller than the patch each image of a pyramid is, from LR to HR."""
    between = range(1, scale.bit_length() - 1) if scale & (scale - 1) == 0 else ()
    return (scale, *(scale >> i for i in between), 1)


def cut_patch(
    photograph: np.ndarray,
    scale: int,
    patch_size: int,
    rng: np.random.Generator,
    channels: int = 1,
    degradation: Degradation | None = None,
) -> ImagePyramid:
    """Cuts a random patch from the photograph, shrunk by a random factor, and returns its pyramid from LR to HR.

    Each image equals the corresponding part of the image that the evaluation protocol would make of the whole shrunk
    photograph, because the patch is resized together with a margin as wide as the bicubic kernel. A degradation changes
    the LR image alone, in colour, before its luminance is taken.
    """
    if degradation and not (degradation.share > 0 and rng.random() < degradation.share):
        degradation = None  # this sample stays clean
    sides = photograph.shape[:2]
    rescale = float(rng.choice([r for r in RESCALES if min(scaled_size(side, r) for side in sides) >= patch_size]))
    margin = (2 + (MARGIN if degradation else 0)) * scale
    parts, inner = [], []
    for side in sides:
        last = scaled_size(side, rescale) // scale * scale  # the protocol crops to a multiple of the scale
        start = scale * int(rng.integers((last - patch_size) // scale + 1))
        begin = max(start - margin, 0)
        parts.append(resize_window(side, rescale, slice(begin, min(start + patch_size + margin, last))))
        inner.append(start - begin)
    (rows, seen_rows), (columns, seen_columns) = parts
    seen = to_float(photograph[seen_rows, seen_columns])
    planes = [luminance(seen)] if channels == 1 else np.moveaxis(seen, 2, 0)
    hr = np.stack([rows @ plane @ columns.T for plane in planes], axis=2)

    def inside(image: np.ndarray, shrink: int) -> np.ndarray:
        top, left, size = inner[0] // shrink, inner[1] // shrink, patch_size // shrink
        return image[top : top + size, left : left + size].astype(np.float32)

    def level(shrink: int) -> np.ndarray:
        return inside(imresize(hr, 1 / shrink) if shrink > 1 else hr, shrink)

    if degradation:
        colours = np.stack([rows @ plane @ columns.T for plane in np.moveaxis(seen, 2, 0)], axis=2)
        image = degraded(imresize(colours, 1 / scale), degradation, rng)
        lr = inside(luminance(image)[:, :, None] if channels == 1 else image, scale)
    else:
        lr = level(scale)
    return (lr, *map(level, shrinks_of(scale)[1:]))


def augmented(pyramid: ImagePyramid, rng: np.random.Generator) -> ImagePyramid:
    """Applies one of the eight rotations and reflections, the same one to all images."""
    turns, mirror = rng.integers(4), rng.integers(2)
    return tuple(np.ascontiguousarray(np.rot90(image[:, ::-1] if mirror else image, turns)) for image in pyramid)
