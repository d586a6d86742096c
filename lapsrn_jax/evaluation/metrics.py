"""PSNR and SSIM of two images of the same size: float [H, W], values in [0, 1]."""

import numpy as np
from scipy.ndimage import gaussian_filter


def psnr(image: np.ndarray, reference: np.ndarray) -> float:
    """Peak signal-to-noise ratio in dB for a peak of 1; infinity if the images are equal."""
    _check_sizes(image, reference)
    error = np.mean((np.asarray(image, np.float64) - reference) ** 2)
    return float(-10 * np.log10(error)) if error > 0 else float("inf")


def ssim(image: np.ndarray, reference: np.ndarray) -> float:
    """Structural similarity (Wang et al., 2004) as MATLAB's `ssim` computes it for a dynamic range of 1.

    It uses an 11x11 Gaussian window of standard deviation 1.5, replicates edge pixels, and averages the full map. (The
    original `ssim_index` averages only windows that lie inside the image.)
    """
    _check_sizes(image, reference)
    a, b = np.asarray(image, np.float64), np.asarray(reference, np.float64)

    def smooth(x: np.ndarray) -> np.ndarray:
        return gaussian_filter(x, sigma=1.5, radius=5, mode="nearest")

    mean_a, mean_b = smooth(a), smooth(b)
    var_a, var_b = smooth(a * a) - mean_a**2, smooth(b * b) - mean_b**2
    covariance = smooth(a * b) - mean_a * mean_b
    c1, c2 = 0.01**2, 0.03**2
    numerator = (2 * mean_a * mean_b + c1) * (2 * covariance + c2)
    return float(np.mean(numerator / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2))))


def _check_sizes(image: np.ndarray, reference: np.ndarray) -> None:
    if image.shape != reference.shape or image.ndim != 2:
        raise ValueError(f"metrics compare two [H, W] images of the same size; got {image.shape} and {reference.shape}")
