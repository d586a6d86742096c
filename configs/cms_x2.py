"""CMS-LapSRN (3rd ConV), x2, with the settings of the paper.

    python train.py --config configs/cms_x2.py

Time: 300,000 steps of 9.5 TFLOP, 4.0 hours at a sustained 200 TFLOP/s (arithmetic, not a measurement).
Score in the paper, PSNR on Set5 / Set14 / BSD100: 36.88 / 32.61 / 31.44.
"""

import ml_collections

from configs import default


def get_config() -> ml_collections.ConfigDict:
    config = default.get_config()
    config.data.scales = (2,)
    return config
