"""The recipe of the weights that come with the package: one network for x2, x4 and x8, in stages.

    python train.py --config configs/weights.py:cms_r1 --workdir runs/cms_r1
    python train.py --config configs/weights.py:cms_r2 --workdir runs/cms_r2

and the same with ms, the baseline, whose recipe differs in nothing but the tying. Recursions share their parameters, so
their number can grow: each stage begins with the parameters, the average and the moments of the one before.
"""

import ml_collections

from configs import default

# Recursions, HR pixels of a patch, patches of a batch, steps, first and last learning rate, the stage before.
STAGES = {
    "r1": (1, 96, 12, 3000, 1e-3, 5e-4, None),
    "r2": (2, 96, 12, 2000, 7e-4, 1e-5, "r1"),
}


def get_config(stage: str = "cms_r1") -> ml_collections.ConfigDict:
    family, name = stage.split("_")
    recursions, patch_size, batch_size, steps, first, last, before = STAGES[name]
    config = default.get_config()
    config.seed = list(STAGES).index(name)  # other patches in each stage
    if before:
        config.start = f"runs/{family}_{before}"
    if family == "ms":
        config.model.tying = None
    config.model.recursions = recursions
    config.data.train = "data/T91,data/BSDS400,data/SunHays80"
    config.data.validation = ""
    config.data.hold_out = 10
    config.data.scales = (2, 4, 8)
    config.data.patch_size = patch_size
    config.data.batch_size = batch_size
    config.optimizer.learning_rate = first
    config.optimizer.final_learning_rate = last
    config.optimizer.warmup = 0.05
    config.optimizer.ema_decay = 0.998
    config.training.steps = steps
    return config
