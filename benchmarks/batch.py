"""Times `lapsrn upscale` on a folder of pictures, and the share of that time in which the device waits.

    python -m benchmarks.batch [--pictures 500] [--against CHECKOUT] [--rounds 5]

`--against` names another checkout of this repository, which takes turns with this one. Each run is its own process.
A first run of each compiles the networks and is not counted. Neither is the start of Python, so that the device's time
goes from the first picture to the last.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

import numpy as np
import PIL.Image
import skimage.data

from lapsrn_jax.hugepages import restart_with_huge_pages
from tools.timing import machine, ratio

ROOT = pathlib.Path(__file__).parents[1]
RUN = """
import json, resource, sys, threading, time
import jax
from lapsrn_jax.cli import main

call, lock, running, spans = jax.stages.Compiled.__call__, threading.Lock(), [0, 0.0], []

def timed(self, *arguments):
    with lock:
        if not running[0]:
            running[1] = time.perf_counter()
        running[0] += 1
    result = jax.block_until_ready(call(self, *arguments))
    with lock:
        running[0] -= 1
        if not running[0]:
            spans.append((running[1], time.perf_counter()))
    return result

jax.stages.Compiled.__call__ = timed
start = time.perf_counter()
try:
    main(sys.argv[1:])
except SystemExit as end:
    assert not end.code, end.code
finally:
    stop = time.perf_counter()
    busy = sum(end - begin for begin, end in spans)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps({"seconds": stop - spans[0][0], "busy": busy, "peak": peak}))
"""


def write_pictures(folder: pathlib.Path, count: int, side: int) -> None:
    """Fills a folder with parts of photographs in turns as JPEG and as PNG."""
    photographs = [skimage.data.astronaut(), skimage.data.coffee(), skimage.data.chelsea()]
    generator = np.random.default_rng(0)
    for number in range(count):
        photograph = np.tile(photographs[number % 3], (2, 2, 1))
        top, left = (int(generator.integers(length - side)) for length in photograph.shape[:2])
        image = PIL.Image.fromarray(photograph[top : top + side, left : left + side])
        image.save(folder / f"{number:05d}.{('jpg', 'png')[number % 2]}")


def measure(checkout: pathlib.Path, source: pathlib.Path, options: list[str]) -> dict[str, float]:
    """Runs the command of a checkout once. Returns the seconds, those in which a device computed, and peak MiB."""
    with tempfile.TemporaryDirectory() as target:
        command = [sys.executable, "-c", RUN, "upscale", str(source), "-o", f"{target}/out", *options]
        environment = os.environ | {"PYTHONPATH": str(checkout)}
        run = subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(run.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Prints a Markdown table."""
    restart_with_huge_pages()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, default=500)
    parser.add_argument("--side", type=int, default=316, help="pixels; 316 is 0.1 megapixel")
    parser.add_argument("--against", type=pathlib.Path, metavar="CHECKOUT")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--options", default="--scale 2 --device cpu", help="of lapsrn upscale")
    args = parser.parse_args()
    checkouts = {"here": ROOT} | ({"against": args.against.resolve()} if args.against else {})
    found: dict[str, list[dict[str, float]]] = {name: [] for name in checkouts}
    with tempfile.TemporaryDirectory() as name:
        few, many = pathlib.Path(name, "few"), pathlib.Path(name, "many")
        for folder, count in ((few, 2), (many, args.pictures)):
            folder.mkdir()
            write_pictures(folder, count, args.side)
        for checkout in checkouts.values():
            measure(checkout, few, args.options.split())
        for _ in range(args.rounds):
            for name, checkout in checkouts.items():
                found[name].append(measure(checkout, many, args.options.split()))
                print(name, found[name][-1], file=sys.stderr, flush=True)
    print(f"{machine()}: {args.pictures} pictures of {args.side} x {args.side}, {args.options}, {args.rounds} rounds\n")
    print("| | s | pictures a minute | device waits | peak MiB | takes |\n| --- | --- | --- | --- | --- | --- |")
    for name, runs in found.items():
        seconds = [run["seconds"] for run in runs]
        waits = statistics.median(1 - run["busy"] / run["seconds"] for run in runs)
        median, peak = statistics.median(seconds), statistics.median(run["peak"] for run in runs)
        paired = f"{ratio(seconds, [run['seconds'] for run in found['here']]):.2f}"
        rate = 60 * args.pictures / median
        print(f"| {name} | {median:.1f} | {rate:.0f} | {waits:.1%} | {peak:.0f} | {paired} |", flush=True)


if __name__ == "__main__":
    main()
