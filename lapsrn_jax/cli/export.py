"""`lapsrn export`: a network as a file for other programs."""

import argparse
from typing import Any

from lapsrn_jax.cli.options import add_network


def add_to(commands: Any) -> None:
    """Declares the command."""
    parser = commands.add_parser("export", help="write a network for other programs: ONNX or StableHLO")
    parser.add_argument("output", help="the file; its suffix, .onnx or .stablehlo, says the format")
    parser.add_argument("--scale", type=int, default=4, help="how many times as wide and high (default: 4)")
    add_network(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Writes the file."""
    from lapsrn_jax.export import export_model
    from lapsrn_jax.weights.files import load_weights, read_info

    export_model(options.output, *load_weights(options.weights), options.scale, read_info(options.weights))
