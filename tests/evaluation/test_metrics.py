import numpy as np
import pytest
from skimage.metrics import structural_similarity

from lapsrn_jax.evaluation.metrics import psnr, ssim


def test_psnr_of_a_known_error():
    image = np.full((8, 8), 0.5)
    assert psnr(image + 0.1, image) == pytest.approx(20)
    assert psnr(image, image) == np.inf


def test_ssim_is_one_only_for_equal_images(rng):
    image = rng.random((20, 30))
    assert ssim(image, image) == pytest.approx(1)
    assert ssim(image, image[::-1]) < 0.5


def test_ssim_inside_the_border_is_scikit_images(rng):
    """scikit-image mirrors the border, so the images have a constant border, for which both agree."""
    a, b = (np.pad(rng.random((30, 40)), 12, constant_values=0.5) for _ in range(2))
    theirs = structural_similarity(
        a, b, data_range=1, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, full=True
    )[1]
    assert ssim(a, b) == pytest.approx(theirs.mean(), abs=1e-12)


def test_images_of_different_sizes_are_refused():
    with pytest.raises(ValueError, match="same size"):
        psnr(np.zeros((4, 4)), np.zeros((1, 4)))
