"""`lapsrn export`: writes a network in a format for other programs."""

import argparse
from typing import Any

from lapsrn_jax.cli.options import add_network


def add_to(commands: Any) -> None:
    """Declares the command."""
    parser = commands.add_parser("export", help="export a network to ONNX or StableHLO")
    parser.add_argument("output", help="the file to write, ending in .onnx or .stablehlo")
    parser.add_argument("--scale", type=int, default=4, help="factor for width and height (default: 4)")
    add_network(parser)
    parser.add_argument("--fast", action="store_true", help="run half of the recursions: faster, slightly worse")
    parser.add_argument(
        "--winograd", action="store_true", help="write Winograd's convolutions, which are faster in WebAssembly"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Writes the file."""
    from lapsrn_jax.export import export_model
    from lapsrn_jax.upscaling.upscale import with_half_the_recursions
    from lapsrn_jax.weights.files import load_weights, read_info

    model, params = load_weights(options.weights)
    if options.fast:
        model = with_half_the_recursions(model)
    info = read_info(options.weights)
    export_model(options.output, model, params, options.scale, info, winograd=options.winograd)
