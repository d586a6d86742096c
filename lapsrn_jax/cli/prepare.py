"""`lapsrn prepare`: downloads photographs for training and evaluation."""

import argparse
import pathlib
from typing import Any


def add_to(commands: Any) -> None:
    """Declares the command."""
    parser = commands.add_parser("prepare", help="download photographs and check them")
    data = parser.add_subparsers(required=True, metavar="DATA")

    div2k = data.add_parser("div2k", help="the 900 photographs of DIV2K, for training (4 GB)")
    div2k.add_argument("--folder", type=pathlib.Path, default="data/DIV2K", help="destination (default: %(default)s)")
    div2k.add_argument("--url", help="download the archives from this URL instead")
    div2k.set_defaults(run=run_div2k)

    benchmarks = data.add_parser("benchmarks", help="Set5, Set14, BSD100 and Urban100; Manga109 from your own copy")
    benchmarks.add_argument(
        "--folder", type=pathlib.Path, default="data/benchmarks", help="destination (default: %(default)s)"
    )
    benchmarks.add_argument("--url", help="another URL, laid out like the folder data in the SelfExSR repository")
    benchmarks.add_argument("--manga109", type=pathlib.Path, metavar="FOLDER", help="your copy of Manga109")
    benchmarks.set_defaults(run=run_benchmarks)


def run_div2k(options: argparse.Namespace) -> None:
    """Downloads DIV2K."""
    from lapsrn_jax.data.prepare import div2k

    div2k.prepare_div2k(options.folder, options.url or div2k.URL)


def run_benchmarks(options: argparse.Namespace) -> None:
    """Downloads the benchmark sets."""
    from lapsrn_jax.data.prepare.benchmark_sets import prepare_benchmarks

    prepare_benchmarks(options.folder, options.url, options.manga109)
