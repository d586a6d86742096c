"""MS-LapSRN, x2, with the settings of the paper.

    python train.py --config configs/ms_x2.py

Time: 300,000 steps of 9.5 TFLOP, 4.0 hours at a sustained 200 TFLOP/s (arithmetic, not a measurement).
Score in the paper, PSNR on Set5 / Set14 / BSD100: 36.76 / 32.57 / 31.38.
"""

import ml_collections

from configs import default


def get_config() -> ml_collections.ConfigDict:
    config = default.get_config()
    config.model.tying = None
    config.data.scales = (2,)
    return config
