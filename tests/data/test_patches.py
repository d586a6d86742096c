import pathlib
import subprocess
import sys
import time

import numpy as np
import pytest

from lapsrn_jax.data.masks import mask_pyramid
from lapsrn_jax.data.patches import augmented, cut_patch, prefetched, shrinks_of, split_batch, training_batches
from lapsrn_jax.data.photographs import read_photographs
from lapsrn_jax.data.sources import training_pictures
from lapsrn_jax.errors import UserError
from lapsrn_jax.images.color import full_range, luminance
from lapsrn_jax.images.io import to_float
from lapsrn_jax.images.resize import imresize
from tests import tiny


@pytest.fixture
def photographs(rng):
    return [rng.integers(0, 256, (*shape, 3), dtype=np.uint8) for shape in ((50, 70), (64, 48), (90, 41))]


def test_batches_have_a_pyramid_for_each_scale(photographs):
    batch = training_batches(photographs, {2: 3, 4: 2, 8: 1}, 32, 0, slice(0, 1))[0]
    shapes = {scale: [image.shape for image in images] for scale, images in batch.items()}
    assert shapes == {
        2: [(3, 16, 16, 1), (3, 32, 32, 1)],
        4: [(2, 8, 8, 1), (2, 16, 16, 1), (2, 32, 32, 1)],
        8: [(1, 4, 4, 1), (1, 8, 8, 1), (1, 16, 16, 1), (1, 32, 32, 1)],
    }
    assert {image.dtype for images in batch.values() for image in images} == {np.dtype(np.float32)}


def batch_with(photographs, share, channels=1):
    sizes = {2: 40, 4: 40}
    return training_batches(photographs, sizes, 32, 3, slice(0, 1), channels=channels, full_range_share=share)[0]


def test_stretched_samples_have_the_range_of_gray_pictures(photographs):
    """Stretching is linear, so it may follow the reduction of a patch."""
    for scale, images in batch_with(photographs, 1).items():
        for stretched, plain in zip(images, batch_with(photographs, 0)[scale], strict=True):
            assert stretched.dtype == np.float32
            np.testing.assert_allclose(stretched, full_range(plain.astype(np.float64)), atol=1e-6)


def test_black_and_white_are_the_ends_of_the_full_range():
    black, white = luminance(np.zeros((1, 1, 3))), luminance(np.ones((1, 1, 3)))
    np.testing.assert_allclose(full_range(np.concatenate([black, white])), [[0], [1]], atol=1e-12)


def test_a_share_of_the_samples_is_stretched(photographs):
    some, plain = batch_with(photographs, 0.3), batch_with(photographs, 0)
    changed = [
        not np.array_equal(a, b) for scale in some for a, b in zip(some[scale][-1], plain[scale][-1], strict=True)
    ]
    assert 0.15 < np.mean(changed) < 0.45
    for images, others in zip(*(batch_with(photographs, share, channels=3)[2] for share in (1, 0)), strict=True):
        np.testing.assert_array_equal(images, others)  # RGB has the range anyway


def test_a_batch_is_a_function_of_seed_and_index_alone(photographs):
    first, again, other = (training_batches(photographs, {2: 4}, 32, seed, slice(0, 9)) for seed in (5, 5, 6))
    backwards = {n: again[n] for n in (7, 3, 0)}
    for n, batch in backwards.items():
        np.testing.assert_array_equal(first[n][2][1], batch[2][1])
        assert not np.array_equal(first[n][2][1], other[n][2][1])
    assert not np.array_equal(first[0][2][1], first[3][2][1])


def test_a_later_start_continues_the_same_sequence(photographs):
    whole = training_batches(photographs, {2: 2, 4: 2}, 32, 5, slice(0, 9))
    rest = training_batches(photographs, {2: 2, 4: 2}, 32, 5, slice(6, 9))
    for n in range(3):
        np.testing.assert_array_equal(whole[6 + n][4][2], rest[n][4][2])


def test_the_shares_of_the_processes_are_the_batch(photographs):
    whole = training_batches(photographs, {2: 4, 4: 8}, 32, 5, slice(0, 3))[2]
    for processes in (2, 4):
        shares = [
            training_batches(photographs, {2: 4, 4: 8}, 32, 5, slice(2, 3), p, processes)[0] for p in range(processes)
        ]
        for scale, images in whole.items():
            for i, image in enumerate(images):
                np.testing.assert_array_equal(np.concatenate([share[scale][i] for share in shares]), image)


