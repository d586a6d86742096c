"""The tying study in miniature: the paper's block on small patches, eleven variants, three seeds, two CPU cores.

    taskset -c 0 python -m studies.tying --config studies/configs/mini.py &
    taskset -c 1 python -m studies.tying --config studies/configs/mini.py; wait
    python -m studies.times --config studies/configs/mini.py
    python -m studies.report runs/tying_mini

All 33 cells took 30 minutes 40 seconds on two cores of a virtual EPYC (docs/tying_mini): 497 steps each, or a few more.
Two recursions of the paper's eight and minutes of training instead of days: it shows that the study works, and what
the beginning of training looks like. What it finds about quality need not hold at the end of a long one.
"""

from configs import default
from lapsrn_jax.models import Tying
from studies.grid import Grid, Variant


def get_grid() -> Grid:
    """33 cells."""
    config = default.get_config()
    config.model.recursions = 2
    config.data.train = "data/T91,data/BSDS400"
    config.data.validation = ""
    config.data.scales = (2, 4, 8)
    config.data.patch_size = 48
    config.data.batch_size = 6  # 12 and half the steps: 0.4 to 1 dB less on Set5, MS-LapSRN, seed 0
    config.optimizer.learning_rate = 1e-3
    config.optimizer.final_learning_rate = 1e-5
    config.optimizer.warmup = 0.05
    config.optimizer.ema_decay = 0.99
    config.training.log_every = 10
    return Grid(
        base=config,
        variants={
            "ms": Variant(None),
            "adjoint_1": Variant(Tying(layer=1)),
            "adjoint_3": Variant(Tying()),
            "adjoint_5": Variant(Tying(layer=5)),
            "plain_3": Variant(Tying(swap_channels=False, flip_taps=False)),
            "flipped_3": Variant(Tying(swap_channels=False)),
            "swapped_3": Variant(Tying(flip_taps=False)),
            "from_conv_3": Variant(Tying(gradient="conv")),
            "from_upsample_3": Variant(Tying(gradient="upsample")),
            "soft_3": Variant(Tying(strength="soft", penalty=1e-3)),
            "init_3": Variant(Tying(strength="init")),
        },
        seeds=(0, 1, 2),
        sets=("data/Set5",),  # Set14 would take a third of the time
        flops=5e12,
    )
