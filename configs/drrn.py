"""DRRN B1U25, one network for x2, x3 and x4: with patches and batches close to the authors'.

    python train.py --config configs/drrn.py

Time: 300,000 steps of 9.8 TFLOP, 4.1 hours at a sustained 200 TFLOP/s (arithmetic, not a measurement).
Published score (with batch normalisation), PSNR on Set5 / Set14 / BSD100:
x2 37.74 / 33.23 / 32.05,
x4 31.68 / 28.21 / 27.38.
"""

import ml_collections

from configs import default


def get_config() -> ml_collections.ConfigDict:
    config = default.get_config()
    config.model = ml_collections.ConfigDict()
    config.model.name = "drrn"
    config.model.features = 128
    config.model.recursions = 25
    config.model.use_bias = True
    config.data.scales = (2, 3, 4)
    config.data.patch_size = 48
    config.data.batch_size = 96
    return config
