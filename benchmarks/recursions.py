"""Measures quality and time of a network with fewer recursions than in training.

    python -m benchmarks.recursions --weights cms-lapsrn --recursions 4,3,2,1 --scales 2,4,8 --data FOLDER

prints PSNR and SSIM, by default on the bundled photographs for validation, and the time for a picture of 128 x 128
pixels relative to that of the first number of recursions.
"""

import argparse
import functools

from benchmarks.upscale import pictures
from lapsrn_jax.data.sources import BUNDLED, evaluation_pictures
from lapsrn_jax.errors import UserError, reported
from lapsrn_jax.evaluation.protocol import Protocol
from lapsrn_jax.evaluation.scoring import evaluate
from lapsrn_jax.evaluation.tables import text_table
from lapsrn_jax.models import Pyramid
from lapsrn_jax.upscaling.upscale import Upscaler
from lapsrn_jax.weights.files import load_weights
from tools.timing import in_turns, machine, ratio

SIZE, ROUNDS = 128, 7


def main() -> None:
    """Prints a table of scores, and a line of times for each scale."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", default="cms-lapsrn")
    parser.add_argument("--recursions", default="4,3,2,1")
    parser.add_argument("--scales", default="2,4,8")
    parser.add_argument("--data", default=BUNDLED)
    options = parser.parse_args()
    with reported():
        model, params = load_weights(options.weights)
        if not isinstance(model, Pyramid):
            raise UserError(f"{options.weights} is not a recursive pyramid: pass weights of MS-LapSRN or CMS-LapSRN")
        numbers = [int(number) for number in options.recursions.split(",")]
        networks = {f"r={n}": Upscaler(model.clone(recursions=n), params) for n in numbers}
        scales = [int(scale) for scale in options.scales.split(",")]
        print(text_table(evaluate(networks, {options.data: evaluation_pictures(options.data)}, scales, Protocol("A"))))

    image = pictures([SIZE])[SIZE]
    print(f"\n{machine()}: a picture of {SIZE} x {SIZE} pixels, time relative to the first, medians of {ROUNDS}")
    for scale in scales:
        seconds = in_turns({name: functools.partial(call, image, scale) for name, call in networks.items()}, ROUNDS)
        first, *_ = seconds.values()
        print(f"x{scale}: " + ", ".join(f"{name} {ratio(times, first):.2f}" for name, times in seconds.items()))


if __name__ == "__main__":
    main()
