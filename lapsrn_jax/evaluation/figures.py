"""Pictures that show what the numbers mean: the photograph with a crop marked, and the crop as each model has it."""

from collections.abc import Mapping

import numpy as np
import PIL.Image
import PIL.ImageDraw
import PIL.ImageFont
from scipy.ndimage import uniform_filter

from lapsrn_jax.images.color import luminance
from lapsrn_jax.images.io import to_float

PANEL = 360  # pixels, height and width of a crop in the figure
_CAPTION, _GAP, _FONT_SIZE = 56, 10, 20
_MARK = (230, 30, 30)

Crop = tuple[int, int, int]
"""Left, top and side of a square, in pixels."""


def telling_crop(baseline: np.ndarray, sr: np.ndarray, hr: np.ndarray, side: int = 90) -> Crop:
    """The square in which `sr` is most nearer to `hr` than `baseline` is, in squared error of luminance.

    All three are uint8 pictures of one size. The square shrinks to fit a smaller picture.
    """
    side = min(side, *hr.shape[:2])
    baseline_y, sr_y, hr_y = (luminance(to_float(image)) for image in (baseline, sr, hr))
    gain = uniform_filter((baseline_y - hr_y) ** 2 - (sr_y - hr_y) ** 2, size=side)
    half = side // 2
    inside = gain[half : gain.shape[0] - side + half + 1, half : gain.shape[1] - side + half + 1]
    top, left = np.unravel_index(inside.argmax(), inside.shape)
    return int(left), int(top), side


def comparison(
    hr: np.ndarray, results: Mapping[str, np.ndarray], captions: Mapping[str, str], crop: Crop
) -> np.ndarray:
    """A figure, uint8 [height, width, 3]: the original with the crop marked, the crop of each result and the original.

    Args:
      hr: uint8 picture, [H, W] or [H, W, 3].
      results: uint8 pictures of the same size by the name of what made them.
      captions: a second line for each result, such as its scores.
      crop: what the panels show.
    """
    left, top, side = crop
    box = (left, top, left + side, top + side)
    original = PIL.Image.fromarray(hr).convert("RGB")
    whole = original.copy()
    stroke = max(2, round(max(whole.size) / 200))
    PIL.ImageDraw.Draw(whole).rectangle(box, outline=_MARK, width=stroke)
    whole = whole.resize((max(1, round(PANEL * whole.width / whole.height)), PANEL), PIL.Image.Resampling.LANCZOS)

    panels = [(whole, "original", f"{original.width} x {original.height}")]
    pictures = {name: PIL.Image.fromarray(image).convert("RGB") for name, image in results.items()}
    for name, picture in [*pictures.items(), ("original", original)]:
        # Nearest neighbour: the figure must show the result's pixels, not another interpolation of them.
        enlarged = picture.crop(box).resize((PANEL, PANEL), PIL.Image.Resampling.NEAREST)
        panels.append((enlarged, name, captions.get(name, "")))

    width = sum(panel.width for panel, _, _ in panels) + _GAP * (len(panels) + 1)
    figure = PIL.Image.new("RGB", (width, PANEL + 2 * _GAP + _CAPTION), "white")
    draw, font = PIL.ImageDraw.Draw(figure), PIL.ImageFont.load_default(_FONT_SIZE)
    x = _GAP
    for panel, name, caption in panels:
        figure.paste(panel, (x, _GAP))
        for line, text in enumerate((name, caption)):
            y = PANEL + 2 * _GAP + line * (_FONT_SIZE + 6)
            draw.text((x + panel.width / 2, y), text, fill="black", font=font, anchor="ma")
        x += panel.width + _GAP
    return np.asarray(figure)
