"""The recipe of the weights in this package: one network for x2, x4 and x8, trained in stages.

    python train.py --config configs/weights.py:cms_r1
    python train.py --config configs/weights.py:cms_r2
    python train.py --config configs/weights.py:cms_r2b
    python train.py --config configs/weights.py:cms_r4
    python train.py --config configs/weights.py:cms_r4b

Replace cms by ms for the baseline, whose recipe differs only in the tying. Recursions share their parameters, so their
number can grow: each stage starts with the parameters, the average and the moments of the one before. docs/weights.md
lists the cost and the scores of each stage. The stages r1 to r4b use AdamW, each with its own cosine schedule. The
command

    python train.py --config configs/weights.py:cms_long

continues from the state in state/ with Muon at a constant learning rate, for as long as you like: SIGTERM stops it, and
the same command resumes it. A short run with a falling learning rate turns its state into weights:

    python train.py --config configs/weights.py:cms_cool

Two more stages continue in bfloat16, for CPUs with AMX (docs/speed.md). The second one lets the rate fall slowly, and
adds masks of black and white, which the network would otherwise amplify:

    python train.py --config configs/weights.py:cms_longer
    python train.py --config configs/weights.py:cms_slow

The weights for compressed photos continue from state/cms_long, with degraded pictures. The stage jpeg has more of
them, and lower JPEG qualities; it starts from the stage photo, which SIGTERM stopped after 14,873 steps:

    python train.py --config configs/weights.py:cms_photo
    python train.py --config configs/weights.py:cms_jpeg

All of these are for two CPU cores. r8 is for a GPU: 60,000 steps of 2.1 TFLOP, 11 minutes at a sustained 200 TFLOP/s
(arithmetic, not a measurement).
"""

from typing import NamedTuple

import ml_collections

from configs import default


class Stage(NamedTuple):
    """The settings that differ between stages; `before` is the folder that a stage starts from."""

    recursions: int
    patch_size: int
    batch_size: int
    steps: int
    learning_rate: float
    final_learning_rate: float
    before: str | None
    schedule: str = "cosine"
    warmup: float = 0.05
    muon_learning_rate: float = 0.0
    dtype: str = "float32"
    full_range: float = 0.0
    degraded: float = 0.0
    skew: float = 2.0
    masks: float = 0.0


# A stage's position is its seed, so the order is part of the recipe. cool, and cooler with edges, made earlier weights.
STAGES = {
    "r1": Stage(1, 96, 12, 3000, 1e-3, 5e-4, None),
    "r2": Stage(2, 96, 12, 2000, 7e-4, 1e-5, "runs/weights_{}_r1"),
    "r2b": Stage(2, 96, 12, 2000, 7e-4, 1e-6, "runs/weights_{}_r2"),
    "r4": Stage(4, 96, 12, 2000, 5e-4, 1e-6, "runs/weights_{}_r2b"),
    "r4b": Stage(4, 96, 12, 1600, 7e-4, 1e-6, "runs/weights_{}_r4"),
    "long": Stage(4, 96, 12, 1_000_000, 1e-3, 1e-6, "state/{}_r4b", "constant", 2e-4, 3e-3),
    "cool": Stage(4, 96, 12, 2000, 1e-3, 1e-6, "runs/weights_{}_long", "cooldown", 0.0, 3e-3, full_range=0.2),
    "r8": Stage(8, 128, 48, 60_000, 5e-4, 1e-6, "state/{}_r4b", dtype="bfloat16"),
    "photo": Stage(4, 96, 12, 20_000, 1e-3, 1e-6, "state/{}_long", "cosine", 0.0, 3e-3, full_range=0.2, degraded=0.5),
    "jpeg": Stage(4, 96, 12, 5000, 2e-4, 1e-6, "runs/weights_{}_photo", "cosine", 0.0, 6e-4, "float32", 0.2, 0.55, 1.5),
    "longer": Stage(4, 96, 12, 1_000_000, 1e-3, 1e-6, "state/{}_long", "constant", 2e-4, 3e-3, "bfloat16", 0.2),
    "cooler": Stage(4, 96, 12, 7000, 1e-3, 1e-6, "runs/weights_{}_longer", "cooldown", 0.0, 3e-3, "bfloat16", 0.2),
    "edges": Stage(
        4, 96, 12, 1500, 3e-4, 1e-6, "runs/weights_{}_cooler", "cooldown", 0.0, 9e-4, "bfloat16", 0.2, masks=0.01
    ),
    "slow": Stage(
        4, 96, 48, 8000, 1e-3, 1e-6, "runs/weights_{}_longer", "cooldown", 0.0, 3e-3, "bfloat16", 0.2, masks=0.01
    ),
}


def get_config(argument: str = "cms_r1") -> ml_collections.ConfigDict:
    choices = [f"{family}_{name}" for family in ("cms", "ms") for name in STAGES]
    if argument not in choices:
        raise ValueError(f"the argument of this config is one of {', '.join(choices)}; not {argument!r}")
    family, name = argument.split("_")
    stage = STAGES[name]
    config = default.get_config()
    config.seed = list(STAGES).index(name)  # other patches in each stage
    if stage.before:
        config.start = stage.before.format(family)
    if family == "ms":
        config.model.tying = None
    config.model.recursions = stage.recursions
    config.data.train = "data/T91,data/BSDS400,data/SunHays80"
    config.data.validation = ""
    config.data.hold_out = 10
    config.data.scales = (2, 4, 8)
    config.data.patch_size = stage.patch_size
    config.data.batch_size = stage.batch_size
    config.data.full_range = stage.full_range
    config.data.masks = stage.masks
    if stage.degraded:
        config.data.degradation = {
            "share": stage.degraded,
            "blur": 0.05,
            "noise": 0.1,
            "jpeg": 0.95,
            "skew": stage.skew,
        }
    config.optimizer.learning_rate = stage.learning_rate
    config.optimizer.final_learning_rate = stage.final_learning_rate
    config.optimizer.muon_learning_rate = stage.muon_learning_rate
    config.optimizer.schedule = stage.schedule
    config.optimizer.warmup = stage.warmup
    config.optimizer.ema_decay = 0.998
    config.training.steps = stage.steps
    if stage.schedule == "constant" or stage.degraded:
        config.training.checkpoint_every = 2000  # validation takes minutes
    if name == "r8":  # a GPU takes batches faster than the threads of one process make them
        config.data.workers = 8
    elif stage.dtype == "bfloat16":  # on AMX, steps are fast, and validation is not
        config.training.checkpoint_every = 20_000
    config.training.dtype = stage.dtype
    return config
