"""`lapsrn figure`: the crop of a picture as several networks make it, beside the original."""

import argparse
from typing import Any

from lapsrn_jax.cli.options import add_networks


def add_to(commands: Any) -> None:
    """Declares the command."""
    parser = commands.add_parser("figure", help="the crop of a picture as networks have it, beside the original")
    parser.add_argument("images", nargs="+", metavar="IMAGE", help="the originals; each is a row of the figure")
    add_networks(parser)
    parser.add_argument("--scale", type=int, default=4, help="by which it is shrunk and enlarged (default: 4)")
    parser.add_argument("--crop", metavar="X,Y,W,H", help="in pixels; the one that tells most if not given")
    parser.add_argument("-o", "--output", required=True, help="the figure, such as figure.png")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Draws the figure."""
    from lapsrn_jax.evaluation.paper.qualitative import parse_crop, qualitative
    from lapsrn_jax.evaluation.paper.quality import networks_of
    from lapsrn_jax.images.formats import format_of
    from lapsrn_jax.images.io import write_image

    format_of(options.output)
    crop = parse_crop(options.crop) if options.crop else None
    networks = networks_of(options.weights)
    write_image(options.output, qualitative(options.images, networks, options.scale, crop))
