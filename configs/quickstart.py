"""A small CMS-LapSRN x2 on scikit-image's photographs. It needs no download and takes minutes on a laptop.

python train.py --config configs/quickstart.py
python evaluate.py --ckpt runs/quickstart --data bundled --scales 2 --save-images runs/quickstart/images
"""

import ml_collections

from configs import default


def get_config() -> ml_collections.ConfigDict:
    config = default.get_config()
    config.model.recursions = 2
    config.data.train = "bundled"
    config.data.scales = (2,)
    config.data.patch_size = 64
    config.optimizer.learning_rate = 1e-3
    config.optimizer.warmup = 0.1
    config.optimizer.ema_decay = 0.99
    config.training.steps = 600
    config.training.log_every = 10
    config.training.checkpoint_every = 100
    return config
