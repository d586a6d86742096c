"""Draws docs/tying.png, the result of upsampling one bright pixel in each orientation of the tying.

python -m tools.tying_picture
"""

import pathlib
from typing import Any

import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from lapsrn_jax.models import Tying
from lapsrn_jax.models.layers import conv_transpose

# Four 3x3 pictures without any symmetry: [input, output, row, column].
KERNEL = np.array(
    [
        [[[1, 0, 0], [1, 0, 0], [1, 1, 0]], [[1, 1, 1], [0, 0, 1], [0, 0, 0]]],
        [[[1, 1, 0], [1, 0, 0], [1, 0, 0]], [[1, 0, 0], [1, 1, 1], [0, 0, 0]]],
    ],
    np.float32,
)
COLORS = np.array([["tab:blue", "tab:purple"], ["tab:orange", "tab:green"]])
SHOWN = slice(1, 6)  # rows and columns of the result; the bright pixel's centre is at 2.5


def main() -> None:
    """Writes the picture to docs/."""
    kernel = KERNEL.transpose(2, 3, 0, 1)
    figure = Figure(figsize=(9, 2.3), dpi=100, layout="constrained")
    panels: list[tuple[str, np.ndarray, bool]] = [("kernel K", kernel, False)]
    for title, swap, flip in (
        ("plain", False, False),
        ("flipped", False, True),
        ("swapped", True, False),
        ("adjoint", True, True),
    ):
        oriented = np.asarray(Tying(swap_channels=swap, flip_taps=flip).orient(kernel))  # type: ignore[arg-type]
        bright = np.zeros((2, 3, 3, 2), np.float32)
        bright[[0, 1], 1, 1, [0, 1]] = 1  # one image for each bright channel
        stamps = np.asarray(conv_transpose(bright, oriented))  # type: ignore[arg-type]
        panels.append((title, stamps[:, SHOWN, SHOWN].transpose(1, 2, 0, 3), True))
    parts: Any = figure.subfigures(1, 5)
    for part, (title, cells, is_stamp) in zip(parts, panels, strict=True):
        part.suptitle(title, fontsize=10)
        _panel(part, cells, COLORS.T if title in ("swapped", "adjoint") else COLORS, is_stamp)
    figure.savefig(pathlib.Path(__file__).parents[1] / "docs" / "tying.png", metadata={"Software": None})


def _panel(part: Any, cells: np.ndarray, colors: np.ndarray, is_stamp: bool) -> None:
    for (i, o), axes in np.ndenumerate(part.subplots(2, 2)):
        axes.imshow(cells[:, :, i, o], cmap=ListedColormap(["white", str(colors[i, o])]), vmin=0, vmax=1)
        axes.set(xticks=np.arange(0.5, len(cells) - 1), yticks=np.arange(0.5, len(cells) - 1))
        axes.set(xticklabels=[], yticklabels=[])
        axes.tick_params(length=0)
        axes.grid(color="0.85", linewidth=0.7)
        if i == 0:
            axes.set_title(f"out {o + 1}", fontsize=7, pad=2)
        if o == 0:
            axes.set_ylabel(f"in {i + 1}", fontsize=7, labelpad=2)
        if is_stamp:
            axes.plot(1.5, 1.5, "k+", markersize=6)  # the bright pixel's centre


if __name__ == "__main__":
    main()
