"""Compares ONNX files with direct and with Winograd's convolutions, in ONNX Runtime and in ONNX Runtime Web.

    python -m benchmarks.onnx_convolution [--scale 2] [--side 256] [--rounds 5]

ONNX Runtime Web runs in Node, as WebAssembly with SIMD: the page's packages must be there (`make web`).
"""

import argparse
import functools
import json
import pathlib
import statistics
import tempfile

import numpy as np

from benchmarks.page import WEB, run
from lapsrn_jax.errors import reported
from lapsrn_jax.export import export_model
from lapsrn_jax.weights.files import load_weights
from tools.timing import in_turns, machine, ratio

THREADS = (1, 2)


def main() -> None:
    """Prints a Markdown table of median times and median paired ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=int, choices=(2, 4, 8), default=2)
    parser.add_argument("--side", type=int, default=256, help="LR pixels")
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, reported():
        files = [pathlib.Path(name) / f"{kind}.onnx" for kind in ("direct", "winograd")]
        for file in files:
            export_model(file, *load_weights("cms-lapsrn"), args.scale, {}, winograd=file.stem == "winograd")
        print(f"{machine()}: x{args.scale}, {args.side} x {args.side} pixels, medians of {args.rounds}\n")
        print("| | threads | direct (ms) | Winograd (ms) | Winograd / direct |\n| --- | --- | --- | --- | --- |")
        for program, timed in (("ONNX Runtime", native), ("ONNX Runtime Web", web)):
            for threads in THREADS:
                direct, winograd = timed(files, threads, args.side, args.rounds)
                times = " | ".join(f"{1e3 * statistics.median(seconds):.0f}" for seconds in (direct, winograd))
                print(f"| {program} | {threads} | {times} | {ratio(winograd, direct):.2f} |", flush=True)


def native(files: list[pathlib.Path], threads: int, side: int, rounds: int) -> list[list[float]]:
    """Returns the seconds of each run of each file in ONNX Runtime."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    image = {"image": np.random.default_rng(0).random((1, 1, side, side), np.float32)}
    sessions = [onnxruntime.InferenceSession(file, options) for file in files]
    calls = {str(i): functools.partial(session.run, None, image) for i, session in enumerate(sessions)}
    return list(in_turns(calls, rounds).values())


def web(files: list[pathlib.Path], threads: int, side: int, rounds: int) -> list[list[float]]:
    """Returns the seconds of each run of each file in ONNX Runtime Web."""
    seconds: list[list[float]] = json.loads(run("node", WEB / "test" / "onnx.mjs", threads, side, rounds, *files))
    return seconds


if __name__ == "__main__":
    main()
