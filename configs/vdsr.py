"""VDSR, one network for x2, x3 and x4: with patches and batches close to the authors'.

    python train.py --config configs/vdsr.py

Time: 300,000 steps of 0.44 TFLOP, 0.2 hours at a sustained 200 TFLOP/s (arithmetic, not a measurement).
Published score, PSNR on Set5 / Set14 / BSD100:
x2 37.53 / 33.03 / 31.90,
x4 31.35 / 28.01 / 27.29.
"""

import ml_collections

from configs import default


def get_config() -> ml_collections.ConfigDict:
    config = default.get_config()
    config.model = ml_collections.ConfigDict()
    config.model.name = "vdsr"
    config.model.features = 64
    config.model.depth = 20
    config.model.use_bias = True
    config.data.scales = (2, 3, 4)
    config.data.patch_size = 48
    config.data.batch_size = 48
    return config
