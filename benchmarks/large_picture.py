"""Measures the peak memory and the time of `lapsrn upscale` on one large photograph.

    python -m benchmarks.large_picture --megapixels 24 --scale 4 --fast --max-memory 2G --output large.png

The photograph is a mosaic of scikit-image's photographs. "Idle" is the resident memory after loading modules and
weights; "peak" is the maximum since then.
"""

import argparse
import pathlib
import tempfile
import time

import numpy as np
from skimage import data

from lapsrn_jax.images.io import write_image
from tools.memory import memory


def main() -> None:
    """Makes the photograph, enlarges it, and prints memory and time."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megapixels", type=float, default=24)
    parser.add_argument("--scale", type=float, default=4)
    parser.add_argument("--fast", action="store_true", help="as for `lapsrn upscale`")
    parser.add_argument("--max-memory", default="2G")
    parser.add_argument("--weights", default="cms-lapsrn")
    parser.add_argument("--output", default="large.png")
    options = parser.parse_args()

    height = int((options.megapixels * 1e6 / 1.5) ** 0.5)
    width = height * 3 // 2
    with tempfile.TemporaryDirectory() as folder:
        source = pathlib.Path(folder) / "photograph.png"
        write_image(source, photograph(height, width))
        idle, before = start(options.weights), time.monotonic()
        arguments = ["upscale", source, "-o", options.output, "--scale", options.scale, "--weights", options.weights,
                     "--max-memory", options.max_memory, *(["--fast"] if options.fast else [])]  # fmt: skip
        enlarge([str(argument) for argument in arguments])
        seconds = time.monotonic() - before
    peak = memory("VmHWM")
    larger = options.scale**2 * width * height / 1e6
    print(f"{width} x {height} pixels to {larger:.0f} megapixels in {seconds:.0f} s, {seconds / larger:.2f} s each")
    print(f"memory: idle {idle:.2f} GiB, peak {peak:.2f} GiB, {peak - idle:.2f} GiB over idle")


def photograph(height: int, width: int) -> np.ndarray:
    """Returns a mosaic of photographs, uint8 [height, width, 3]."""
    pieces = [data.astronaut(), data.coffee()[:, :512], data.chelsea()[:, :512], data.rocket()[:, :512]]
    pieces = [np.pad(piece, ((0, 512 - len(piece)), (0, 512 - piece.shape[1]), (0, 0)), "reflect") for piece in pieces]
    rows = [np.concatenate([pieces[(i + j) % 4] for j in range(-(-width // 512))], axis=1) for i in range(4)]
    return np.concatenate([rows[i % 4] for i in range(-(-height // 512))])[:height, :width]


def start(weights: str) -> float:
    """Loads everything that the command needs, resets the peak, and returns the resident memory in GiB."""
    import jax

    from lapsrn_jax.upscaling import batch  # noqa: F401 (imported for its memory)
    from lapsrn_jax.weights.files import load_weights

    load_weights(weights)
    jax.devices()
    pathlib.Path("/proc/self/clear_refs").write_text("5")  # resets the peak
    return memory()


def enlarge(arguments: list[str]) -> None:
    """Runs the command in this process."""
    from lapsrn_jax.cli import main as lapsrn

    lapsrn(arguments)


if __name__ == "__main__":
    main()
