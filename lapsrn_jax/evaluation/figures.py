"""Comparison figures: the originals with a crop marked, beside the crop as each network reconstructs it."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import PIL.Image
import PIL.ImageDraw
import PIL.ImageFont
from scipy.ndimage import uniform_filter

from lapsrn_jax.errors import UserError
from lapsrn_jax.images.color import luminance
from lapsrn_jax.images.io import to_float

PANEL = 360  # pixels, the height of a crop in the figure; approximate if a given crop does not divide it
GAP, MARGIN = 14, 24  # pixels
_SIDES = [side for side in range(24, 181) if PANEL % side == 0]
_FONT, _LINE = 24, 32
_CAPTION = 2 * _LINE + 10
_MARK, _FRAME = (220, 20, 40), (190, 190, 190)


class Crop(NamedTuple):
    """A rectangle in an image, in pixels."""

    left: int
    top: int
    width: int
    height: int

    @property
    def corners(self) -> tuple[int, int, int, int]:
        """(left, top, right, bottom), as Pillow takes them."""
        return (self.left, self.top, self.left + self.width, self.top + self.height)


class Example(NamedTuple):
    """A photograph and its reconstructions.

    Attributes:
      name: name of the photograph.
      hr: the original, uint8 [H, W] or [H, W, 3].
      results: the reconstructed images by network name, uint8, of the size of `hr`.
      scores: (PSNR in dB, SSIM) of the whole image by network name.
    """

    name: str
    hr: np.ndarray
    results: Mapping[str, np.ndarray]
    scores: Mapping[str, tuple[float, float]]


def most_improved_crop(baseline: np.ndarray, sr: np.ndarray, hr: np.ndarray, side: int | None = None) -> Crop:
    """Returns the square in which `sr` improves most on `baseline`, by the squared error of luminance.

    Args:
      baseline: uint8 image of the size of `hr`.
      sr: uint8 image of the size of `hr`.
      hr: the original.
      side: side of the square in pixels, at most the image's shorter side; by default about a fifth of it.
    """
    shorter = min(hr.shape[:2])
    side = min(min(_SIDES, key=lambda choice: abs(choice - shorter / 5)) if side is None else side, shorter)
    baseline_y, sr_y, hr_y = (luminance(to_float(image)) for image in (baseline, sr, hr))
    gain = uniform_filter((baseline_y - hr_y) ** 2 - (sr_y - hr_y) ** 2, size=side)
    half = side // 2
    inside = gain[half : gain.shape[0] - side + half + 1, half : gain.shape[1] - side + half + 1]
    top, left = np.unravel_index(inside.argmax(), inside.shape)
    return Crop(int(left), int(top), side, side)


def comparison(examples: Sequence[Example], scale: int, crop: Crop | None = None) -> np.ndarray:
    """Draws a figure, uint8 [height, width, 3], with the original and the crops of each example.

    Args:
      examples: examples with the same networks.
      scale: the upscaling factor, for the captions.
      crop: the crop to show; by default the one in which the last network improves most on the first.

    Raises:
      UserError: the crop does not lie inside an image.
    """
    return np.asarray(_drawn(examples, [_crop_of(example, crop) for example in examples], scale))


def _crop_of(example: Example, crop: Crop | None) -> Crop:
    height, width = example.hr.shape[:2]
    if crop is None:
        images = list(example.results.values())
        return most_improved_crop(images[0], images[-1], example.hr)
    if crop.left + crop.width > width or crop.top + crop.height > height:
        raise UserError(f"the crop {','.join(map(str, crop))} is not inside {example.name}: {width} x {height} pixels")
    return crop


def _drawn(examples: Sequence[Example], crops: Sequence[Crop], scale: int) -> PIL.Image.Image:
    """Draws the originals in the first column, as high as the one or two rows of panels beside them."""
    count = 1 + len(examples[0].results)
    lines = 1 if count <= 3 or count == 5 else 2
    columns = -(-count // lines)
    # Repeat pixels a whole number of times, so that the panels are not interpolated.
    factors = [max(1, round(PANEL / crop.height)) for crop in crops]
    sizes = [(crop.width * factor, crop.height * factor) for crop, factor in zip(crops, factors, strict=True)]
    heights = [lines * (height + _CAPTION) - _CAPTION for _, height in sizes]
    wholes = [_whole(e.hr, crop, height) for e, crop, height in zip(examples, crops, heights, strict=True)]
    first = max(whole.width for whole in wholes)
    cell = max(width for width, _ in sizes) + GAP

    figure_size = (
        2 * MARGIN + first + columns * cell,
        2 * MARGIN - GAP + sum(heights) + len(examples) * (_CAPTION + GAP),
    )
    figure = PIL.Image.new("RGB", figure_size, "white")
    top = MARGIN
    for example, crop, (width, height), whole in zip(examples, crops, sizes, wholes, strict=True):
        left = MARGIN + first - whole.width  # aligned to its crops
        _place(figure, whole, left, top)
        size = [(f"{example.hr.shape[1]} x {example.hr.shape[0]}", False)]
        _write(figure, left + whole.width / 2, top + whole.height, f"{example.name} (x{scale})", size)
        for i, (image, name, caption) in enumerate(_panels(example)):
            x, y = MARGIN + first + GAP + i % columns * cell, top + i // columns * (height + _CAPTION)
            panel = PIL.Image.fromarray(image).convert("RGB").crop(crop.corners)
            _place(figure, panel.resize((width, height), PIL.Image.Resampling.NEAREST), x, y)
            _write(figure, x + width / 2, y + height, name, caption)
        top += whole.height + _CAPTION + GAP
    return figure


def _panels(example: Example) -> list[tuple[np.ndarray, str, list[tuple[str, bool]]]]:
    """Returns for each panel its picture, its title, and the parts of its caption, with the best scores marked."""
    best = [max(score[i] for score in example.scores.values()) for i in (0, 1)]
    panels = [(example.hr, "HR", [("PSNR", False), ("SSIM", False)])]
    for name, image in example.results.items():
        psnr, ssim = example.scores[name]
        panels.append((image, name, [(f"{psnr:.2f} dB", psnr == best[0]), (f"{ssim:.4f}", ssim == best[1])]))
    return panels


def _whole(hr: np.ndarray, crop: Crop, height: int) -> PIL.Image.Image:
    """Returns the original resized for the figure, with the crop marked."""
    zoom = height / hr.shape[0]
    size = (max(1, round(hr.shape[1] * zoom)), height)
    whole = PIL.Image.fromarray(hr).convert("RGB").resize(size, PIL.Image.Resampling.LANCZOS)
    left, top, right, bottom = (round(zoom * corner) for corner in crop.corners)
    PIL.ImageDraw.Draw(whole).rectangle((left - 2, top - 2, right + 1, bottom + 1), outline=_MARK, width=4)
    return whole


def _place(figure: PIL.Image.Image, panel: PIL.Image.Image, left: int, top: int) -> None:
    """Pastes a panel with a thin frame, which gives white panels an edge."""
    frame = (left - 1, top - 1, left + panel.width, top + panel.height)
    PIL.ImageDraw.Draw(figure).rectangle(frame, outline=_FRAME)
    figure.paste(panel, (left, top))


def _write(figure: PIL.Image.Image, centre: float, top: float, title: str, caption: Sequence[tuple[str, bool]]) -> None:
    """Writes a title and a caption below a panel; marked parts of the caption are bold."""
    draw, font = PIL.ImageDraw.Draw(figure), PIL.ImageFont.load_default(_FONT)
    draw.text((centre, top + 6), title, fill="black", font=font, anchor="ma")
    parts = [part for text, bold in caption for part in ((" / ", False), (text, bold))][1:]
    x = centre - sum(font.getlength(text) for text, _ in parts) / 2
    for text, bold in parts:
        draw.text((x, top + 6 + _LINE), text, fill="black", font=font, anchor="la", stroke_width=0.6 if bold else 0)
        x += font.getlength(text)
