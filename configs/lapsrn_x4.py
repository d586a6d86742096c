"""LapSRN, x4, the pyramid without recursion that the CMS-LapSRN paper compares with.

    python train.py --config configs/lapsrn_x4.py

Time: 300,000 steps of 3.2 TFLOP, 1.3 hours at a sustained 200 TFLOP/s (arithmetic, not a measurement).
Score in the paper, PSNR on Set5 / Set14 / BSD100: 31.33 / 27.80 / 27.31.
"""

import ml_collections

from configs import default


def get_config() -> ml_collections.ConfigDict:
    config = default.get_config()
    config.model = ml_collections.ConfigDict()
    config.model.name = "lapsrn"
    config.model.levels = 2
    config.model.features = 64
    config.model.depth = 10
    config.model.use_bias = False
    config.data.scales = (4,)
    return config
