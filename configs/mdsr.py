"""MDSR, one network on RGB for x2, x3 and x4: patches and batch near the authors', the rest the default.

    python train.py --config configs/mdsr.py

Time: 300,000 steps of 4.9 TFLOP, 2.0 hours at a sustained 200 TFLOP/s (arithmetic, not a measurement).
Score published, PSNR on Set5 / Set14 / BSD100:
x2 38.11 / 33.85 / 32.29,
x4 32.50 / 28.72 / 27.72.
"""

import ml_collections

from configs import default


def get_config() -> ml_collections.ConfigDict:
    config = default.get_config()
    config.model = ml_collections.ConfigDict()
    config.model.name = "mdsr"
    config.model.features = 64
    config.model.blocks = 80
    config.model.use_bias = True
    config.data.scales = (2, 3, 4)
    config.data.patch_size = 192
    config.data.batch_size = 24
    return config
