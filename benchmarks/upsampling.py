"""A training step with the upsampler's phase form against the same step with `lax.conv_transpose`, in turns.

python -m benchmarks.upsampling
"""

import statistics

from configs import quickstart
from lapsrn_jax.models import layers
from tools.timing import in_turns, machine, ratio
from tools.train_step import TimedStep, random_images

ROUNDS = 7


def main() -> None:
    """Prints the median time of each step and the median of the paired ratios."""
    config = quickstart.get_config()
    images = random_images(config.data.batch_size, config.data.patch_size, 2)
    steps = {}
    for name, form in (("phases", layers.conv_transpose_phases), ("lax.conv_transpose", layers.conv_transpose)):
        layers.upsample = form  # type: ignore[assignment]  # the quickstart's model has no biases
        steps[name] = TimedStep(config, images, "float32")
        steps[name]()  # compiles
    seconds = in_turns(steps, ROUNDS)

    print(f"{machine()}: configs/quickstart.py, medians of {ROUNDS}")
    for name, times in seconds.items():
        print(f"{name:20} {1000 * statistics.median(times):6.0f} ms a step")
    print(f"lax.conv_transpose takes {ratio(*reversed(seconds.values())):.2f} times as long")


if __name__ == "__main__":
    main()
