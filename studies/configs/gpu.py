"""The full tying study: the paper's network, 18 variants and five seeds, for one or more GPUs.

    python -m studies.tying --config studies/configs/gpu.py
    python -m studies.times --config studies/configs/gpu.py
    python -m studies.report runs/tying_gpu

Expected time (arithmetic, not a measurement): 90 cells x 10 PFLOP = 900 PFLOP, 75 minutes at a sustained 200 TFLOP/s,
plus startup, checkpoints and scoring for each cell, and compilation for each variant. To run it in parts, here of less
than ten minutes, repeat this command until it reports that all cells are finished:

    timeout -s TERM 570 python -m studies.tying --config studies/configs/gpu.py

SIGTERM ends a part with a checkpoint, and the same command resumes from there. On a machine with several GPUs, start
one process for each, with CUDA_VISIBLE_DEVICES=0, 1, ...; they share the folder. For training data closer to the
paper's, run `lapsrn prepare div2k` and set config.data.train = "data/DIV2K/DIV2K_train_HR".
"""

from configs import default
from lapsrn_jax.models import Tying
from studies.grid import Grid, Variant


def get_grid() -> Grid:
    """90 cells."""
    config = default.get_config()
    config.data.train = "data/T91,data/BSDS400,data/SunHays80"
    config.data.validation = ""
    config.data.scales = (2, 4, 8)
    config.data.patch_size = 128
    config.data.batch_size = 48
    config.data.workers = 8
    config.optimizer.learning_rate = 5e-4
    config.optimizer.ema_decay = 0.998
    config.optimizer.warmup = 0.05
    config.training.dtype = "bfloat16"
    config.training.log_every = 20
    layers = {f"adjoint_{layer}": Variant(Tying(layer=layer)) for layer in range(1, 6)}
    penalties = {"soft_weak_3": 1e-4, "soft_3": 1e-3, "soft_strong_3": 1e-2}
    return Grid(
        base=config,
        variants={
            "ms": Variant(None),
            **layers,
            "plain_3": Variant(Tying(swap_channels=False, flip_taps=False)),
            "flipped_3": Variant(Tying(swap_channels=False)),
            "swapped_3": Variant(Tying(flip_taps=False)),
            "from_conv_3": Variant(Tying(gradient="conv")),
            "from_upsample_3": Variant(Tying(gradient="upsample")),
            **{name: Variant(Tying(strength="soft", penalty=penalty)) for name, penalty in penalties.items()},
            "init_3": Variant(Tying(strength="init")),
            "ms_bias": Variant(None, use_bias=True),
            "bias_own_3": Variant(Tying(), use_bias=True),
            "bias_tied_3": Variant(Tying(bias="tied"), use_bias=True),
        },
        seeds=(0, 1, 2, 3, 4),
        sets=("data/Set5", "data/Set14", "data/BSD100"),
        flops=1e16,
    )
