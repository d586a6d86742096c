"""Draws crops of JPEG photos at x4: by bicubic interpolation, and by the weights for clean and for compressed pictures.

    python -m tools.jpeg_picture docs/jpeg.jpg FILE:left,top,width,height ...

A crop is a rectangle of the photo, in its pixels; all crops have the same size.
"""

import argparse
import pathlib

import numpy as np
import PIL.Image
import PIL.ImageDraw
import PIL.ImageFont

import lapsrn_jax
from lapsrn_jax.errors import reported
from lapsrn_jax.evaluation.protocol import bicubic
from lapsrn_jax.images.io import to_float, to_uint8

SCALE, GAP, TITLE = 4, 8, 34  # the last two in pixels
NETWORKS = ("cms-lapsrn", "cms-lapsrn-photo")


def main() -> None:
    """Writes the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("picture", type=pathlib.Path, help="the file to write")
    parser.add_argument("crops", nargs="+", metavar="FILE:left,top,width,height")
    options = parser.parse_args()
    with reported():
        rows = [_panels(crop) for crop in options.crops]
    width, height = rows[0][0].size
    picture = PIL.Image.new("RGB", (len(rows[0]) * (width + GAP) - GAP, TITLE + len(rows) * (height + GAP)), "white")
    draw, font = PIL.ImageDraw.Draw(picture), PIL.ImageFont.load_default(22)
    for column, title in enumerate(("bicubic", *NETWORKS)):
        draw.text((column * (width + GAP) + width / 2, TITLE / 2), title, fill="black", font=font, anchor="mm")
        for row, panels in enumerate(rows):
            picture.paste(panels[column], (column * (width + GAP), TITLE + row * (height + GAP)))
    picture.save(options.picture, quality=92, subsampling="4:4:4")


def _panels(crop: str) -> list[PIL.Image.Image]:
    path, numbers = crop.rsplit(":", 1)
    left, top, width, height = map(int, numbers.split(","))
    corners = SCALE * left, SCALE * top, SCALE * (left + width), SCALE * (top + height)
    photo = PIL.Image.open(path).convert("RGB")
    results = [PIL.Image.fromarray(to_uint8(bicubic(to_float(np.asarray(photo)), SCALE)))]
    results += [lapsrn_jax.upscale(photo, SCALE, weights=name) for name in NETWORKS]
    return [result.crop(corners) for result in results]


if __name__ == "__main__":
    main()
