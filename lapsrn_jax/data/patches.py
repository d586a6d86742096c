"""Training batches as a pure function of (seed, index): nothing to save, nothing to restore.

A sample is the pyramid of one patch, from its low-resolution image to the patch itself, each image twice the size of
the one before: (LR, HR) for x2, (LR, HR / 2, HR) for x4. A batch maps each scale to such a tuple of stacked images,
float32 [n, h, w, 1], luminance in [0, 1]:

    {2: (lr, hr), 4: (lr, half, hr)}
"""

from collections.abc import Mapping, Sequence

import grain
import numpy as np

from lapsrn_jax.errors import UserError
from lapsrn_jax.images.resize import imresize, imresize_window, scaled_size

Pyramid = tuple[np.ndarray, ...]
Batch = dict[int, Pyramid]

RESCALES = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0)  # the LapSRN authors' augmentation


def split_batch(batch_size: int, scales: Sequence[int], shards: int) -> dict[int, int]:
    """How many samples of a batch go to each scale: equal parts, the smaller scales taking what is left over.

    Raises:
      UserError: `shards` (devices) does not divide a part.
    """
    parts = {scale: (batch_size + len(scales) - 1 - i) // len(scales) for i, scale in enumerate(scales)}
    unit = shards * len(scales)
    if any(part % shards or not part for part in parts.values()):
        raise UserError(
            f"data.batch_size {batch_size} does not divide into {len(scales)} scale(s) on {shards} device(s): "
            f"use a multiple of {unit}, such as {max(1, round(batch_size / unit)) * unit}"
        )
    return parts


def training_batches(
    photographs: Sequence[np.ndarray], batch_sizes: Mapping[int, int], patch_size: int, seed: int
) -> grain.MapDataset[Batch]:
    """An endless dataset of batches; element n is the same whenever and wherever it is asked for.

    Args:
      photographs: luminance, [H, W] in [0, 1], no side below `patch_size`; each is used once an epoch, in an order
        shuffled anew.
      batch_sizes: samples for each scale.
      patch_size: side of the HR patch in pixels.
      seed: of everything random.

    Raises:
      UserError: `patch_size` is not a multiple of a scale.
    """
    for scale in batch_sizes:
        if patch_size % scale:
            raise UserError(f"data.patch_size {patch_size} is not a multiple of the scale {scale}")
    scale_of = [scale for scale, size in batch_sizes.items() for _ in range(size)]  # by the position in a batch

    def sample(scale_and_photograph: tuple[int, np.ndarray], rng: np.random.Generator) -> Pyramid:
        scale, photograph = scale_and_photograph
        return augmented(cut_patch(photograph, scale, patch_size, rng), rng)

    def stack(samples: Sequence[Pyramid]) -> Batch:
        groups: dict[int, list[Pyramid]] = {scale: [] for scale in batch_sizes}
        for scale, pyramid in zip(scale_of, samples, strict=True):
            groups[scale].append(pyramid)
        return {
            scale: tuple(np.stack(images) for images in zip(*group, strict=True)) for scale, group in groups.items()
        }

    return (
        grain.MapDataset.source(photographs)
        .seed(seed)
        .shuffle()
        .repeat()
        .map_with_index(lambda n, photograph: (scale_of[n % len(scale_of)], photograph))
        .random_map(sample)
        .batch(len(scale_of), batch_fn=stack)
    )


def cut_patch(photograph: np.ndarray, scale: int, patch_size: int, rng: np.random.Generator) -> Pyramid:
    """A random patch of the photograph, shrunk by a random factor, as a pyramid of `log2(scale) + 1` images.

    Each image equals that part of what the evaluation protocol would make of the whole shrunk photograph: it is made
    from the patch with a margin as wide as the bicubic kernel reaches.
    """
    sides = photograph.shape
    rescale = float(rng.choice([r for r in RESCALES if min(scaled_size(side, r) for side in sides) >= patch_size]))
    margin = 2 * scale
    windows, inner = [], []
    for side in sides:
        last = scaled_size(side, rescale) // scale * scale  # as the protocol, which cuts to a multiple of the scale
        start = scale * int(rng.integers((last - patch_size) // scale + 1))
        begin = max(start - margin, 0)
        windows.append(slice(begin, min(start + patch_size + margin, last)))
        inner.append(start - begin)
    if rescale == 1:
        hr = photograph[windows[0], windows[1]]
    else:
        hr = imresize_window(photograph, rescale, windows[0], windows[1])

    def level(shrink: int) -> np.ndarray:
        image = imresize(hr, 1 / shrink) if shrink > 1 else hr
        top, left, size = inner[0] // shrink, inner[1] // shrink, patch_size // shrink
        return image[top : top + size, left : left + size, None].astype(np.float32)

    return tuple(level(scale >> i) for i in range(scale.bit_length()))


def augmented(pyramid: Pyramid, rng: np.random.Generator) -> Pyramid:
    """One of the eight rotations and reflections, the same for all images."""
    turns, mirror = rng.integers(4), rng.integers(2)
    return tuple(np.ascontiguousarray(np.rot90(image[:, ::-1] if mirror else image, turns)) for image in pyramid)