@pytest.mark.slow
def test_workers_do_not_change_the_batches(tmp_path):
    """Threads and two processes make the same batches in the same order."""
    photographs = read_photographs(training_pictures(str(tiny.write_photographs(tmp_path))), 32)
    batches = training_batches(photographs, {2: 2}, 32, 5, slice(3, 8))
    for workers in (0, 2):
        iterator = iter(prefetched(batches, workers))
        made = list(iterator)
        iterator.close()
        assert len(made) == 5
        for n, batch in enumerate(made):
            np.testing.assert_array_equal(batch[2][1], batches[n][2][1])


ENDLESS = """
import multiprocessing, sys, numpy as np
from absl import flags
from lapsrn_jax.data.patches import prefetched, training_batches
flags.FLAGS.mark_as_parsed()
if __name__ == "__main__":
    photographs = [np.zeros((40, 40, 3), np.uint8)]
    batches = iter(prefetched(training_batches(photographs, {2: 1}, 32, 0, slice(0, 10**9)), 2))
    next(batches)
    print(*(child.pid for child in multiprocessing.active_children()), flush=True)
    while True:
        next(batches)
"""


@pytest.mark.slow
def test_workers_end_with_a_trainer_that_is_killed(tmp_path):
    """Workers ignore the signals that a terminal sends, but must not outlive their trainer."""
    (tmp_path / "endless.py").write_text(ENDLESS)
    with subprocess.Popen([sys.executable, tmp_path / "endless.py"], stdout=subprocess.PIPE, text=True) as trainer:
        workers = [int(pid) for pid in trainer.stdout.readline().split()]
        assert len(workers) == 2
        assert all(map(runs, workers))
        trainer.kill()
    deadline = time.monotonic() + 2
    while any(map(runs, workers)):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def runs(pid: int) -> bool:
    """Whether the process exists and is not a zombie."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_each_photograph_is_used_once_an_epoch():
    flat = [np.full((40, 40, 3), value, np.uint8) for value in (10, 20, 30, 40)]
    batches = training_batches(flat, {2: 4}, 32, 0, slice(0, 6))
    orders = [batches[n][2][1].mean(axis=(1, 2, 3)).round(4).tolist() for n in range(6)]
    grays = [round((16 + 219 * value / 255) / 255, 4) for value in (10, 20, 30, 40)]
    assert all(sorted(order) == pytest.approx(grays, abs=2e-4) for order in orders)
    assert len({tuple(order) for order in orders}) > 1


@pytest.mark.parametrize("shrinks", [(2, 1), (3, 1), (4, 2, 1), (6, 1), (8, 4, 2, 1)])
def test_patches_equal_the_protocols_images(rng, shrinks):
    """A patch equals exactly one part of the pyramid that the protocol would make of the whole shrunk photograph."""
    photograph = rng.integers(0, 256, (83, 117, 3), dtype=np.uint8)
    whole, scale = luminance(to_float(photograph)), shrinks[0]
    for seed in range(6):
        pyramid = cut_patch(photograph, scale, 24, np.random.default_rng(seed))
        matches = 0
        for rescale in (0.5, 0.6, 0.7, 0.8, 0.9, 1.0):
            shrunk = imresize(whole, rescale)
            shrunk = shrunk[: shrunk.shape[0] // scale * scale, : shrunk.shape[1] // scale * scale]
            levels = [imresize(shrunk, 1 / shrink) for shrink in shrinks]
            rows, columns = ((side - 24) // scale + 1 for side in shrunk.shape)
            for top in range(rows):
                for left in range(columns):
                    windows = [
                        level[
                            (top * scale) // k : (top * scale + 24) // k, (left * scale) // k : (left * scale + 24) // k
                        ]
                        for level, k in zip(levels, shrinks, strict=True)
                    ]
                    matches += all(
                        np.abs(window - image[:, :, 0]).max() < 1e-6
                        for window, image in zip(windows, pyramid, strict=True)
                    )
        assert matches == 1


def test_an_rgb_patch_has_the_luminance_of_the_luminance_patch(rng):
    photograph = rng.integers(0, 256, (83, 117, 3), dtype=np.uint8)
    gray, rgb = (cut_patch(photograph, 3, 24, np.random.default_rng(5), channels) for channels in (1, 3))
    assert [image.shape for image in rgb] == [(8, 8, 3), (24, 24, 3)]
    for y, image in zip(gray, rgb, strict=True):
        np.testing.assert_allclose(luminance(image), y[:, :, 0], atol=1e-6)


def test_augmentation_turns_all_images_alike(rng):
    whole = rng.random((64, 64)).astype(np.float32)
    seen = set()
    for seed in range(60):
        generator = np.random.default_rng(seed)
        lr, hr = augmented((imresize(whole, 0.5)[..., None], whole[..., None]), generator)
        np.testing.assert_allclose(imresize(hr[:, :, 0], 0.5), lr[:, :, 0], atol=1e-6)
        seen.add(hr.tobytes())
    assert len(seen) == 8


def test_a_photograph_of_exactly_one_patch_serves(rng):
    lr, hr = cut_patch(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8), 2, 32, rng)
    assert (lr.shape, hr.shape) == ((16, 16, 1), (32, 32, 1))


def test_a_batch_splits_evenly_or_says_what_would():
    assert split_batch(16, (2, 4, 8), 1) == {2: 6, 4: 5, 8: 5}
    assert split_batch(24, (2, 4, 8), 4) == {2: 8, 4: 8, 8: 8}
    with pytest.raises(UserError, match="use a multiple of 6, such as 18"):
        split_batch(16, (2, 4, 8), 2)
    with pytest.raises(UserError, match="batch_size 2 does not divide"):
        split_batch(2, (2, 4, 8), 1)


def test_the_patch_size_must_be_a_multiple_of_each_scale(photographs):
    with pytest.raises(UserError, match="patch_size 36 is not a multiple of the scale 8"):
        training_batches(photographs, {2: 1, 8: 1}, 36, 0, slice(0, 1))


def test_data_code_does_not_load_jax_itself():
    """Workers import it, and JAX would use GPU memory there. The test replaces grain, which imports JAX."""
    code = (
        "import sys, types; sys.modules['grain'] = types.SimpleNamespace(MapDataset=dict, IterDataset=list);"
        "import lapsrn_jax.data.patches, lapsrn_jax.data.photographs, lapsrn_jax.data.sources;"
        "sys.exit('jax' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def blocks(image, shrink):
    h, w, _ = image.shape
    return image.reshape(h // shrink, shrink, w // shrink, shrink, -1).mean((1, 3))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("scale", [2, 3, 4, 8])
def test_masks_have_hard_edges_at_every_size(rng, scale, channels):
    *smaller, hr = mask_pyramid(shrinks_of(scale), 48, channels, rng)
    black, white = (16 / 255, 235 / 255) if channels == 1 else (0, 1)
    sides = [48 // scale] if scale == 3 else [48 // 2**i for i in range(scale.bit_length() - 1, 0, -1)]
    assert [image.shape for image in smaller] == [(side, side, channels) for side in sides]
    for image in (*smaller, hr):
        assert image.dtype == np.float32
        assert set(np.unique(image)) == {np.float32(black), np.float32(white)}
        assert 0.1 < (image == np.float32(white)).mean() < 0.9
        mostly_white = blocks(hr, 48 // len(image)) > (black + white) / 2
        assert np.mean(mostly_white == (image == np.float32(white))) > 0.85


def test_a_share_of_the_samples_are_masks(photographs):
    def of(share):
        return training_batches(photographs, {2: 40, 4: 40}, 32, 3, slice(0, 1), mask_share=share)[0]

    some, all_of_them = of(0.3), of(1)
    masks = [len(np.unique(hr)) == 2 for images in some.values() for hr in images[-1]]
    assert 0.15 < np.mean(masks) < 0.45
    assert all(len(np.unique(hr)) == 2 for images in all_of_them.values() for hr in images[-1])
    for scale, images in of(0).items():
        for image, plain in zip(images, batch_with(photographs, 0)[scale], strict=True):
            np.testing.assert_array_equal(image, plain)
