"""Laplacian-pyramid super-resolution with functional weight tying: `upscale` an image, `load` a network."""

import importlib
from typing import TYPE_CHECKING, Any

from lapsrn_jax.errors import UserError

if TYPE_CHECKING:
    from lapsrn_jax.api import load, upscale
    from lapsrn_jax.models import LapSRN, Pyramid, Tying
    from lapsrn_jax.upscaling.upscale import Upscaler

__version__ = "0.1.0"
__all__ = ["LapSRN", "Pyramid", "Tying", "Upscaler", "UserError", "__version__", "load", "upscale"]

# Imported on first use, because importing JAX takes about a second.
_LAZY = {
    "LapSRN": "lapsrn_jax.models",
    "Pyramid": "lapsrn_jax.models",
    "Tying": "lapsrn_jax.models",
    "Upscaler": "lapsrn_jax.upscaling.upscale",
    "load": "lapsrn_jax.api",
    "upscale": "lapsrn_jax.api",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(globals().keys() | _LAZY.keys())
