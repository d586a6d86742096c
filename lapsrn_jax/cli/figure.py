"""`lapsrn figure`: compares the results of several networks on a crop of a picture."""

import argparse
from typing import Any

from lapsrn_jax.cli.options import add_json, add_networks, check_output
from lapsrn_jax.errors import UserError


def add_to(commands: Any) -> None:
    """Declares the command."""
    parser = commands.add_parser("figure", help="compare networks side by side on a crop of a picture")
    parser.add_argument(
        "images", nargs="+", metavar="IMAGE", help="original pictures; each becomes a row of the figure"
    )
    add_networks(parser, ["CMS-LapSRN=cms-lapsrn", "MS-LapSRN=ms-lapsrn"])
    parser.add_argument(
        "--scale", type=int, default=4, help="factor by which pictures are shrunk and enlarged (default: 4)"
    )
    parser.add_argument(
        "--crop", metavar="X,Y,W,H", help="crop in pixels (default: where the last network gains most over the first)"
    )
    parser.add_argument("-o", "--output", required=True, help="the file to write, such as figure.png")
    add_json(parser, "the scores as a list of records")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Draws the figure."""
    from lapsrn_jax.cache import keep_compiled
    from lapsrn_jax.data.sources import picture_file
    from lapsrn_jax.evaluation.figures import comparison
    from lapsrn_jax.evaluation.networks import read_networks
    from lapsrn_jax.evaluation.protocol import Protocol
    from lapsrn_jax.evaluation.scoring import score_picture
    from lapsrn_jax.evaluation.tables import as_json
    from lapsrn_jax.images.formats import format_of
    from lapsrn_jax.images.io import write_image

    format_of(options.output)
    check_output(options.json)
    if options.scale < 2:
        raise UserError(f"--scale takes a whole number above 1, got {options.scale}")
    crop = parse_crop(options.crop) if options.crop else None
    keep_compiled()
    models = {network.name: network.upscale for network in read_networks(options.weights)}
    pictures = [picture_file(path) for path in options.images]
    examples = [score_picture(picture, models, options.scale, Protocol()) for picture in pictures]
    write_image(options.output, comparison(examples, options.scale, crop))
    if options.json:
        records = [
            {"image": picture.name, "model": model, "scale": options.scale, "psnr": psnr, "ssim": ssim}
            for picture, example in zip(pictures, examples, strict=True)
            for model, (psnr, ssim) in example.scores.items()
        ]
        options.json.write_text(as_json(records))


def parse_crop(text: str) -> Any:
    """Parses "X,Y,W,H" to an `evaluation.figures.Crop`. Raises `UserError` for anything else."""
    from lapsrn_jax.evaluation.figures import Crop

    parts = text.split(",")
    if len(parts) != 4 or not all(part.strip().isdecimal() for part in parts):
        raise UserError(f"--crop takes four whole numbers, X,Y,W,H; got {text!r}")
    crop = Crop(*map(int, parts))
    if min(crop.width, crop.height) < 4:
        raise UserError(f"--crop {text} is too small: give a width and a height of 4 or more")
    return crop
