"""`lapsrn cache`: shows or clears the cache folder."""

import argparse
from typing import Any


def add_to(commands: Any) -> None:
    """Declares the command."""
    parser = commands.add_parser("cache", help="show or clear the cache of compiled programs and decoded photographs")
    parser.add_argument("--clear", action="store_true", help="remove everything in the cache")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Prints the folder and the size of each kind of content, or clears the cache."""
    from lapsrn_jax.cache import cache_folder, cache_sizes, clear_cache

    sizes = cache_sizes()
    if options.clear:
        clear_cache()
        print(f"{cache_folder()}: removed {sum(sizes.values()) / 1e6:.1f} MB")
        return
    print(cache_folder())
    for kind, size in sizes.items():
        print(f"{size / 1e6:10.1f} MB  {kind}")
