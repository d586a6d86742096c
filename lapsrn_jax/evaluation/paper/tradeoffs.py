"""Quality against cost (parameters, multiply-adds, measured time), as a table and as a plot."""

import os
import pathlib
import statistics
import time
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from lapsrn_jax.errors import UserError
from lapsrn_jax.evaluation.networks import Network
from lapsrn_jax.evaluation.paper.costs import OUTPUT, cost
from lapsrn_jax.evaluation.paper.quality import GRAY_AS_RGB
from lapsrn_jax.evaluation.protocol import Upscale
from lapsrn_jax.evaluation.scoring import Record
from lapsrn_jax.evaluation.tables import Table

TIMED = 256  # pixels, height and width of the timed result


def table_of_costs(networks: Sequence[Network], records: Sequence[Record]) -> Table:
    """Compares the mean PSNR over the sets with parameters, multiply-adds and measured time."""
    rows, plain = [], []
    sets = list(dict.fromkeys(record["set"] for record in records if not record["set"].endswith(GRAY_AS_RGB)))
    for scale in dict.fromkeys(record["scale"] for record in records):
        for network in (network for network in networks if network.can(scale)):
            psnr = statistics.mean(
                record["psnr"]
                for record in records
                if (record["model"], record["scale"]) == (network.name, scale) and record["set"] in sets
            )
            counted = cost(network.model, scale) if network.model and scale in network.model.scales else None
            milliseconds = 1000 * _seconds(network.upscale, scale)
            rows.append([
                f"x{scale}", network.name, f"{psnr:.2f}", f"{counted.parameters:,}" if counted else "-",
                f"{counted.multiply_adds / 1e9:,.1f}" if counted else "-", f"{milliseconds:,.1f}",
            ])  # fmt: skip
            plain.append({
                "scale": scale, "model": network.name, "psnr": psnr, "parameters": counted and counted.parameters,
                "multiply_adds": counted and counted.multiply_adds, "milliseconds": milliseconds,
            })  # fmt: skip
    notes = (
        f"PSNR (dB) is the mean over {', '.join(sets)}.",
        f"Multiply-adds are those of the convolutions, for an output of {OUTPUT[0]} x {OUTPUT[1]}.",
        f"Time is the median of 3 gray pictures enlarged to {TIMED} x {TIMED} on {_device()}, after a warm-up.",
    )
    columns = ["scale", "model", "PSNR", "parameters", "G multiply-adds", "time (ms)"]
    return Table("Quality against cost", columns, rows, plain, notes)


def _seconds(upscale: Upscale, scale: int) -> float:
    lr = np.full((TIMED // scale, TIMED // scale), 0.5)
    times = []
    for _ in range(4):
        start = time.perf_counter()
        upscale(lr, scale)
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:])


def _device() -> str:
    device: Any = jax.devices()[0]
    return f"{os.cpu_count()} CPU cores" if device.platform == "cpu" else device.device_kind


def check_plot(path: pathlib.Path, networks: Sequence[Network], scales: Sequence[int]) -> None:
    """Raises `UserError` unless there is something to plot to `path`. Call it before the hours of scoring."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise UserError("plots need matplotlib: pip install '.[plots]'") from None
    kinds = Figure().canvas.get_supported_filetypes()
    if path.suffix.removeprefix(".").lower() not in kinds:
        raise UserError(f"cannot plot to {path}: its suffix must be one of {', '.join(f'.{k}' for k in sorted(kinds))}")
    if not path.resolve().parent.is_dir():
        raise UserError(f"cannot plot to {path}: there is no such folder")
    own = {scale for network in networks if network.model is not None for scale in network.model.scales}
    if own.isdisjoint(scales):
        raise UserError("nothing to plot: the networks compute none of these scales, they only shrink larger results")


_AXES = {
    "parameters": ("parameters", 1),
    "multiply_adds": (f"G multiply-adds ({OUTPUT[0]} x {OUTPUT[1]})", 1e9),
    "milliseconds": (f"time (ms, {TIMED} x {TIMED})", 1),
}
_MARKERS = "osD^vP*Xhp<>"


def plot_costs(table: Table, path: pathlib.Path) -> None:
    """Plots the networks of a `table_of_costs`: a row of panels for each scale, PSNR over each cost.

    Bicubic interpolation is not plotted: its low PSNR would compress the range of the networks.

    Raises:
      UserError: the file cannot be written.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    records = [record for record in table.records if record["parameters"]]
    scales = list(dict.fromkeys(record["scale"] for record in records))
    models = list(dict.fromkeys(record["model"] for record in records))
    figure = Figure(figsize=(11, 0.9 + 2.9 * len(scales)), layout="constrained")
    panels = figure.subplots(len(scales), len(_AXES), squeeze=False, sharey="row")
    for row, scale in zip(panels, scales, strict=True):
        here = [record for record in records if record["scale"] == scale]
        row[0].set_ylabel(f"x{scale}: PSNR (dB)")
        for panel, (cost_name, (label, unit)) in zip(row, _AXES.items(), strict=True):
            for record in here:
                i = models.index(record["model"])
                panel.plot(record[cost_name] / unit, record["psnr"], _MARKERS[i % len(_MARKERS)], color=f"C{i % 10}",
                           markersize=8, label=record["model"])  # fmt: skip
            costs = [record[cost_name] / unit for record in here]
            panel.set_xscale("log")
            panel.set_xlim(min(costs) / 2.5, max(costs) * 2.5)
            panel.margins(y=0.25)
            wide = max(costs) > 100 * min(costs)
            panel.xaxis.set_major_locator(LogLocator(subs=(1,) if wide else (1, 2, 5)))
            panel.xaxis.set_minor_locator(NullLocator())
            panel.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _short(value)))
            panel.grid(alpha=0.3)
            panel.set_xlabel(label)
    handles = {
        text: handle for panel in panels.flat for handle, text in zip(*panel.get_legend_handles_labels(), strict=True)
    }
    figure.legend(
        handles.values(), handles.keys(), loc="outside upper center", ncols=min(6, len(handles)), frameon=False
    )
    try:
        figure.savefig(path, dpi=200)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}") from None


def _short(value: float) -> str:
    for unit, letter in ((1e6, "M"), (1e3, "k")):
        if value >= unit:
            return f"{value / unit:g}{letter}"
    return f"{value:g}"
