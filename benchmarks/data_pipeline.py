"""Measures training patches per second, clean and degraded, made by threads or by worker processes.

    python -m benchmarks.data_pipeline [--train FOLDERS] [--patch 128] [--workers 0,1,2]

The measurement skips the first batches, during which threads and processes start.
"""

import argparse
import contextlib
import os
import time

from absl import flags

from lapsrn_jax.data.degradation import Degradation
from lapsrn_jax.data.patches import prefetched, split_batch, training_batches
from lapsrn_jax.data.photographs import Photographs, read_photographs
from lapsrn_jax.data.sources import training_pictures
from lapsrn_jax.errors import reported

BATCH = 48


def patches_per_second(
    photographs: Photographs, patch: int, workers: int, seconds: float, degradation: Degradation | None
) -> float:
    """Measures the pipeline without training, for x2, x4 and x8 together."""
    sizes = split_batch(BATCH, (2, 4, 8), 1)
    batches = training_batches(photographs, sizes, patch, 0, slice(0, 10**6), degradation=degradation)
    iterator = iter(prefetched(batches, workers))
    with contextlib.closing(iterator):
        for _ in range(4 * max(workers, 4)):
            next(iterator)
        start, count = time.perf_counter(), 0
        while time.perf_counter() - start < seconds:
            next(iterator)
            count += BATCH
        return count / (time.perf_counter() - start)


def main() -> None:
    """Prints a Markdown table."""
    flags.FLAGS.mark_as_parsed()  # grain reads one
    parser = argparse.ArgumentParser()
    parser.add_argument("--train", default="bundled", help="as config.data.train")
    parser.add_argument("--patch", type=int, default=128)
    parser.add_argument("--workers", default="0,1,2")
    parser.add_argument("--seconds", type=float, default=10)
    options = parser.parse_args()
    with reported():
        photographs = read_photographs(training_pictures(options.train), options.patch)
    print(f"{os.cpu_count()} cores, {len(photographs)} photographs, HR patches of {options.patch} pixels\n")
    print("| workers | clean patches/s | degraded patches/s |")
    print("| --- | --- | --- |")
    kinds = (None, Degradation(share=1.0, blur=1.0, noise=1.0, jpeg=1.0))
    for workers in map(int, options.workers.split(",")):
        rates = [patches_per_second(photographs, options.patch, workers, options.seconds, kind) for kind in kinds]
        print(f"| {workers or '0 (4 threads)'} | {rates[0]:.0f} | {rates[1]:.0f} |", flush=True)


if __name__ == "__main__":
    main()
