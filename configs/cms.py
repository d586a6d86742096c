"""CMS-LapSRN (3rd ConV) for x2, x4 and x8 at once: a third of each batch goes through each pyramid.

    python train.py --config configs/cms.py

Time: 300,000 steps of 33.9 TFLOP, 14.1 hours at a sustained 200 TFLOP/s (arithmetic, not a measurement).
Score in the paper, PSNR on Set5 / Set14 / BSD100:
x2 36.88 / 32.61 / 31.44,
x4 31.51 / 28.19 / 27.32,
x8 26.40 / 24.68 / 24.60.
"""

import ml_collections

from configs import default


def get_config() -> ml_collections.ConfigDict:
    config = default.get_config()
    config.data.scales = (2, 4, 8)
    config.data.batch_size = 48  # the paper's 16 for each scale, which divide among 2, 4 or 8 GPUs
    return config
