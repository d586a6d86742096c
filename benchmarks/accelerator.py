"""All that is worth knowing about an accelerator in one command: parity with the CPU, speed, a slice of training.

python -m benchmarks.accelerator --output FOLDER --train data/T91,data/BSDS400 [--torch python3] [--minutes 8]

It leaves in FOLDER
- `parity.json`: images and gradients on the device against the CPU's;
- `train_step.txt`: the tables of benchmarks/train_step.py in float32 and bfloat16;
- `run/`: as many steps of configs/weights.py as fit into the time; the same command continues the run;
- `scores.json`: the scores of its weights on photographs that it was not trained on.

`--small` shrinks all of it, to rehearse on a CPU.
"""

import argparse
import json
import os
import pathlib
import signal
import subprocess
import sys
import time
from typing import Any

os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # the steps of train_step.py share the device

import jax
import jax.numpy as jnp
import numpy as np

from lapsrn_jax import models
from lapsrn_jax.models import Pyramid, Tying

TOLERANCE = 1e-4  # of images in [0, 1], and of gradients relative to the largest


def parity(small: bool) -> dict[str, float]:
    """Largest differences between the default device and the CPU, in float32 with exact products."""
    model = Pyramid(features=16 if small else 64, recursions=2 if small else 8, tying=Tying())
    generator = np.random.default_rng(0)
    image = generator.random((2, 24, 24, 1), np.float32)
    params = jax.tree.map(np.asarray, models.initial(model, jax.random.key(0)))

    def images_and_gradients(device: jax.Device) -> Any:
        def loss(params: Any, image: jax.Array) -> tuple[jax.Array, jax.Array]:
            images: Any = model.apply({"params": params}, image, 4)
            return jnp.stack([jnp.abs(x).mean() for x in images]).sum(), images[-1]

        with jax.default_device(device), jax.default_matmul_precision("highest"):
            (_, enlarged), gradients = jax.jit(jax.value_and_grad(loss, has_aux=True))(params, image)
        return jax.tree.map(np.asarray, (enlarged, gradients))

    (ours, ours_g), (theirs, theirs_g) = (images_and_gradients(d) for d in (jax.devices()[0], jax.devices("cpu")[0]))
    largest = max(float(np.abs(g).max()) for g in jax.tree.leaves(theirs_g))
    differences = jax.tree.leaves(jax.tree.map(lambda a, b: float(np.abs(a - b).max()), ours_g, theirs_g))
    return {"image": float(np.abs(ours - theirs).max()), "gradient": max(differences) / largest}


def command(*arguments: str) -> list[str]:
    """The command line of another command of this repository."""
    return [sys.executable, *arguments]


def time_steps(output: pathlib.Path, torch: str | None, small: bool) -> None:
    """Runs benchmarks/train_step.py in both dtypes, into `train_step.txt`."""
    size = ["--recursions=1", "--batch=4", "--patch=32"] if small else ["--recursions=8", "--batch=16", "--patch=128"]
    others = [f"--torch={torch}"] if torch else []
    with (output / "train_step.txt").open("w") as file:
        for dtype in ("float32", "bfloat16"):
            arguments = command("-m", "benchmarks.train_step", "--scales=4", f"--dtype={dtype}", *size, *others)
            subprocess.run(arguments, stdout=file, stderr=subprocess.STDOUT, check=False)  # the file says what failed


def train(output: pathlib.Path, folders: str, deadline: float, small: bool) -> None:
    """Trains the weights' recipe for a GPU until the deadline, as a run that can be continued."""
    stage = "cms_long" if small else "cms_r8"
    overrides = ["--config.model.recursions=1", "--config.data.batch_size=3"] if small else []
    arguments = command(
        "train.py", f"--config=configs/weights.py:{stage}", f"--config.data.train={folders}",
        f"--workdir={output / 'run'}", "--config.training.checkpoint_every=1000000", *overrides,
    )  # fmt: skip
    process = subprocess.Popen(arguments)
    try:
        process.wait(max(deadline - time.monotonic(), 1))
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGTERM)  # saves its state
        process.wait()


def main() -> None:
    """Runs the three parts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=pathlib.Path, required=True)
    parser.add_argument("--train", required=True, metavar="FOLDERS", help="photographs, separated by commas")
    parser.add_argument("--torch", metavar="PYTHON", help="an interpreter with PyTorch, to compare with")
    parser.add_argument("--minutes", type=float, default=8, help="for everything but the last scores")
    parser.add_argument("--small", action="store_true", help="a rehearsal: seconds on a CPU")
    args = parser.parse_args()
    deadline = time.monotonic() + 60 * args.minutes
    args.output.mkdir(parents=True, exist_ok=True)

    differences = parity(args.small) | {"device": jax.devices()[0].device_kind, "jax": jax.__version__}
    (args.output / "parity.json").write_text(json.dumps(differences, indent=2) + "\n")
    print(differences, flush=True)
    failed = max(differences["image"], differences["gradient"]) > TOLERANCE
    time_steps(args.output, args.torch, args.small)
    train(args.output, args.train, deadline, args.small)
    if not (args.output / "run" / "weights.safetensors").exists():
        sys.exit("the time was over before the first step of training: allow more --minutes")
    scores = f"--json={args.output / 'scores.json'}"
    subprocess.run(command("evaluate.py", f"--ckpt={args.output / 'run'}", "--data=bundled", scores), check=True)
    if failed:
        sys.exit(f"the device differs from the CPU by more than {TOLERANCE}: see {args.output / 'parity.json'}")


if __name__ == "__main__":
    main()
