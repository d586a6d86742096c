"""Draws the pictures of the report."""

import functools
import pathlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.ndimage import uniform_filter1d

from lapsrn_jax.errors import UserError
from studies.curves import paired_losses
from studies.intervals import t_interval
from studies.probes import ORIENTATIONS
from studies.results import Results

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Moment = dict[str, Any]
SMOOTHED = 9  # number of logged losses to average for each point


def draw(results: Results, folder: pathlib.Path) -> dict[str, str]:
    """Writes the pictures to `folder`; returns their file names by the name of the plot.

    Raises:
      UserError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise UserError("plots need matplotlib: pip install '.[plots]'") from None
    made = {}
    for plot in (differences, progress, losses, gradients, kernels, drift, inverse):
        figure = Figure(layout="constrained")
        if plot(results, figure):
            made[plot.__name__] = f"{plot.__name__}.png"
            figure.savefig(folder / made[plot.__name__], dpi=110)
    return made


def differences(results: Results, figure: "Figure") -> bool:
    """Plots PSNR relative to MS-LapSRN: a row per variant, a panel per scale, seeds as faint dots."""
    names = [name for name, _ in results.compared(results.reference)]
    if not names:
        return False
    figure.set_size_inches(10.5, 1.1 + 0.34 * len(names))
    panels = figure.subplots(1, len(results.scales), sharey=True, squeeze=False)[0]
    for panel, scale in zip(panels, results.scales, strict=True):
        reach = 0.0
        for row, name in enumerate(names):
            values = results.differences(name, results.reference(name), scale)
            gain = t_interval(values)
            reach = max(reach, *np.abs(values))
            panel.plot(values, [row] * len(values), "o", color="C0", alpha=0.35, markersize=4, zorder=2)
            panel.plot([gain.mean], [row], "D", color="C0", markersize=6, zorder=3)
            if gain.n > 1:
                panel.plot([gain.low, gain.high], [row, row], "-", color="C0", linewidth=2, zorder=1)
        panel.axvline(0, color="0.3", linewidth=1)
        panel.set_xlim(-1.6 * reach or -1, 1.6 * reach or 1)  # intervals of few seeds extend beyond the panel
        panel.grid(axis="x", alpha=0.3)
        panel.set_title(f"x{scale}")
        panel.set_xlabel("PSNR (dB) above MS-LapSRN")
        panel.locator_params(axis="x", nbins=5)  # more labels overlap
    panels[0].set_yticks(range(len(names)), names)
    panels[0].set_ylim(len(names) - 0.5, -0.5)
    return True


def progress(results: Results, figure: "Figure") -> bool:
    """Plots PSNR on the held-out photographs relative to MS-LapSRN during training: a panel per scale."""
    pairs = results.compared(results.reference)
    names = [name for name, reference in pairs if results.progress(name, reference, results.scales[0])]
    if not names:
        return False
    figure.set_size_inches(10.5, 4.0)
    panels = figure.subplots(1, len(results.scales), squeeze=False)[0]
    for panel, scale in zip(panels, results.scales, strict=True):
        for name in names:
            gains = results.progress(name, results.reference(name), scale)
            means = [float(np.mean(list(seeds.values()))) for seeds in gains.values()]
            panel.plot(list(gains), means, label=name, marker="o", markersize=3, **_style(results, name))
        panel.axhline(0, color="0.3", linewidth=1)
        panel.grid(alpha=0.3)
        panel.set_title(f"x{scale}")
        panel.set_xlabel("step")
    panels[0].set_ylabel("PSNR (dB) above MS-LapSRN")
    _legend(figure, panels[0])
    return True


def losses(results: Results, figure: "Figure") -> bool:
    """Plots the training loss of MS-LapSRN, and the relative difference of each variant on the same batches."""
    figure.set_size_inches(10.5, 4.4)
    left, right = figure.subplots(1, 2)
    for name in results.variants:
        reference = results.reference(name)
        if not results.seeds(name, reference) or results.steps(name) != results.steps(reference):
            continue
        steps, mine, theirs = loss_curves(results, name, reference)
        if name == reference:
            left.plot(steps, mine, label=name, **_style(results, name))
        else:
            right.plot(steps, 100 * (mine / theirs - 1), label=name, **_style(results, name))
    if not left.lines:
        return False
    left.set_title("training loss of MS-LapSRN")
    right.axhline(0, color="0.2", linewidth=1)
    right.set_title("loss above MS-LapSRN's (%)")
    for panel in (left, right):
        panel.set_xlabel("step")
        panel.grid(alpha=0.3, which="both")
    left.legend(frameon=False)
    _legend(figure, right)
    return True


def loss_curves(results: Results, name: str, other: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns the steps that two variants have logged, and the mean losses over the seeds, smoothed, without the ends.

    Both curves are smoothed over the same batches.
    """
    steps, *losses = paired_losses(results, name, other)
    inner = slice(SMOOTHED // 2, -(SMOOTHED // 2)) if len(steps) > 2 * SMOOTHED else slice(None)
    mine, theirs = (uniform_filter1d(curves.mean(axis=0), SMOOTHED)[inner] for curves in losses)
    return steps[inner], mine, theirs


def gradients(results: Results, figure: "Figure") -> bool:
    """Plots the cosine between the gradients of the two uses, and the ratio of their norms."""
    figure.set_size_inches(10.5, 4.4)
    left, right = figure.subplots(1, 2)
    _along(results, left, lambda _, moment: moment["gradients"]["cosine"], band=False)
    _along(results, right, lambda _, moment: moment["gradients"]["ratio"], band=False)
    left.axhline(0, color="0.3", linewidth=1)
    left.set_title("cosine between the two gradients")
    right.set_ylim(bottom=0)
    right.axhline(1, color="0.3", linewidth=1)
    right.set_title("|upsampler's gradient| / |convolution's|")
    _legend(figure, left)
    return True


def kernels(results: Results, figure: "Figure") -> bool:
    """Plots the cosine between the upsampler's own kernel and each kernel of the block in every orientation."""
    names = [name for name in results.variants if _is_free(results, name)]
    if not names:
        return False
    depth = results.grid["base"]["model"]["depth"]
    figure.set_size_inches(8.5, 0.9 + 1.75 * len(names))
    panels = figure.subplots(len(names), 2, squeeze=False, sharex=True, sharey=True)
    for row, name in zip(panels, names, strict=True):
        for panel, index, when in ((row[0], 0, "start"), (row[1], -1, "end")):
            moments = [results.cells[name, seed]["moments"][index] for seed in results.seeds(name)]
            table = np.array([
                np.mean([moment["kernels"][turned]["cosine"] for moment in moments], axis=0) for turned in ORIENTATIONS
            ])  # fmt: skip
            image = panel.imshow(table, cmap="RdBu_r", vmin=-1, vmax=1, aspect="auto")
            for (y, x), value in np.ndenumerate(table):
                panel.text(x, y, f"{value:.3f}".replace("-0.000", "0.000"), ha="center", va="center", fontsize=8,
                           color="white" if abs(value) > 0.6 else "black")  # fmt: skip
            panel.set_xticks(range(depth), [f"K{i}" for i in range(1, depth + 1)])
            panel.set_yticks(range(len(ORIENTATIONS)), list(ORIENTATIONS))
            panel.set_title(f"{name}, {when}", fontsize=10)
    figure.colorbar(image, ax=panels, label="cosine", shrink=0.8)
    return True


def drift(results: Results, figure: "Figure") -> bool:
    """Plots the distance of the upsampler's own kernel to the oriented lender's during training."""
    names = [name for name in results.variants if _is_free(results, name)]
    if not names:
        return False
    figure.set_size_inches(10.5, 3.8)
    left, right = figure.subplots(1, 2)
    _along(results, left, lambda name, moment: results.lent(name, moment)["distance"], names)
    _along(results, right, lambda name, moment: results.lent(name, moment)["cosine"], names)
    left.set_title("|K_up - O(K_lender)| / |K_lender|")
    right.set_title("cosine between K_up and O(K_lender)")
    left.set_ylim(-0.05, 1.08 * left.get_ylim()[1])
    right.set_ylim(min(-0.1, right.get_ylim()[0]), 1.1)
    _legend(figure, left)
    return True


def inverse(results: Results, figure: "Figure") -> bool:
    """Plots the loss of upsampling followed by downsampling at each level during training."""
    first = next(iter(results.cells.values()))
    levels = len(first["moments"][0]["inverse"])
    figure.set_size_inches(10.5, 4.0)
    panels = figure.subplots(1, levels, squeeze=False, sharey=True)[0]
    for level, panel in enumerate(panels):
        _along(results, panel, functools.partial(_inverse_error, level))
        panel.set_title(f"level {level + 1}")
    panels[0].set_ylabel("|a D U x - x| / |x|")
    _legend(figure, panels[0])
    return True


def _inverse_error(level: int, _: str, moment: Moment) -> float:
    return float(moment["inverse"][level])


def _along(
    results: Results,
    panel: "Axes",
    number: Callable[[str, Moment], float],
    names: Sequence[str] | None = None,
    band: bool = True,
) -> None:
    """Plots for each variant the mean over its seeds, with a band from minimum to maximum."""
    for name in names or results.variants:
        cells = [results.cells[name, seed]["moments"] for seed in results.seeds(name)]
        values = np.array([[number(name, moment) for moment in cell] for cell in cells])
        share = np.array([moment["step"] for moment in cells[0]]) / cells[0][-1]["step"]
        style = _style(results, name)
        panel.plot(100 * share, values.mean(axis=0), label=name, marker="o", markersize=3, **style)
        if band:
            panel.fill_between(100 * share, values.min(axis=0), values.max(axis=0), alpha=0.12, color=style["color"])
    panel.set_xlabel("of the training (%)")
    panel.grid(alpha=0.3, which="both")


def _is_free(results: Results, name: str) -> bool:
    tying = results.tying(name)
    return tying is None or tying.strength != "hard"


def _style(results: Results, name: str) -> dict[str, Any]:
    """MS-LapSRN is gray; every other variant keeps its colour while cells are missing."""
    variants = results.grid["variants"]
    ms = next(variant for variant, fields in variants.items() if fields["tying"] is None)
    i = sorted(variants, key=lambda variant: variant != ms).index(name) - 1
    return {"color": f"C{i % 10}" if i >= 0 else "0.2", "linestyle": ["-", "--", ":"][max(i, 0) // 10 % 3]}


def _legend(figure: "Figure", panel: "Axes") -> None:
    handles, labels = panel.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right center", frameon=False, fontsize=9)
