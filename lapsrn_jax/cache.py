"""The cache folder: decoded photographs, and the programs that JAX has compiled."""

import os
import pathlib


def cache_folder() -> pathlib.Path:
    """`lapsrn_jax` in $XDG_CACHE_HOME, by default in ~/.cache. It may not exist yet."""
    return pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "lapsrn_jax"


def keep_compiled() -> None:
    """Turns on JAX's compilation cache on disk, in `cache_folder()`, unless JAX already has a cache folder."""
    import jax  # only here: photographs are decoded without JAX
    from jax.experimental.compilation_cache import compilation_cache

    if jax.config.jax_compilation_cache_dir is None:
        jax.config.update("jax_compilation_cache_dir", str(cache_folder() / "compiled"))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)
        compilation_cache.reset_cache()  # JAX may have compiled something and noted that it has no cache
