"""Compares Winograd's 3x3 convolution with XLA's; the basis of `layers.winograd_is_faster`.

python -m benchmarks.convolution
"""

import argparse
import statistics
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from lapsrn_jax.models.layers import conv_direct, leaky_relu
from lapsrn_jax.models.winograd import conv3x3
from tools.timing import in_turns, machine, ratio

Convolution = Callable[[jax.Array, jax.Array], jax.Array]

CHAIN = 5  # convolutions in a row, as in the recursive block
FORWARD = [(1, size, size, 64) for size in (8, 16, 32, 64, 128, 256, 512)] + [(1, 64, 64, c) for c in (16, 32)]
GRADIENT = [(16, 16, 16, 64), (16, 32, 32, 64), (6, 64, 64, 64), (16, 64, 64, 64), (16, 32, 32, 16), (16, 32, 32, 32)]


def chain(conv: Convolution) -> Convolution:
    """Returns a network of `CHAIN` layers with the same kernel."""

    def network(x: jax.Array, kernel: jax.Array) -> jax.Array:
        for _ in range(CHAIN):
            x = conv(leaky_relu(x), kernel)
        return x

    return network


def gradient(conv: Convolution) -> Callable[[jax.Array, jax.Array], tuple[jax.Array, ...]]:
    """Returns the gradient of the chain's squared output with respect to both arguments."""
    return jax.grad(lambda x, kernel: (chain(conv)(x, kernel) ** 2).sum(), (0, 1))


def main() -> None:
    """Prints the median times and the median of the paired ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    generator = np.random.default_rng(0)
    print(f"{machine()}: {CHAIN} convolutions, medians of {rounds}\n")
    print("| | XLA, ms | Winograd, ms | ratio |\n| --- | --- | --- | --- |")
    for kind, shapes in ((chain, FORWARD), (gradient, GRADIENT)):
        for shape in shapes:
            c = shape[-1]
            x = jnp.asarray(generator.standard_normal(shape), jnp.float32)
            kernel = jnp.asarray(generator.standard_normal((3, 3, c, c)) * (2 / 9 / c) ** 0.5, jnp.float32)
            functions = {name: jax.jit(kind(conv)) for name, conv in (("XLA", conv_direct), ("Winograd", conv3x3))}
            calls = {name: lambda f=f, x=x, kernel=kernel: f(x, kernel) for name, f in functions.items()}
            seconds = in_turns(calls, rounds)
            times = " | ".join(f"{1e3 * statistics.median(seconds[name]):.1f}" for name in seconds)
            name = "forward" if kind is chain else "gradient"
            what = f"{name}, {' x '.join(map(str, shape))}"
            print(f"| {what} | {times} | {ratio(seconds['Winograd'], seconds['XLA']):.2f} |", flush=True)


if __name__ == "__main__":
    main()
