"""A training step in bfloat16 on AMX (lapsrn_jax/models/amx) against one in float32, in turns.

python -m benchmarks.amx

The steps are those of the weights' recipe (configs/weights.py): CMS-LapSRN, 12 patches of 96 pixels, a third of them at
each of x2, x4 and x8. tools/flops.py counts the work, as direct convolutions.
"""

import argparse
import statistics
import sys
import time

from configs import default
from lapsrn_jax.data.patches import split_batch
from lapsrn_jax.hugepages import restart_with_huge_pages
from lapsrn_jax.models import amx
from tools.flops import step_flops
from tools.timing import machine, ratio
from tools.train_step import TimedStep, random_images

PATCH = 96
PAUSE = 0.2  # seconds before a step: the threads of the step before it look for work for a while


def main() -> None:
    """Prints the median times and the medians of the paired ratios."""
    restart_with_huge_pages()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recursions", type=int, nargs="+", default=(1, 2, 4, 8))
    parser.add_argument("--rounds", type=int, default=15)
    args = parser.parse_args()
    if not amx.is_available():
        sys.exit("error: needs a CPU with AMX, and the library that `make amx` compiles")
    shares = split_batch(12, (2, 4, 8), 1)
    batch = {scale: random_images(size, PATCH, scale) for scale, size in shares.items()}
    print(f"{machine()}: medians of {args.rounds}\n")
    print("| recursions | float32, ms | bfloat16 on AMX, ms | ratio | TFLOP/s |\n| --- | --- | --- | --- | --- |")
    for recursions in args.recursions:
        config = default.get_config()
        config.model.recursions = recursions
        steps = [TimedStep(config, batch, dtype) for dtype in ("float32", "bfloat16")]
        losses = [step()[0] for step in steps]
        assert abs(losses[1] / losses[0] - 1) < 5e-2, losses  # of an untrained network, whose features are large
        seconds: tuple[list[float], list[float]] = ([], [])
        for _ in range(args.rounds):
            for step, durations in zip(steps, seconds, strict=True):
                time.sleep(PAUSE)
                durations.append(step()[1])
        slow, fast = map(statistics.median, seconds)
        speed = step_flops(steps[0].model, PATCH, shares) / fast / 1e12
        times = f"{1e3 * slow:.0f} | {1e3 * fast:.0f} | {ratio(seconds[1], seconds[0]):.2f}"
        print(f"| {recursions} | {times} | {speed:.2f} |")


if __name__ == "__main__":
    main()
