"""Training batches as a pure function of (seed, index): nothing to save, nothing to restore.

A sample is the pyramid of one patch, from its low-resolution image to the patch itself, each image twice the size of
the one before: (LR, HR) for x2, (LR, HR / 2, HR) for x4; a scale that is no power of 2 has no levels between: (LR, HR)
for x3. A batch maps each scale to such a tuple of stacked images, float32 [n, h, w, C] in [0, 1], luminance or RGB:

    {2: (lr, hr), 4: (lr, half, hr)}
"""

import signal
from collections.abc import Mapping, Sequence
from typing import Any

import grain
import numpy as np

from lapsrn_jax.errors import UserError
from lapsrn_jax.images.color import luminance
from lapsrn_jax.images.io import to_float
from lapsrn_jax.images.resize import imresize, resize_window, scaled_size

ImagePyramid = tuple[np.ndarray, ...]
HostBatch = dict[int, ImagePyramid]

RESCALES = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0)  # the LapSRN authors' augmentation


def split_batch(batch_size: int, scales: Sequence[int], parts: int) -> dict[int, int]:
    """How many samples of a batch go to each scale: equal shares, the smaller scales taking what is left over.

    Args:
      batch_size: samples in a batch.
      scales: the scales trained together.
      parts: into how many pieces each share is going to be divided (devices, accumulated gradients).

    Raises:
      UserError: a share does not divide.
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
) -> grain.MapDataset[HostBatch]:
    """Batches of one process; element i is batch `batches.start + i`, the same whenever and wherever it is asked for.

    Args:
      photographs: `Photographs`, or any sequence of uint8 [H, W, 3], no side below `patch_size`; each is used once an
        epoch, in an order shuffled anew.
      batch_sizes: samples for each scale, in all processes together.
      patch_size: side of the HR patch in pixels.
      seed: of everything random.
      batches: which batches, by their number since the start of training.
      process: whose share of each batch; together the shares are the batch of a single process.
      processes: how many share.
      channels: 1 for luminance, 3 for RGB.

    Raises:
      UserError: `patch_size` is not a multiple of a scale.
    """
    for scale in batch_sizes:
        if patch_size % scale:
            raise UserError(f"data.patch_size {patch_size} is not a multiple of the scale {scale}")
    total = sum(batch_sizes.values())
    scale_of = [scale for scale, size in batch_sizes.items() for _ in range(size)]  # by the position in a batch

    def sample(scale_and_photograph: tuple[int, np.ndarray], rng: np.random.Generator) -> ImagePyramid:
        scale, photograph = scale_and_photograph
        return augmented(cut_patch(photograph, scale, patch_size, rng, channels), rng)

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
    """The batches in order, made ahead: by four threads, or by `workers` processes, if there are to be any."""
    if workers:
        iterable = batches.to_iter_dataset(grain.ReadOptions(num_threads=1, prefetch_buffer_size=2))
        options = grain.MultiprocessingOptions(num_workers=workers, per_worker_buffer_size=2)
        return iterable.mp_prefetch(options, worker_init_fn=_leave_signals_to_the_trainer)
    return batches.to_iter_dataset(grain.ReadOptions(num_threads=4, prefetch_buffer_size=8))


def _leave_signals_to_the_trainer(worker: int, workers: int) -> None:
    """Ctrl-C and many schedulers signal all processes at once; the trainer needs its workers to finish the step."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def cut_patch(
    photograph: np.ndarray, scale: int, patch_size: int, rng: np.random.Generator, channels: int = 1
) -> ImagePyramid:
    """A random patch of the photograph, shrunk by a random factor, as a pyramid from LR to HR.

    Each image equals that part of what the evaluation protocol would make of the whole shrunk photograph: it is made
    from the patch with a margin as wide as the bicubic kernel reaches.
    """
    sides = photograph.shape[:2]
    rescale = float(rng.choice([r for r in RESCALES if min(scaled_size(side, r) for side in sides) >= patch_size]))
    margin = 2 * scale
    parts, inner = [], []
    for side in sides:
        last = scaled_size(side, rescale) // scale * scale  # as the protocol, which cuts to a multiple of the scale
        start = scale * int(rng.integers((last - patch_size) // scale + 1))
        begin = max(start - margin, 0)
        parts.append(resize_window(side, rescale, slice(begin, min(start + patch_size + margin, last))))
        inner.append(start - begin)
    (rows, seen_rows), (columns, seen_columns) = parts
    seen = to_float(photograph[seen_rows, seen_columns])
    planes = [luminance(seen)] if channels == 1 else np.moveaxis(seen, 2, 0)
    hr = np.stack([rows @ plane @ columns.T for plane in planes], axis=2)

    def level(shrink: int) -> np.ndarray:
        image = imresize(hr, 1 / shrink) if shrink > 1 else hr
        top, left, size = inner[0] // shrink, inner[1] // shrink, patch_size // shrink
        return image[top : top + size, left : left + size].astype(np.float32)

    between = range(1, scale.bit_length() - 1) if scale & (scale - 1) == 0 else ()
    return (level(scale), *(level(scale >> i) for i in between), level(1))


def augmented(pyramid: ImagePyramid, rng: np.random.Generator) -> ImagePyramid:
    """One of the eight rotations and reflections, the same for all images."""
    turns, mirror = rng.integers(4), rng.integers(2)
    return tuple(np.ascontiguousarray(np.rot90(image[:, ::-1] if mirror else image, turns)) for image in pyramid)
