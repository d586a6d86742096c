"""Seconds to enlarge one picture, beside other programs that run the same network with the same weights, in turns.

    python -m benchmarks.upscale --weights W [--scale 4] [--sizes 64,128,256] [--torch PYTHON]

`--torch` names any interpreter with PyTorch; ONNX Runtime, OpenVINO and OpenCV take part where this one has them. All
get the luminance of one photograph as an array in memory and return another, each with as many threads as there are
cores; what they prepare for a size (we compile) is not counted.
"""

import argparse
import contextlib
import functools
import json
import pathlib
import statistics
import sys
import tempfile
import time
from collections.abc import Callable

import numpy as np
import skimage.data
from flax.traverse_util import flatten_dict

from benchmarks.peer import Peer
from lapsrn_jax.errors import UserError, reported
from lapsrn_jax.export import export_model
from lapsrn_jax.hugepages import restart_with_huge_pages
from lapsrn_jax.images.color import rgb_to_ycbcr
from lapsrn_jax.images.io import to_float
from lapsrn_jax.models import Pyramid
from lapsrn_jax.upscaling.upscale import Upscaler
from lapsrn_jax.weights.files import load_weights
from tools.timing import machine, ratio

TORCH, OTHERS = ("PyTorch", "PyTorch, compiled"), ("ONNX Runtime", "OpenVINO", "OpenCV")
PAUSE = 0.2  # seconds between the programs, whose threads go on looking for work for a while
TOLERANCE = 1e-4  # of images in [0, 1]


def pictures(sizes: list[int]) -> dict[int, np.ndarray]:
    """The middle of a photograph, float32 [size, size] in [0, 1]."""
    y = rgb_to_ycbcr(to_float(skimage.data.astronaut()))[:, :, 0].astype(np.float32)
    starts = {size: (y.shape[0] - size) // 2 for size in sizes}
    return {size: y[start : start + size, start : start + size] for size, start in starts.items()}


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", required=True, help="a run folder, a .safetensors or an authors' .mat file")
    parser.add_argument("--scale", type=int, choices=(2, 4, 8), default=4)
    parser.add_argument("--sizes", default="64,128,256", help="LR pixels")
    parser.add_argument("--torch", metavar="PYTHON", help="an interpreter with PyTorch, to compare with")
    parser.add_argument("--rounds", type=int, default=7)
    return parser.parse_args()


def main() -> None:
    """Prints a Markdown table."""
    restart_with_huge_pages()
    args = parse()
    with reported():
        model, params = load_weights(args.weights)
        if not isinstance(model, Pyramid):
            raise UserError(f"{args.weights} is no recursive pyramid, as PyTorch's network is")
    upscaler = Upscaler(model, params)
    inputs = pictures([int(size) for size in args.sizes.split(",")])

    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = pathlib.Path(name)
        export_model(folder / "model.onnx", model, params, args.scale, {})
        settings = {"recursions": model.recursions, "depth": model.depth, "levels": args.scale.bit_length() - 1}
        np.savez(folder / "parameters.npz", settings=json.dumps(settings), **flatten_dict(params, sep="/"))
        peers: dict[str, Peer] = {}
        for program in TORCH + OTHERS:
            if program in TORCH and not args.torch:
                continue
            python = args.torch if program in TORCH else sys.executable
            peer = stack.enter_context(Peer(python, "upscale_peer.py", program, folder))
            if "error" in peer.about:
                print(f"{program} is left out: {peer.about['error']}")
            else:
                peers[program] = peer

        print(f"{machine()}: {model.recursions} recursions, x{args.scale}, medians of {args.rounds}")
        print(", ".join(f"{program} {peer.about['version']}" for program, peer in peers.items()), "\n")
        print("| LR | | ms | s a megapixel | ours takes | difference |\n| --- | --- | --- | --- | --- | --- |")
        for size, image in inputs.items():
            np.save(folder / f"{size}.npy", image)
            measure(upscaler, image, args.scale, peers, folder, args.rounds)


def measure(
    upscaler: Upscaler, image: np.ndarray, scale: int, peers: dict[str, Peer], folder: pathlib.Path, rounds: int
) -> None:
    """Prints the rows of one picture."""
    size = len(image)

    def ours() -> float:
        start = time.perf_counter()
        upscaler(image, scale)
        return time.perf_counter() - start

    def theirs(peer: Peer) -> float:
        seconds: float = peer.ask(str(size))["seconds"]
        return seconds

    expected = upscaler(image, scale)
    calls: dict[str, Callable[[], float]] = {"ours": ours}
    differences = {"ours": 0.0}
    for program, peer in peers.items():
        try:
            theirs(peer)
        except RuntimeError as error:
            print(f"{program} does not run: {error}", file=sys.stderr)
            continue
        calls[program] = functools.partial(theirs, peer)
        differences[program] = float(np.abs(np.load(folder / f"{program}.npy") - expected).max())
        assert differences[program] < TOLERANCE, f"{program} differs by {differences[program]:.2g}"

    seconds: dict[str, list[float]] = {program: [] for program in calls}
    for _ in range(rounds):
        for program, call in calls.items():
            time.sleep(PAUSE)
            seconds[program].append(call())
    for program, times in seconds.items():
        median = statistics.median(times)
        megapixels = (scale * size) ** 2 / 1e6
        paired = f"{ratio(seconds['ours'], times):.2f}" if program != "ours" else ""
        print(
            f"| {size} x {size} | {program} | {1e3 * median:.0f} | {median / megapixels:.3f} | {paired} "
            f"| {differences[program]:.0e} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
