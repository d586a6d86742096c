"""A small tying study: the paper's block on small patches, eleven variants and three seeds, for two CPU cores.

    taskset -c 0 python -m studies.tying --config studies/configs/mini.py &
    taskset -c 1 python -m studies.tying --config studies/configs/mini.py; wait
    python -m studies.times --config studies/configs/mini.py
    python -m studies.report runs/tying_mini

The 33 cells took 30 minutes 40 seconds on two cores of a virtual EPYC (docs/tying_mini), for 497 or a few more steps
each. With two recursions instead of the paper's eight and minutes of training instead of days, this study tests the
method and shows the beginning of training. Its findings about quality need not hold after a long training.
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
        sets=("data/Set5",),  # Set14 would take another third of the time
        flops=5e12,
    )
