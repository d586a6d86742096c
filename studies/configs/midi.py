"""The study that decides: eight seeds and eight times the miniature's budget for each cell, for two CPU cores.

    taskset -c 0 python -m studies.tying --config studies/configs/midi.py &
    taskset -c 1 python -m studies.tying --config studies/configs/midi.py; wait
    python -m studies.times --config studies/configs/midi.py
    python -m studies.report runs/tying_midi

Stop it whenever you like with SIGTERM or SIGKILL; the same commands resume it. Differences are decided on the
photographs that are held out of T91 and BSDS400, one in twenty. Set5, Set14 and BSD100 are for the report.

studies/hypotheses.py tests the hypotheses below. It was written before any scores of the study were compared.

All that follows was written before the first cell was trained.

**Seeds.** In the miniature, the differences to MS-LapSRN that are paired by seed have a standard deviation of about
0.08 dB at x2, 0.05 dB at x4 and 0.03 dB at x8. With eight seeds, a 95 % interval then extends 0.07, 0.04 and 0.025 dB
to either side, and a test finds a difference of 0.09, 0.06 and 0.035 dB in four of five studies. The best layer needs
six comparisons at once, each of which finds 0.13, 0.08 and 0.05 dB. More pictures and more steps should make all of
these smaller. The study ends with its last cell: nobody looks at verdicts before, and no seeds are added after.

**Hypotheses.** In the miniature, the paper's tying scores less than MS-LapSRN, and a kernel that the upsampler alone
trains does not.

1. *Scale.* With the kernel of a convolution, the upsampler halves the scale of the features, since it sums a quarter
   as many products. A free upsampler can learn the missing factor of two. Then gain_2, with a fixed factor of two,
   closes the gap. If the best scale differs between channels, only gain_channel does, which learns 64 factors.
2. *Conflict.* The gradients of the two uses are nearly orthogonal, so each disturbs the other. Then half_conv, whose
   convolution trains the kernel with half the weight, lies between adjoint_3 and from_upsample_3.
3. *Capacity.* One kernel cannot do both. Then neither helps, and the gap to MS-LapSRN stays or grows with the steps. If
   it shrinks from the first third of the training to the end, tying slows learning. The schedule ends at the last step,
   so the earlier scores compare variants with each other only.
"""

from lapsrn_jax.models import Tying
from studies.configs import mini
from studies.grid import Grid, Variant
from studies.scaled import ScaledTying


def get_grid() -> Grid:
    """80 cells."""
    config = mini.get_grid().base
    config.data.hold_out = 20
    config.training.log_every = 20
    return Grid(
        base=config,
        variants={
            "ms": Variant(None),
            "adjoint_1": Variant(Tying(layer=1)),
            "adjoint_3": Variant(Tying()),
            "adjoint_5": Variant(Tying(layer=5)),
            "plain_3": Variant(Tying(swap_channels=False, flip_taps=False)),
            "from_upsample_3": Variant(Tying(gradient="upsample")),
            "init_3": Variant(Tying(strength="init")),
            "gain_2": Variant(ScaledTying(gain=2.0)),
            "gain_channel": Variant(ScaledTying(gain=2.0, learn_gain=True)),
            "half_conv": Variant(ScaledTying(conv_weight=0.5)),
        },
        seeds=tuple(range(8)),
        sets=("data/Set5", "data/Set14", "data/BSD100"),
        flops=4e13,
        moments=3,
    )
