"""Degraded LR images: what changes, by how much, and what does not."""

import collections

import numpy as np
import PIL.Image
import pytest

from lapsrn_jax.data import degradation
from lapsrn_jax.data.degradation import Degradation, degraded
from lapsrn_jax.data.patches import cut_patch, prefetched, training_batches
from lapsrn_jax.data.photographs import read_photographs
from lapsrn_jax.data.sources import training_pictures
from lapsrn_jax.images.color import luminance
from tests import tiny

ROUNDED = Degradation(1, 0, 0, 0)
BLUR, NOISE, JPEG, ALL = (Degradation(1, *chosen) for chosen in ((1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 1)))


@pytest.fixture
def photograph(rng):
    return tiny.photograph(rng, 150, 140)


def batch(photographs, settings, seed=5):
    return training_batches(photographs, {2: 4, 4: 2}, 32, seed, slice(0, 3), degradation=settings)[1]


def assert_equal(a, b):
    for scale, images in a.items():
        for x, y in zip(images, b[scale], strict=True):
            np.testing.assert_array_equal(x, y)


def test_without_degraded_samples_nothing_changes(photograph):
    assert_equal(batch([photograph], None), batch([photograph], Degradation(0, 1, 1, 1)))


def test_a_degraded_batch_is_a_function_of_seed_and_index(photograph):
    assert_equal(batch([photograph], ALL), batch([photograph], ALL))


@pytest.mark.slow
def test_workers_do_not_change_degraded_batches(tmp_path):
    photographs = read_photographs(training_pictures(str(tiny.write_photographs(tmp_path))), 32)
    batches = training_batches(photographs, {2: 2, 4: 2}, 32, 5, slice(0, 4), degradation=Degradation(0.8, 0.5, 0.5, 1))
    for workers in (1, 2):
        iterator = iter(prefetched(batches, workers))
        for n, made in enumerate(iterator):
            assert_equal(made, batches[n])
        iterator.close()
        assert n == 3


@pytest.mark.parametrize("scale", [2, 3, 4, 8])
def test_only_the_low_resolution_image_is_degraded(photograph, scale):
    """A sample without blur, noise and JPEG is the clean one, rounded to 8 bits."""
    clean, other = np.random.default_rng(scale), np.random.default_rng(scale)
    clean.random()  # decides whether the other sample is degraded
    expected = cut_patch(photograph, scale, 48, clean, channels=3)
    found = cut_patch(photograph, scale, 48, other, channels=3, degradation=ROUNDED)
    for x, y in zip(expected[1:], found[1:], strict=True):
        np.testing.assert_allclose(x, y, atol=1e-6)
    np.testing.assert_allclose(found[0], np.clip(expected[0], 0, 1), atol=0.5001 / 255)
    np.testing.assert_allclose(255 * found[0], np.round(255 * found[0]), atol=1e-4)


def test_colours_are_degraded_before_their_luminance_is_taken(photograph):
    gray, rgb = (cut_patch(photograph, 4, 48, np.random.default_rng(2), c, ALL) for c in (1, 3))
    np.testing.assert_allclose(gray[0][:, :, 0], luminance(rgb[0].astype(np.float64)), atol=1e-6)


def test_a_share_of_the_samples_stays_clean(photograph):
    """Only degraded images have 8 bits."""
    rounded = []
    for seed in range(200):
        lr = cut_patch(photograph, 2, 32, np.random.default_rng(seed), 3, ROUNDED._replace(share=0.3))[0]
        rounded.append(np.allclose(255 * lr, np.round(255 * lr), atol=1e-3))
    assert 0.2 < np.mean(rounded) < 0.4


def test_a_blur_keeps_the_mean_and_lowers_the_contrast(rng):
    for _ in range(10):
        image = 0.5 + 0.2 * rng.standard_normal((40, 40, 1)).repeat(3, axis=2).clip(-2, 2)
        blurred = degraded(image, BLUR, rng)
        assert blurred.mean() == pytest.approx(image.mean(), abs=0.005)
        assert blurred.std() < image.std() + 0.001


def test_some_blurs_have_a_direction(rng):
    """The image of a point is as wide as high in about half of the cases."""
    point = np.zeros((15, 15, 3))
    point[7, 7] = 1
    moments = []
    for _ in range(60):
        spread = degraded(point, BLUR, rng)[:, :, 0]
        y, x = np.mgrid[-7:8, -7:8]
        covariance = np.array([[(spread * a * b).sum() for a in (y, x)] for b in (y, x)]) / spread.sum()
        moments.append(np.linalg.eigvalsh(covariance))
    ratios = [small / large if large > 0.02 else 1 for small, large in moments]
    assert 0.25 < np.mean([ratio > 0.9 for ratio in ratios]) < 0.75


def test_noise_grows_with_brightness_up_to_its_limits(rng):
    dark, bright = (
        [degraded(np.full((60, 60, 3), level), NOISE, rng).std() for _ in range(60)] for level in (0.15, 0.85)
    )
    read, shot = degradation.NOISE
    assert np.mean(bright) > np.mean(dark)
    assert max(bright) < 1.05 * (read**2 + 0.85 * shot**2) ** 0.5 + 0.5 / 255
    assert max(bright) > 0.6 * (read**2 + 0.85 * shot**2) ** 0.5


def test_blocks_begin_at_the_corner_in_half_of_the_cases_and_anywhere_in_the_others(rng, monkeypatch):
    monkeypatch.setattr(degradation, "QUALITY", (5, 5))  # so that blocks are easy to see
    y, x = np.mgrid[:64, :64]
    image = np.stack([(x + 2 * y) / 220] * 3, axis=2)
    found = collections.Counter()
    for _ in range(160):
        steps = np.abs(np.diff(degraded(image, JPEG, rng)[:, :, 1], axis=1)).sum(axis=0)
        found[int(np.argmax([steps[phase::8].mean() for phase in range(8)]) + 1) % 8] += 1
    assert len(found) == 8
    assert 60 < found[0] < 120


@pytest.mark.parametrize(("skew", "median"), [(1, 64), (1.5, 74), (2, 81)])
def test_a_skew_makes_high_qualities_more_likely(photograph, monkeypatch, skew, median):
    found = []
    save = PIL.Image.Image.save

    def spied(image, file, format, quality, **options):
        found.append(quality)
        save(image, file, format, quality=quality, **options)

    monkeypatch.setattr(PIL.Image.Image, "save", spied)
    rng = np.random.default_rng(0)
    for _ in range(400):
        degraded(photograph[:8, :8] / 255, JPEG._replace(skew=skew), rng)
    assert np.median(found) == pytest.approx(median, abs=3)
    assert 30 <= min(found) < 33
    assert max(found) == 98


def test_quality_spans_its_range(photograph, monkeypatch):
    image = photograph[:40, :40] / 255
    errors = []
    for quality in (30, 60, 98):
        monkeypatch.setattr(degradation, "QUALITY", (quality, quality))
        errors.append(np.mean([np.abs(degraded(image, JPEG, np.random.default_rng(i)) - image) for i in range(10)]))
    assert errors[0] > errors[1] > errors[2] > 0
