"""Times `lapsrn upscale --ray` on 1 and 2 workers of this machine, and the parts that all workers share.

    python -m benchmarks.cluster [--pictures 120] [--side 316] [--rounds 3]

Each worker has one CPU. The time of a batch goes from the first report to the last, so that the start of Ray and of the
workers does not count. The driver's share is the time that its process computes for each picture, whatever the other
processes on this machine do. The keeper's is the time in which it gives and takes the entries of a picture.
"""

import argparse
import functools
import pathlib
import statistics
import tempfile
import time
from typing import Any

import ray
from ray.cluster_utils import Cluster

from benchmarks.batch import write_pictures
from lapsrn_jax.hugepages import restart_with_huge_pages
from lapsrn_jax.upscaling.cluster import find_jobs_for_cluster, upscale_on_cluster
from lapsrn_jax.upscaling.photos import target_size
from lapsrn_jax.upscaling.record import Entry
from lapsrn_jax.upscaling.settings import Settings
from lapsrn_jax.upscaling.upscale import Upscaler
from lapsrn_jax.upscaling.worker import Keeper
from lapsrn_jax.weights.files import load_weights
from tools.timing import machine

ENTRIES = 2000


def time_batch(source: pathlib.Path, target: str, address: str) -> tuple[float, float]:
    """Enlarges the pictures. Returns the seconds for each of them, and those for each in which the driver computes."""
    model, params = load_weights("cms-lapsrn")
    size = functools.partial(target_size, scale=2.0, width=None, height=None)
    settings = Settings(size, None, False, False, False, "benchmark")
    jobs, _ = find_jobs_for_cluster([str(source)], target)
    ends, computed = [], []
    for report in upscale_on_cluster(
        jobs, lambda limit: Upscaler(model, params, max_memory=limit), settings, target, address
    ):
        assert report["status"] in ("done", "skipped"), report
        ends.append(time.perf_counter())
        computed.append(time.process_time())
    first = len(jobs) // 10  # the workers start and compile at different times
    count = len(jobs) - 1 - first
    return (ends[-1] - ends[first]) / count, (computed[-1] - computed[first]) / count


def time_keeper(folder: str, address: str) -> float:
    """Returns the seconds in which the keeper gives and takes the entries of a picture, asked by many at a time."""
    ray.init(address, log_to_driver=False)
    try:
        keeper: Any = ray.remote(Keeper).remote(folder)
        ray.get(keeper.entries.remote(""))
        start = time.perf_counter()
        for number in range(ENTRIES):
            keeper.entries.remote(f"{number}.png")
            last = keeper.add.remote(Entry(f"{number}.png", "0" * 64, "0" * 64, "0" * 64))
        ray.get(last)
        return (time.perf_counter() - start) / ENTRIES
    finally:
        ray.shutdown()


def main() -> None:
    """Prints a Markdown table."""
    restart_with_huge_pages()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, default=120)
    parser.add_argument("--side", type=int, default=316, help="pixels; 316 is 0.1 megapixel")
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    seconds: dict[int, list[float]] = {1: [], 2: []}
    driver, keeper = [], []
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name, "in")
        folder.mkdir()
        write_pictures(folder, args.pictures, args.side)
        for turn in range(args.rounds):
            for workers in seconds:
                cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
                for _ in range(workers - 1):
                    cluster.add_node(num_cpus=1)
                target = f"{name}/{turn}-{workers}"
                each, _ = time_batch(folder, target, cluster.address)
                seconds[workers].append(each)
                if workers == 1:
                    driver.append(time_batch(folder, target, cluster.address)[1])  # all are skipped
                    keeper.append(time_keeper(target, cluster.address))
                cluster.shutdown()
    print(f"{machine()}: {args.pictures} pictures of {args.side} x {args.side}, x2, {args.rounds} rounds\n")
    print("| workers | s a picture | pictures an hour |\n| --- | --- | --- |")
    for workers, found in seconds.items():
        median = statistics.median(found)
        print(f"| {workers} | {median:.2f} | {3600 / median:.0f} |")
    print(f"\ndriver: {1000 * statistics.median(driver):.2f} ms a picture")
    print(f"keeper: {1000 * statistics.median(keeper):.2f} ms a picture")


if __name__ == "__main__":
    main()
