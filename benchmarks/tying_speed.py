"""The CMS-LapSRN paper's claims about time: a shorter training, an equal inference. CMS against MS, in turns.

    python -m benchmarks.tying_speed --recursions 8 --scale 4

prints, for a training step and for one picture, the median of the times and the ratio CMS / MS with its 95 % confidence
interval (percentile bootstrap of the median over the rounds' ratios). A third candidate, MS again, shows what the
machine's own restlessness makes of two equal networks.
"""

import argparse
import statistics
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from configs import default
from lapsrn_jax import models
from tools.timing import in_turns, machine, ratio_interval
from tools.train_step import TimedStep, random_images


def report(what: str, candidates: dict[str, Callable[[], Any]], rounds: int) -> None:
    """Runs the candidates in turns; prints a row for each."""
    seconds = in_turns(candidates, rounds)
    for name in candidates:
        middle, low, high = ratio_interval(seconds[name], seconds["MS"])
        ratio = "" if name == "MS" else f"{middle:.3f} [{low:.3f}, {high:.3f}]"
        print(f"| {what} | {name} | {1e3 * statistics.median(seconds[name]):.1f} ms | {ratio} |")


def main() -> None:
    """Prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recursions", type=int, default=8)
    parser.add_argument("--scale", type=int, choices=(2, 4, 8), default=4)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--patch", type=int, default=128, help="HR pixels of the training step")
    parser.add_argument("--side", type=int, default=64, help="LR pixels of the picture")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--rounds", type=int, default=21)
    args = parser.parse_args()

    configs = {}
    for name in ("MS", "CMS", "MS again"):
        configs[name] = default.get_config()
        configs[name].model.recursions = args.recursions
        if name != "CMS":
            configs[name].model.tying = None
    images = random_images(args.batch, args.patch, args.scale)
    [lr] = random_images(1, args.side, 1)

    def enlarge(config: Any) -> Callable[[], Any]:
        model = models.from_settings(config.model)
        params = models.initial(model, jax.random.key(0))
        apply = jax.jit(lambda params, lr: model.apply({"params": params}, lr, args.scale)[-1])
        return lambda: apply(params, jnp.asarray(lr))

    print(
        f"{machine()}; D5R{args.recursions} x{args.scale}, {args.dtype}, {args.rounds} rounds; a step on {args.batch} "
        f"patches of {args.patch} HR pixels, a picture of {args.side} x {args.side} LR pixels (float32)\n"
    )
    print("| | network | median | to MS [95 %] |\n| --- | --- | --- | --- |")
    report(
        "training step",
        {name: TimedStep(config, {args.scale: images}, args.dtype) for name, config in configs.items()},
        args.rounds,
    )
    report("one picture", {name: enlarge(config) for name, config in configs.items()}, args.rounds)


if __name__ == "__main__":
    main()
