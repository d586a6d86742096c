"""MS-LapSRN, x8, with the settings of the paper.

    python train.py --config configs/ms_x8.py

Time: 300,000 steps of 12.5 TFLOP, 5.2 hours at a sustained 200 TFLOP/s (arithmetic, not a measurement).
Score in the paper, PSNR on Set5 / Set14 / BSD100: 26.39 / 24.66 / 24.61.
"""

import ml_collections

from configs import default


def get_config() -> ml_collections.ConfigDict:
    config = default.get_config()
    config.model.tying = None
    config.data.scales = (8,)
    return config
