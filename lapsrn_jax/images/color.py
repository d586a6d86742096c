"""BT.601 colour in studio range for float images in [0, 1], equal to MATLAB's `rgb2ycbcr` and `ycbcr2rgb`.

Luminance Y runs from 16/255 (black) to 235/255 (white), Cb and Cr from 16/255 to 240/255 around 128/255.
"""

import numpy as np

# ITU-R BT.601, scaled by 255: RGB in [0, 1] to YCbCr in [0, 255].
_TO_YCBCR = np.array([[65.481, 128.553, 24.966], [-37.797, -74.203, 112.0], [112.0, -93.786, -18.214]]) / 255
_OFFSET = np.array([16.0, 128.0, 128.0]) / 255
_TO_RGB = np.linalg.inv(_TO_YCBCR)
_BLACK, _WHITE = 16 / 255, 235 / 255


def rgb_to_ycbcr(rgb: np.ndarray) -> np.ndarray:
    """Converts RGB [..., 3] in [0, 1] to YCbCr [..., 3] in float64."""
    return rgb @ _TO_YCBCR.T + _OFFSET


def ycbcr_to_rgb(ycbcr: np.ndarray) -> np.ndarray:
    """Converts YCbCr [..., 3] to RGB [..., 3] in float64. Not clipped: YCbCr has colours outside of RGB's range."""
    return (ycbcr - _OFFSET) @ _TO_RGB.T


def luminance(image: np.ndarray) -> np.ndarray:
    """Returns the luminance Y [H, W] of RGB [H, W, 3] in [0, 1], float64. A gray image [H, W] is returned unscaled."""
    if image.ndim == 2:
        return np.asarray(image, np.float64)
    return image @ _TO_YCBCR[0] + _OFFSET[0]


def full_range(luminance: np.ndarray) -> np.ndarray:
    """Returns luminance with black at 0 and white at 1, as gray pictures have it, in the array's dtype."""
    return (luminance - _BLACK) / (_WHITE - _BLACK)


def studio_range(gray: np.ndarray) -> np.ndarray:
    """Returns the luminance of gray values with black at 0 and white at 1, in the array's dtype."""
    return _BLACK + (_WHITE - _BLACK) * gray
