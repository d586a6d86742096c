"""CMS-LapSRN (3rd ConV), x4, with the settings of the paper.

    python train.py --config configs/cms_x4.py

Time: 300,000 steps of 11.9 TFLOP, 5.0 hours at a sustained 200 TFLOP/s (arithmetic, not a measurement).
Score in the paper, PSNR on Set5 / Set14 / BSD100: 31.51 / 28.19 / 27.32.
"""

import ml_collections

from configs import default


def get_config() -> ml_collections.ConfigDict:
    config = default.get_config()
    config.data.scales = (4,)
    return config
