"""The cache folder, which holds decoded photographs and compiled JAX programs."""

import os
import pathlib


def cache_folder() -> pathlib.Path:
    """Returns `$XDG_CACHE_HOME/lapsrn_jax`, or `~/.cache/lapsrn_jax` if that is unset. The folder may not exist yet."""
    return pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "lapsrn_jax"


def keep_compiled() -> None:
    """Enables JAX's compilation cache in `cache_folder()`, unless JAX already has a cache folder."""
    import jax  # imported here because decoding photographs does not need JAX
    from jax.experimental.compilation_cache import compilation_cache

    if jax.config.jax_compilation_cache_dir is None:
        jax.config.update("jax_compilation_cache_dir", str(cache_folder() / "compiled"))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)
        compilation_cache.reset_cache()  # JAX remembers that it had no cache if it has compiled before
