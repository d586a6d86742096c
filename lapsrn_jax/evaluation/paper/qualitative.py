"""Figures 3 and 4 of the CMS-LapSRN paper: originals with a crop marked, and the crop as each network has it."""

import functools
import pathlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import PIL.Image
import PIL.ImageDraw
import PIL.ImageFont

from lapsrn_jax.data.sources import Picture
from lapsrn_jax.errors import UserError
from lapsrn_jax.evaluation.figures import telling_crop
from lapsrn_jax.evaluation.paper.quality import Network
from lapsrn_jax.evaluation.protocol import Protocol
from lapsrn_jax.evaluation.scoring import read_checked
from lapsrn_jax.images.io import read_image, to_uint8

_PANEL = 360  # pixels, the height of a crop in the figure, or near it where a given crop does not divide it
_SIDES = [side for side in range(24, 181) if _PANEL % side == 0]
_GAP, _MARGIN, _FONT, _LINE = 14, 24, 24, 32
_CAPTION = 2 * _LINE + 10
_MARK, _FRAME = (220, 20, 40), (190, 190, 190)


class Box(NamedTuple):
    """A part of a picture, in pixels."""

    left: int
    top: int
    width: int
    height: int

    @property
    def corners(self) -> tuple[int, int, int, int]:
        """Left, top, right, bottom, as Pillow has it."""
        return (self.left, self.top, self.left + self.width, self.top + self.height)


class _Row(NamedTuple):
    """A picture, what the networks make of it, their PSNR and SSIM, and what is to be seen of it."""

    name: str
    hr: np.ndarray
    results: dict[str, np.ndarray]
    scores: dict[str, tuple[float, float]]
    box: Box


def parse_crop(text: str) -> Box:
    """The box that "X,Y,W,H" means; `UserError` for anything else."""
    parts = text.split(",")
    if len(parts) != 4 or not all(part.strip().isdecimal() for part in parts):
        raise UserError(f"--crop takes four whole numbers, X,Y,W,H; got {text!r}")
    box = Box(*map(int, parts))
    if min(box.width, box.height) < 4:
        raise UserError(f"--crop {text} has hardly a pixel: give a width and a height of 4 or more")
    return box


def qualitative(paths: Sequence[str], networks: Sequence[Network], scale: int, box: Box | None = None) -> np.ndarray:
    """The figure, uint8 [height, width, 3]: for each picture the original, and the crops with PSNR and SSIM.

    Args:
      paths: of the originals.
      networks: what enlarges them again after they were shrunk by protocol A; the scores are of the whole picture.
      scale: a whole number, 2 or more.
      box: what the panels show; where the last network gains most over the first, if None.

    Raises:
      UserError: a picture that cannot be read, is too small, or does not hold the box; a scale that a network lacks.
    """
    if scale < 2:
        raise UserError(f"--scale takes a whole number above 1, got {scale}")
    return np.asarray(_drawn([_row(path, networks, scale, box) for path in paths], scale))


def _row(path: str, networks: Sequence[Network], scale: int, box: Box | None) -> _Row:
    picture = read_checked(Picture(path, lambda: b"", functools.partial(read_image, path)), scale)
    protocol = Protocol()
    hr, lr = protocol.degrade(picture, scale)
    results, scores = {}, {}
    for network in networks:
        sr = network.upscale(lr, scale)
        results[network.name], scores[network.name] = to_uint8(sr), protocol.score(sr, hr, scale)
    if box is None:
        images = list(results.values())
        wanted = min(hr.shape[:2]) / 5
        left, top, side = telling_crop(images[0], images[-1], hr, min(_SIDES, key=lambda side: abs(side - wanted)))
        box = Box(left, top, side, side)
    elif box.left + box.width > hr.shape[1] or box.top + box.height > hr.shape[0]:
        raise UserError(f"--crop {','.join(map(str, box))} is not inside {path}: {hr.shape[1]} x {hr.shape[0]} pixels")
    return _Row(pathlib.Path(path).stem, hr, results, scores, box)


