"""`lapsrn prepare`: downloads of photographs to train and to score on."""

import argparse
import pathlib
from typing import Any


def add_to(commands: Any) -> None:
    """Declares the command."""
    parser = commands.add_parser("prepare", help="download photographs and check them")
    data = parser.add_subparsers(required=True, metavar="DATA")

    div2k = data.add_parser("div2k", help="the 800 + 100 photographs of DIV2K, for training (4 GB to download)")
    div2k.add_argument("--folder", type=pathlib.Path, default="data/DIV2K", help="where to (default: %(default)s)")
    div2k.add_argument("--url", help="another place that has the archives")
    div2k.set_defaults(run=run_div2k)

    benchmarks = data.add_parser("benchmarks", help="Set5, Set14, BSD100, Urban100 and, if you have it, Manga109")
    benchmarks.add_argument(
        "--folder", type=pathlib.Path, default="data/benchmarks", help="where to (default: %(default)s)"
    )
    benchmarks.add_argument("--url", help="another place with the layout of the folder data of SelfExSR's repository")
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
