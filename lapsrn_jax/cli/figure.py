"""`lapsrn figure`: the crop of a picture as several networks make it, beside the original."""

import argparse
from typing import Any

from lapsrn_jax.cli.options import add_json, add_networks, check_output
from lapsrn_jax.errors import UserError


def add_to(commands: Any) -> None:
    """Declares the command."""
    parser = commands.add_parser("figure", help="draw the crop of a picture as networks make it, beside the original")
    parser.add_argument("images", nargs="+", metavar="IMAGE", help="the originals; each is a row of the figure")
    add_networks(parser, ["CMS-LapSRN=cms-lapsrn", "MS-LapSRN=ms-lapsrn"])
    parser.add_argument("--scale", type=int, default=4, help="by which it is shrunk and enlarged (default: 4)")
    parser.add_argument(
        "--crop", metavar="X,Y,W,H", help="in pixels (default: where the last network gains most over the first)"
    )
    parser.add_argument("-o", "--output", required=True, help="the figure, such as figure.png")
    add_json(parser, "the scores, a list of records,")
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
    """The `evaluation.figures.Crop` that "X,Y,W,H" means; `UserError` for anything else."""
    from lapsrn_jax.evaluation.figures import Crop

    parts = text.split(",")
    if len(parts) != 4 or not all(part.strip().isdecimal() for part in parts):
        raise UserError(f"--crop takes four whole numbers, X,Y,W,H; got {text!r}")
    crop = Crop(*map(int, parts))
    if min(crop.width, crop.height) < 4:
        raise UserError(f"--crop {text} has hardly a pixel: give a width and a height of 4 or more")
    return crop
