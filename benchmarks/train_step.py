"""A training step's speed, the share of the device's matrix-product speed that it reaches, and PyTorch's in turns.

python -m benchmarks.train_step --recursions 2 --patch 64 --scales 2
python -m benchmarks.train_step --recursions 8 --patch 512 --scales 4 --dtype bfloat16 --torch python3

`--torch` names any interpreter with PyTorch. It takes the same steps from the same parameters, one after each of ours,
and must show the same losses. Several scales share the batch, as in a run's config; PyTorch takes part with one.

tools/flops.py counts the work, as direct convolutions. The ceiling is a large matrix product, measured in turns with
the steps. All programs run with the same huge pages (lapsrn_jax/hugepages.py); `GLIBC_TUNABLES= python -m ...` runs all
without.
"""

import argparse
import contextlib
import functools
import json
import os
import pathlib
import statistics
import tempfile
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
from flax.traverse_util import flatten_dict

from benchmarks.peer import Peer
from configs import default
from lapsrn_jax.data.patches import split_batch
from lapsrn_jax.hugepages import VARIABLE, restart_with_huge_pages
from tools.flops import step_flops
from tools.timing import machine, ratio
from tools.train_step import TimedStep, random_images

CHECKED = 4  # steps before the timing; the loss of the fourth shows what the first three have done
TOLERANCE = {"float32": 1e-4, "bfloat16": 1e-2}  # relative, of losses


PAUSE = 0.2  # seconds before a step: the threads of the program before it look for work for a while


class MatrixProduct:
    """A large square matrix product on one device, called without arguments."""

    def __init__(self, dtype: str) -> None:
        size = 8192 if jax.default_backend() == "gpu" else 2048
        self._matrix = jax.random.normal(jax.random.key(0), (size, size), dtype)
        self._product = jax.jit(jnp.matmul)
        self.flops = 2 * size**3

    def __call__(self) -> float:
        """How long one product took, the mean of ten, in seconds."""
        start = time.perf_counter()
        jax.block_until_ready([self._product(self._matrix, self._matrix) for _ in range(10)])
        return (time.perf_counter() - start) / 10


def theirs(peer: Peer, variant: str) -> tuple[float, float]:
    """Takes a step in torch_peer.py; returns loss and seconds.

    Raises:
      RuntimeError: the variant does not run.
    """
    answer = peer.ask(variant)
    return answer["loss"], answer["seconds"]


def hand_over(
    file: pathlib.Path, config: ml_collections.ConfigDict, params: Any, images: tuple[np.ndarray, ...], dtype: str
) -> None:
    """Writes what torch_peer.py reads."""
    optimizer = config.optimizer
    settings = {name: config.model[name] for name in ("recursions", "depth")}
    settings |= {name: optimizer[name] for name in ("learning_rate", "weight_decay", "clip_norm", "ema_decay")}
    settings |= {"levels": len(images) - 1, "dtype": dtype}
    arrays = flatten_dict(params, sep="/") | {f"image_{i}": image for i, image in enumerate(images)}
    np.savez(file, settings=json.dumps(settings), **arrays)


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", choices=("cms", "ms"), default="cms")
    parser.add_argument("--recursions", type=int, default=2)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--patch", type=int, default=64, help="HR pixels")
    parser.add_argument("--scales", default="2", help="2, 4, 8, or several, such as 2,4,8 (default: 2)")
    parser.add_argument("--dtype", choices=tuple(TOLERANCE), default="float32")
    parser.add_argument("--torch", metavar="PYTHON", help="an interpreter with PyTorch, to compare with")
    parser.add_argument("--rounds", type=int, default=11)
    return parser.parse_args()


def main() -> None:
    """Prints speeds, and with --torch the ratio of times."""
    restart_with_huge_pages()
    args = parse()
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # a GPU is shared with PyTorch's process
    config = default.get_config()
    config.model.recursions = args.recursions
    config.optimizer.warmup = 0.0  # else the first step has length 0; the cosine takes off too little to be seen
    if args.model == "ms":
        config.model.tying = None
    shares = split_batch(args.batch, [int(scale) for scale in args.scales.split(",")], 1)
    batch = {scale: random_images(size, args.patch, scale) for scale, size in shares.items()}

    ours, product = TimedStep(config, batch, args.dtype), MatrixProduct(args.dtype)
    compiling = time.perf_counter()
    losses = {"ours": [ours()[0]]}
    compiling = time.perf_counter() - compiling
    steps: dict[str, Callable[[], tuple[float, float]]] = {"ours": ours}
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        about: dict[str, Any] = {}
        if args.torch:
            [images] = batch.values()
            file = pathlib.Path(folder, "step.npz")
            hand_over(file, config, ours.params, images, args.dtype)
            peer = stack.enter_context(Peer(args.torch, "torch_peer.py", file))
            about = peer.about
            steps |= {f"PyTorch {name}": functools.partial(theirs, peer, name) for name in about["variants"]}
        losses["ours"] += [ours()[0] for _ in range(CHECKED - 1)]
        for name in list(steps)[1:]:
            try:
                losses[name] = [steps[name]()[0] for _ in range(CHECKED)]
            except RuntimeError as error:
                print(f"{name} does not run: {error}")
                del steps[name]
                continue
            agree(losses["ours"], losses[name], args.dtype)
        product()
        seconds: dict[str, list[float]] = {name: [] for name in [*steps, "product"]}
        for _ in range(args.rounds):
            for name, step in steps.items():
                time.sleep(PAUSE)
                seconds[name].append(step()[1])
            seconds["product"].append(product())

    work = step_flops(ours.model, args.patch, shares)
    ceiling = product.flops / statistics.median(seconds["product"])
    what = f"{args.model.upper()}-LapSRN r={args.recursions} x{args.scales}, {args.batch} patches of {args.patch} px"
    pages = "huge pages" if os.environ.get(VARIABLE) else "no huge pages"
    print(f"{machine()}: {what}, {args.dtype}, {pages}, medians of {args.rounds}")
    print(f"a step is {work / 1e12:.3g} TFLOP; a matrix product reaches {ceiling / 1e12:.4g} TFLOP/s on one device;")
    print(f"the first step, with its compilation, took {compiling:.1f} s\n")
    print("| | ms a step | images/s | TFLOP/s | of the matrix product |\n| --- | --- | --- | --- | --- |")
    for name in steps:
        median = statistics.median(seconds[name])
        share = ratio(seconds["product"], seconds[name]) * work / product.flops
        share /= jax.device_count() if name == "ours" else 1
        print(f"| {name} | {1e3 * median:.1f} | {args.batch / median:.1f} | {work / median / 1e12:.4g} | {share:.0%} |")
    if len(steps) > 1:
        best = min(list(steps)[1:], key=lambda name: statistics.median(seconds[name]))
        print(f"\nPyTorch {about['torch']} on {about['device']}")
        print(f"ours takes {ratio(seconds['ours'], seconds[best]):.2f} times as long as {best}")


def agree(ours: list[float], theirs: list[float], dtype: str) -> None:
    """Asserts the same loss at the first step and after three."""
    for step in (0, CHECKED - 1):
        difference = abs(ours[step] - theirs[step]) / theirs[step]
        assert difference < TOLERANCE[dtype], f"losses differ after {step} steps: {ours[step]} and {theirs[step]}"


if __name__ == "__main__":
    main()
