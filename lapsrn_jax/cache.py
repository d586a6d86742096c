"""The cache folder, which holds decoded photographs and compiled JAX programs."""

import os
import pathlib
import shutil
from contextlib import suppress

_COMPILED = "compiled"
_COMPILATION_CACHE = (  # JAX's settings, their defaults, and what replaces these
    ("jax_compilation_cache_max_size", -1, 2**30),  # bytes; a compiled network has a few MB
    ("jax_persistent_cache_min_compile_time_secs", 1.0, 0.2),
)


def cache_folder() -> pathlib.Path:
    """Returns `$XDG_CACHE_HOME/lapsrn_jax`, or `~/.cache/lapsrn_jax` if that is unset. The folder may not exist yet.

    Raises:
      OSError: the variable is unset, and there is no home folder.
    """
    try:
        return pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "lapsrn_jax"
    except RuntimeError:
        raise OSError("no home folder for the cache: set XDG_CACHE_HOME to a folder") from None


def keep_compiled() -> None:
    """Enables JAX's compilation cache in `cache_folder()`, unless JAX already has a cache folder, or there is no home.

    The cache has at most 1 GiB, unless JAX already has a limit. JAX removes the programs that were not used for the
    longest time.
    """
    import jax  # imported here because decoding photographs does not need JAX
    from jax.experimental.compilation_cache import compilation_cache

    if jax.config.jax_compilation_cache_dir is not None:
        return
    with suppress(OSError):
        jax.config.update("jax_compilation_cache_dir", str(cache_folder() / _COMPILED))
        for name, default, value in _COMPILATION_CACHE:
            if getattr(jax.config, name) == default:
                jax.config.update(name, value)
        compilation_cache.reset_cache()  # JAX remembers that it had no cache if it has compiled before


def cache_sizes() -> dict[str, int]:
    """Returns the bytes that the cache takes, by kind: compiled programs, decoded photographs, and unfinished ones."""
    sizes = {"compiled programs": 0, "decoded photographs": 0, "unfinished": 0}
    for path in cache_folder().rglob("*"):
        top = path.relative_to(cache_folder()).parts[0]
        kind = "unfinished" if top.startswith(".") else "decoded photographs"
        if path.is_file():
            sizes["compiled programs" if top == _COMPILED else kind] += path.stat().st_size
    return sizes


def clear_cache() -> None:
    """Removes everything in the cache. Processes that decode photographs at this moment fail."""
    for path in cache_folder().glob("*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
