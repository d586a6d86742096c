"""Measures a training step, the fraction of the device's matrix-multiply speed that it reaches, and PyTorch's step.

python -m benchmarks.train_step --recursions 2 --patch 64 --scale 2
python -m benchmarks.train_step --recursions 8 --patch 512 --scale 4 --dtype bfloat16 --torch python3

`--torch` names any interpreter with PyTorch; it takes the same steps from the same parameters, one after each of ours,
and must show the same losses. Work is counted by tools/flops.py.
"""

import argparse
import contextlib
import functools
import json
import os
import pathlib
import statistics
import tempfile
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
from flax.traverse_util import flatten_dict

from benchmarks.peer import Peer
from configs import default
from tools.flops import step_flops
from tools.timing import in_turns, machine, ratio
from tools.train_step import TimedStep, random_images

CHECKED = 4  # steps before the timing; the loss of the fourth shows what the first three have done
TOLERANCE = {"float32": 1e-4, "bfloat16": 1e-2}  # relative, of losses


def matmul_flops(dtype: str) -> float:
    """Operations a second of a large square matrix product on one device, the median of 9."""
    size = 8192 if jax.default_backend() == "gpu" else 2048
    a = jax.random.normal(jax.random.key(0), (size, size), dtype)
    product = jax.jit(jnp.matmul)
    return 2 * size**3 / statistics.median(in_turns({"matmul": lambda: product(a, a)}, 9)["matmul"])


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
    parser.add_argument("--scale", type=int, choices=(2, 4, 8), default=2)
    parser.add_argument("--dtype", choices=tuple(TOLERANCE), default="float32")
    parser.add_argument("--torch", metavar="PYTHON", help="an interpreter with PyTorch, to compare with")
    parser.add_argument("--rounds", type=int, default=11)
    return parser.parse_args()


def main() -> None:
    """Prints speeds, and with --torch the ratio of times."""
    args = parse()
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # a GPU is shared with PyTorch's process
    config = default.get_config()
    config.model.recursions = args.recursions
    config.optimizer.warmup = 0.0  # else the first step is of length 0; what the cosine takes off is not to be seen
    if args.model == "ms":
        config.model.tying = None
    images = random_images(args.batch, args.patch, args.scale)

    ours = TimedStep(config, images, args.dtype)
    steps: dict[str, Callable[[], tuple[float, float]]] = {"ours": ours}
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        about: dict[str, Any] = {}
        if args.torch:
            file = pathlib.Path(folder, "step.npz")
            hand_over(file, config, ours.params, images, args.dtype)
            peer = stack.enter_context(Peer(args.torch, "torch_peer.py", file))
            about = peer.about
            steps |= {f"PyTorch {name}": functools.partial(theirs, peer, name) for name in about["variants"]}
        losses: dict[str, list[float]] = {}
        for name, step in list(steps.items()):
            try:
                losses[name] = [step()[0] for _ in range(CHECKED)]
            except RuntimeError as error:
                if name == "ours":
                    raise
                print(f"{name} does not run: {error}")
                del steps[name]
                continue
            agree(losses["ours"], losses[name], args.dtype)
        seconds: dict[str, list[float]] = {name: [] for name in steps}
        for _ in range(args.rounds):
            for name, step in steps.items():
                seconds[name].append(step()[1])

    what = f"{args.model.upper()}-LapSRN r={args.recursions} x{args.scale}, {args.batch} patches of {args.patch} px"
    print(f"{machine()}: {what}, {args.dtype}, medians of {args.rounds}")
    ceiling = matmul_flops(args.dtype)
    work = step_flops(ours.model, args.patch, {args.scale: args.batch})
    print(f"a step is {work / 1e12:.3g} TFLOP; matrix multiply reaches {ceiling / 1e12:.4g} TFLOP/s on one device\n")
    print("| | ms a step | images/s | TFLOP/s | of matrix multiply |\n| --- | --- | --- | --- | --- |")
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    for name, median in medians.items():
        speed = work / median
        share = speed / ceiling / (jax.device_count() if name == "ours" else 1)
        print(f"| {name} | {1e3 * median:.1f} | {args.batch / median:.1f} | {speed / 1e12:.4g} | {share:.0%} |")
    if len(steps) > 1:
        best = min(list(steps)[1:], key=lambda name: medians[name])
        print(f"\nPyTorch {about['torch']} on {about['device']}")
        print(f"ours takes {ratio(seconds['ours'], seconds[best]):.2f} times as long as {best}")


def agree(ours: list[float], theirs: list[float], dtype: str) -> None:
    """Asserts the same loss at the first step and after three."""
    for step in (0, CHECKED - 1):
        difference = abs(ours[step] - theirs[step]) / theirs[step]
        assert difference < TOLERANCE[dtype], f"losses differ after {step} steps: {ours[step]} and {theirs[step]}"


if __name__ == "__main__":
    main()
