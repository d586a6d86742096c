"""The recursive block on CPUs with AMX, Intel's matrix unit: training in bfloat16 is several times as fast with it.

XLA:CPU computes convolutions in bfloat16 without the matrix unit. `block.cc` computes all recursions of a level in one
call, and their derivative in another. `make amx` compiles it. Without it, or on another processor, the networks compute
as everywhere.
"""

import ctypes
import functools
import pathlib
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import lax

from lapsrn_jax.errors import UserError

LIBRARY = pathlib.Path(__file__).with_name("libamx.so")
CHANNELS = 64


@functools.cache
def is_available() -> bool:
    """Whether the library is there and the processor can run it.

    Raises:
      UserError: the library does not load.
    """
    if jax.default_backend() != "cpu" or not LIBRARY.exists():
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


def supports(source: jax.Array, block: dict[str, dict[str, jax.Array]]) -> bool:
    """Whether `recurse` can compute these features and filters here: bfloat16, 64 channels, no biases.

    Not for single images: `recurse` keeps what its derivative needs, which is too much for a whole picture.
    """
    plain = all(f.keys() == {"kernel"} and f["kernel"].shape == (3, 3, CHANNELS, CHANNELS) for f in block.values())
    return plain and source.dtype == jnp.bfloat16 and source.shape[0] > 1 and is_available()


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def recurse(source: jax.Array, kernels: jax.Array, recursions: int) -> jax.Array:
    """The features of a level after all its recursions: `pyramid.recurse` with the skip "source".

    Args:
      source: bfloat16 [N, H, W, 64].
      kernels: float32 [depth, 3, 3, 64, 64].
      recursions: how often the block is applied.

    Returns:
      bfloat16 [N, H, W, 64]. Sums are float32; the activations between convolutions are rounded to bfloat16.
    """
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
    return to_source, sums.swapaxes(4, 5).reshape(kernels.shape)


recurse.defvjp(_forward, _backward)


def _call(name: str, results: list[jax.ShapeDtypeStruct], *arrays: jax.Array) -> Sequence[jax.Array]:
    """Calls a function of the library. In a `shard_map`, the results differ between devices if the arrays do."""
    kind = jax.typeof(arrays[0])
    axes = kind.vma if hasattr(kind, "vma") else kind.manual_axis_type.varying  # before jax 0.12, and since
    outputs = jax.ffi.ffi_call(f"lapsrn_{name}", results)(*arrays)
    return [lax.pcast(x, tuple(axes), to="varying") for x in outputs] if axes else outputs


def _pixels(height: int, width: int) -> int:
    """The pixels of a padded map, as in `Geometry` in convolution.h."""
    row = width + 2
    return 2 * 32 + 2 * row + -(-height * row // 32) * 32


def _packed(kernels: jax.Array) -> jax.Array:
    """The kernels as AMX multiplies with them: 16 rows of 2 inputs times 16 outputs are a tile."""
    tiles = kernels.reshape(-1, 9, 2, 16, 2, 2, 2, 16)  # taps; inputs 2 x 16 x 2; outputs 2 x 2 x 16
    return tiles.transpose(0, 5, 1, 2, 6, 3, 7, 4).astype(jnp.bfloat16)
