"""The recursive block on AMX, Intel's matrix unit: training in bfloat16 takes a quarter of the time of float32.

XLA:CPU computes convolutions in bfloat16 without the matrix unit. `block.cc` computes all recursions of a level in one
call, and their gradient in another. `make amx` compiles it.
"""

import ctypes
import functools
import pathlib

import jax
import jax.numpy as jnp
import jaxlib
from jax import lax

from lapsrn_jax.errors import UserError

# It fits the jaxlib that it was compiled for, and perhaps no other one.
LIBRARY = pathlib.Path(__file__).with_name(f"libamx-{jaxlib.__version__}.so")
CHANNELS = 64


@functools.cache
def is_available() -> bool:
    """Whether the library is there and the processor can run it.

    Raises:
      UserError: the library does not load.
    """
    if not LIBRARY.exists() or jax.default_backend() != "cpu":
        return False
    try:
        library = ctypes.CDLL(str(LIBRARY))
    except OSError as error:
        raise UserError(f"{LIBRARY} does not load ({error}): run `make amx` again, or remove the file") from error
    if library.EnableTiles() != 0:
        return False
    for name in ("Forward", "Backward"):
        jax.ffi.register_ffi_target(f"lapsrn_{name}", jax.ffi.pycapsule(getattr(library, name)), platform="cpu")
    return True


def recurse(source: jax.Array, kernels: jax.Array, recursions: int) -> jax.Array:
    """The features of a level after all its recursions: `pyramid.recurse` with the skip "source".

    It keeps the inputs of all convolutions for the gradient, also where none is computed. It has no second derivatives.

    Args:
      source: bfloat16 [N, H, W, 64].
      kernels: float32 [depth, 3, 3, 64, 64].
      recursions: how often the block is applied.

    Returns:
      bfloat16 [N, H, W, 64]. Sums are float32; the activations between convolutions are rounded to bfloat16.
    """
    axes = _varying(source) | _varying(kernels)
    source, kernels = (lax.pcast(x, tuple(axes - _varying(x)), to="varying") for x in (source, kernels))
    return _recurse(source, kernels, recursions)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def _recurse(source: jax.Array, kernels: jax.Array, recursions: int) -> jax.Array:
    return _forward(source, kernels, recursions)[0]


def _forward(source: jax.Array, kernels: jax.Array, recursions: int) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    n, height, width, channels = source.shape
    inputs = (n, recursions * len(kernels), _pixels(height, width), channels)  # of all convolutions
    results = [jax.ShapeDtypeStruct(shape, jnp.bfloat16) for shape in (source.shape, inputs)]
    features, saved = _call("Forward", results, source, _packed(kernels))
    return features, (saved, kernels)


def _backward(_: int, residuals: tuple[jax.Array, jax.Array], g: jax.Array) -> tuple[jax.Array, jax.Array]:
    saved, kernels = residuals
    turned = kernels[:, ::-1, ::-1].swapaxes(3, 4)
    tiles = jax.ShapeDtypeStruct((len(kernels), 3, 3, 4, 4, 16, 16), jnp.float32)
    results = [jax.ShapeDtypeStruct(g.shape, jnp.bfloat16), tiles]
    to_source, sums = _call("Backward", results, g, saved, _packed(turned))
    return to_source, sums.swapaxes(4, 5).reshape(kernels.shape).astype(kernels.dtype)


_recurse.defvjp(_forward, _backward)


def _varying(x: jax.Array) -> frozenset[str]:
    """The mesh axes along which devices have different values of x, in a `shard_map`."""
    return jax.typeof(x).manual_axis_type.varying


def _call(name: str, results: list[jax.ShapeDtypeStruct], *arrays: jax.Array) -> list[jax.Array]:
    """Calls a function of the library. In a `shard_map`, JAX does not know that its results vary as the arrays do."""
    outputs = jax.ffi.ffi_call(f"lapsrn_{name}", results)(*arrays)
    return [lax.pcast(x, tuple(_varying(arrays[0])), to="varying") for x in outputs]


def _pixels(height: int, width: int) -> int:
    """The pixels of a padded map, as in `Geometry` in convolution.h."""
    row = width + 2
    return 2 * 32 + 2 * row + -(-height * row // 32) * 32


def _packed(kernels: jax.Array) -> jax.Array:
    """The kernels as AMX multiplies with them: 16 rows of 2 inputs times 16 outputs are a tile."""
    tiles = kernels.reshape(-1, 9, 2, 16, 2, 2, 2, 16)  # taps; inputs 2 x 16 x 2; outputs 2 x 2 x 16
    return tiles.transpose(0, 5, 1, 2, 6, 3, 7, 4).astype(jnp.bfloat16)