def _drawn(rows: Sequence[_Row], scale: int) -> PIL.Image.Image:
    """The originals in a first column, as high as the one line or two of panels beside them."""
    count = 1 + len(rows[0].results)
    lines = 1 if count <= 3 or count == 5 else 2
    columns = -(-count // lines)
    # A whole number of the figure's pixels for each of the result's: enlarged, but not interpolated.
    factors = [max(1, round(_PANEL / row.box.height)) for row in rows]
    sizes = [(row.box.width * factor, row.box.height * factor) for row, factor in zip(rows, factors, strict=True)]
    heights = [lines * (height + _CAPTION) - _CAPTION for _, height in sizes]
    wholes = [_whole(row.hr, row.box, height) for row, height in zip(rows, heights, strict=True)]
    first = max(whole.width for whole in wholes)
    cell = max(width for width, _ in sizes) + _GAP

    figure_size = (
        2 * _MARGIN + first + columns * cell,
        2 * _MARGIN - _GAP + sum(heights) + len(rows) * (_CAPTION + _GAP),
    )
    figure = PIL.Image.new("RGB", figure_size, "white")
    top = _MARGIN
    for row, (width, height), whole in zip(rows, sizes, wholes, strict=True):
        left = _MARGIN + first - whole.width  # beside its crops, whatever the others' width
        _place(figure, whole, left, top)
        size = [(f"{row.hr.shape[1]} x {row.hr.shape[0]}", False)]
        _write(figure, left + whole.width / 2, top + whole.height, f"{row.name} (x{scale})", size)
        for i, (image, name, caption) in enumerate(_panels(row)):
            x, y = _MARGIN + first + _GAP + i % columns * cell, top + i // columns * (height + _CAPTION)
            crop = PIL.Image.fromarray(image).convert("RGB").crop(row.box.corners)
            _place(figure, crop.resize((width, height), PIL.Image.Resampling.NEAREST), x, y)
            _write(figure, x + width / 2, y + height, name, caption)
        top += whole.height + _CAPTION + _GAP
    return figure


def _panels(row: _Row) -> list[tuple[np.ndarray, str, list[tuple[str, bool]]]]:
    """For each panel its picture, its title, and the parts of its second line, the best scores marked."""
    best = [max(score[i] for score in row.scores.values()) for i in (0, 1)]
    panels = [(row.hr, "HR", [("PSNR", False), ("SSIM", False)])]
    for name, image in row.results.items():
        psnr, ssim = row.scores[name]
        panels.append((image, name, [(f"{psnr:.2f} dB", psnr == best[0]), (f"{ssim:.4f}", ssim == best[1])]))
    return panels


def _whole(hr: np.ndarray, box: Box, height: int) -> PIL.Image.Image:
    """The original at the figure's size, the box marked with a line of the figure's pixels."""
    zoom = height / hr.shape[0]
    size = (max(1, round(hr.shape[1] * zoom)), height)
    whole = PIL.Image.fromarray(hr).convert("RGB").resize(size, PIL.Image.Resampling.LANCZOS)
    left, top, right, bottom = (round(zoom * corner) for corner in box.corners)
    PIL.ImageDraw.Draw(whole).rectangle((left - 2, top - 2, right + 1, bottom + 1), outline=_MARK, width=4)
    return whole


def _place(figure: PIL.Image.Image, panel: PIL.Image.Image, left: int, top: int) -> None:
    """Pastes a panel, with a thin frame around it: a white one would have no edge."""
    frame = (left - 1, top - 1, left + panel.width, top + panel.height)
    PIL.ImageDraw.Draw(figure).rectangle(frame, outline=_FRAME)
    figure.paste(panel, (left, top))


def _write(figure: PIL.Image.Image, centre: float, top: float, title: str, caption: Sequence[tuple[str, bool]]) -> None:
    """Two lines below a panel; of the second, what is marked is bold."""
    draw, font = PIL.ImageDraw.Draw(figure), PIL.ImageFont.load_default(_FONT)
    draw.text((centre, top + 6), title, fill="black", font=font, anchor="ma")
    parts = [part for text, bold in caption for part in ((" / ", False), (text, bold))][1:]
    x = centre - sum(font.getlength(text) for text, _ in parts) / 2
    for text, bold in parts:
        draw.text((x, top + 6 + _LINE), text, fill="black", font=font, anchor="la", stroke_width=0.6 if bold else 0)
        x += font.getlength(text)
