"""Laplacian-pyramid super-resolution with functional weight tying: `upscale` a picture, `load` a network."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lapsrn_jax.api import load as load
    from lapsrn_jax.api import upscale as upscale

__version__ = "0.1.0"
__all__ = ["load", "upscale"]


def __getattr__(name: str) -> Any:
    if name in __all__:  # not before they are wanted: JAX takes a second to import
        from lapsrn_jax import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
