"""DRCN with 16 recursions, one network for x2, x3 and x4: with patches and batches close to the authors'.

    python train.py --config configs/drcn.py

Time: 300,000 steps of 12.9 TFLOP, 5.4 hours at a sustained 200 TFLOP/s (arithmetic, not a measurement).
Published score (of separate networks for each scale), PSNR on Set5 / Set14 / BSD100:
x2 37.63 / 33.04 / 31.85,
x4 31.53 / 28.02 / 27.23.
"""

import ml_collections

from configs import default


def get_config() -> ml_collections.ConfigDict:
    config = default.get_config()
    config.model = ml_collections.ConfigDict()
    config.model.name = "drcn"
    config.model.features = 256
    config.model.recursions = 16
    config.model.supervision = 0.5
    config.model.use_bias = True
    config.data.scales = (2, 3, 4)
    config.data.patch_size = 48
    config.data.batch_size = 48
    return config
