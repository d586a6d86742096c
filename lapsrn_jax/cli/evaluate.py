"""`lapsrn evaluate`: scores networks on sets of photographs."""

import argparse
from typing import Any

from lapsrn_jax.cli.options import add_json, add_networks, add_scoring, check_output


def add_to(commands: Any) -> None:
    """Declares the command."""
    parser = commands.add_parser("evaluate", help="score networks and bicubic interpolation on photographs")
    add_networks(parser)
    add_scoring(parser)
    parser.add_argument(
        "--gray-as-rgb", action="store_true", help="convert gray pictures to RGB and score the luminance"
    )
    parser.add_argument(
        "--save-images", metavar="FOLDER", help="write the enlarged pictures and comparisons to this folder"
    )
    parser.add_argument(
        "--skip-damaged",
        action="store_true",
        help="leave out pictures that cannot be read or are too small for a scale, instead of stopping",
    )
    add_json(parser, "the scores as a list of records")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Scores the networks and prints a table."""
    from lapsrn_jax.cache import keep_compiled
    from lapsrn_jax.data.sources import evaluation_sets
    from lapsrn_jax.evaluation.networks import read_networks
    from lapsrn_jax.evaluation.protocol import Protocol
    from lapsrn_jax.evaluation.scoring import evaluate_networks, without_damaged
    from lapsrn_jax.evaluation.tables import as_json, text_table

    check_output(options.json)
    keep_compiled()
    networks, sets = read_networks(options.weights), evaluation_sets(options.data)
    if options.skip_damaged:
        sets = without_damaged(sets, max(options.scales))
    protocol = Protocol(options.protocol, options.gray_as_rgb)
    records = evaluate_networks(networks, sets, options.scales, protocol, options.save_images)
    print(text_table(records))
    if options.json:
        options.json.write_text(as_json(records))
