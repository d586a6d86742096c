"""Compares three forms of computing a level's residual from its features, forward and gradient.

python -m benchmarks.upsampling
"""

import statistics
from collections.abc import Callable

import jax
import jax.numpy as jnp

from lapsrn_jax.models import layers, subpixel
from lapsrn_jax.models.layers import Filter
from lapsrn_jax.models.window import Window
from tools.timing import in_turns, machine, ratio

ROUNDS = 7
MAPS = [(12, 24), (12, 48), (1, 128), (1, 256)]  # batch, side

Form = Callable[[jax.Array, Filter, Filter], jax.Array]

FORMS: dict[str, Form] = {
    "lax.conv_transpose, convolution": lambda u, up, conv: layers.conv_direct(layers.conv_transpose(u, **up), **conv),
    "four phases, convolution": lambda u, up, conv: layers.conv_direct(layers.upsample(u, **up), **conv),
    "composed": lambda u, up, conv: subpixel.residual(u, up, conv, Window()),
}


def timed(form: Form, batch: int, side: int, gradient: bool) -> Callable[[], jax.Array]:
    """Returns a call of the compiled form, or of its gradient, on random features."""
    u = jax.random.normal(jax.random.key(0), (batch, side, side, 64))
    up = {"kernel": 0.05 * jax.random.normal(jax.random.key(1), (3, 3, 64, 64))}
    conv = {"kernel": 0.05 * jax.random.normal(jax.random.key(2), (3, 3, 64, 1))}

    def loss(*arguments: jax.Array | Filter) -> jax.Array:
        return jnp.square(form(*arguments)).sum()  # type: ignore[arg-type]

    call = jax.jit(jax.grad(loss, (0, 1, 2)) if gradient else form)
    return lambda: call(u, up, conv)


def main() -> None:
    """Prints a Markdown table of median times and median paired ratios to the last form."""
    print(f"{machine()}: 64 channels, float32, medians of {ROUNDS}\n")
    print("| | | ms | to composed |\n| --- | --- | --- | --- |")
    for batch, side in MAPS:
        for what in ("forward", "forward and gradient"):
            calls = {name: timed(form, batch, side, what != "forward") for name, form in FORMS.items()}
            seconds = in_turns(calls, ROUNDS)
            for name, times in seconds.items():
                paired = ratio(times, seconds["composed"])
                milliseconds = 1e3 * statistics.median(times)
                print(f"| {what}, {batch} x {side} x {side} | {name} | {milliseconds:.1f} | {paired:.1f} |", flush=True)


if __name__ == "__main__":
    main()
