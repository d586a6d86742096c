"""What a network with fewer recursions than it was trained with saves and loses.

    python -m benchmarks.recursions --weights cms-lapsrn --recursions 2,1 --scales 2,4

prints PSNR and SSIM on the bundled photographs that the quickstart keeps for validation. Time falls in proportion.
"""

import argparse

from lapsrn_jax.data.sources import evaluation_pictures
from lapsrn_jax.errors import UserError, reported
from lapsrn_jax.evaluation.benchmark import evaluate
from lapsrn_jax.evaluation.protocol import Protocol
from lapsrn_jax.evaluation.tables import text_table
from lapsrn_jax.models import Pyramid
from lapsrn_jax.upscaling.upscale import Upscaler
from lapsrn_jax.weights.files import load_weights


def main() -> None:
    """Prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", default="cms-lapsrn")
    parser.add_argument("--recursions", default="2,1")
    parser.add_argument("--scales", default="2,4")
    options = parser.parse_args()
    with reported():
        model, params = load_weights(options.weights)
        if not isinstance(model, Pyramid):
            raise UserError(f"{options.weights} is no recursive pyramid: it has no recursions to leave out")
        numbers = [int(number) for number in options.recursions.split(",")]
        networks = {f"r={n}": Upscaler(model.clone(recursions=n), params) for n in numbers}
        scales = [int(scale) for scale in options.scales.split(",")]
        print(text_table(evaluate(networks, {"bundled": evaluation_pictures("bundled")}, scales, Protocol("A"))))


if __name__ == "__main__":
    main()
