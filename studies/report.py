"""Writes a one-page report of a study from its results files.

    python -m studies.report runs/tying_mini

writes FOLDER/README.md and its pictures. The study may be unfinished.
"""

import argparse
import pathlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lapsrn_jax.errors import reported
from lapsrn_jax.evaluation.tables import Table, render
from lapsrn_jax.files import atomic_write
from studies.claims import Claim, claims, show
from studies.curves import DOUBLINGS, excess
from studies.hypotheses import CLOSING, HALF, hypotheses
from studies.intervals import standard_error, t_interval
from studies.plots import draw
from studies.results import Results, meaning, read_results
from tools.timing import ratio_interval

DIGITS = {"psnr": 2, "ssim": 4}
UNITS = {"psnr": "PSNR (dB)", "ssim": "SSIM"}


def report(results: Results, name: str, pictures: dict[str, str]) -> str:
    """Returns the page in Markdown.

    Args:
      results: the results of the study.
      name: name of its folder.
      pictures: the result of `plots.draw`.
    """
    verdicts, why = claims(results), hypotheses(results)
    on = "on the held-out photographs" if results.decisive else "averaged over the sets"
    parts = [f"# The tying study: {name}", _setting(results, name)]
    parts += ["## The paper's claims"]
    parts += [_claims(verdicts), _VERDICTS.format(on=on)] if verdicts else [_NO_CLAIMS]
    if why or any(results.find(tying) for tying in (*CLOSING.values(), HALF)):
        parts += ["## Why does the tying cost quality?", *([_claims(why), _WHY] if why else [_NO_GAP])]
    parts += ["## Variants and their cost", _costs(results)]
    parts += ["## Quality", _picture(pictures, "differences", _DIFFERENCES.format(on=on))]
    for measure in ("psnr", "ssim"):
        parts += [_scores(results, measure), _gains(results, measure, "MS-LapSRN's", results.reference)]
    parts += [_gains(results, "psnr", _OF_PAPER, results.paper)]
    parts += ["## During training"]
    parts += [_picture(pictures, what, text) for what, text in _ALONG.items()]
    parts += [_losses(results), _moments(results)]
    return "\n\n".join(part for part in parts if part) + "\n"


_NO_CLAIMS = "The claims need finished cells of MS-LapSRN and of the third layer's adjoint with a common seed."
_VERDICTS = (
    "Quality is the PSNR {on}, with 95 % t-intervals of the paired differences. Times are medians of paired ratios "
    "with 95 % bootstrap intervals. A claim is supported or contradicted if its intervals show it. A difference is not "
    "worth having if its interval contains zero and is narrower than 0.05 dB. All else is undecided; intervals over "
    "few seeds are wide. Results for this budget need not hold for the paper's."
)
_NO_GAP = (
    "At no scale does the interval show that the paper's tying scores less than MS-LapSRN. The hypotheses are not "
    "tested."
)
_WHY = (
    "These hypotheses are about the gap, the PSNR that the paper's tying loses to MS-LapSRN. Only the scales at which "
    "its interval lies below zero count. This choice makes a small gap look as if it had grown. "
    "Support needs all scales; contradiction needs one, and intervals that hold for all of them simultaneously. If no "
    "change closes the gap and it does not shrink, capacity remains as an explanation: one kernel cannot do both. "
    "AdamW ignores a factor that is common to all gradients of a kernel, so a gain of two also balances the two "
    "gradients as half the weight of the convolution does; the difference between these two variants is due to the "
    "scale. A variant whose steps cost less takes more of them."
)
_DIFFERENCES = (
    "The plot shows PSNR {on}, relative to MS-LapSRN with the same seed: each seed (faint), their mean (diamond) and "
    "its 95 % t-interval, which may extend beyond the panel."
)
_ALONG = {
    "progress": (
        "Does the gap close with more training? The plot shows PSNR on the held-out photographs relative to MS-LapSRN "
        "at the same step, averaged over the seeds. A variant that is validated at other steps is left out."
    ),
    "losses": (
        "The plot shows the smoothed training loss, averaged over the seeds. Cells with the same seed see the same "
        "batches in the same order, so the right panel compares losses on equal batches. A variant that takes another "
        "number of steps is left out. The loss of a soft tie includes its penalty."
    ),
    "gradients": (
        "The plot compares the two gradients of the shared kernel: g_conv from its use as the block's convolution and "
        "g_up from its use as the upsampler, mapped back by the transpose of the orientation. The loss is that of one "
        "batch, the same for all variants. MS-LapSRN, which shares nothing, is probed like the paper's tying. A "
        "gain on the upsampler's use and a weight of the convolution's gradient are left out. Curves are means over "
        "the seeds. This and the following plots use the trained parameters, not their average."
    ),
    "kernels": (
        "Do separate kernels drift towards a tied one? The plot shows the cosine between the upsampler's kernel and "
        "each kernel of the block, K1 to Kd, in each orientation, averaged over the seeds. The cosine of two random "
        "kernels with C channels lies within 2 / (3 C) of 0 in 95 % of all cases."
    ),
    "drift": (
        "The plot shows the same during training, for the lender in the variant's orientation and, for MS-LapSRN, the "
        "third layer's adjoint. The distance of two random kernels is about 1.41. Curves are means over the seeds, and "
        "bands reach from minimum to maximum."
    ),
    "inverse": (
        "The plot shows how far the upsampler U is from an inverse of the convolution on its input features x: the "
        "minimum of |a D U x - x| / |x| over all factors a. D is the lender's convolution with stride 2 (the third "
        "layer's for MS-LapSRN), which has U as its transpose in the adjoint orientation. The error is 0 if D inverts "
        "U and 1 if D U x is orthogonal to x. Curves are means over the seeds, and bands reach from minimum to maximum."
    ),
}


def _setting(results: Results, name: str) -> str:
    base = results.grid["base"]
    model, data = base["model"], base["data"]
    used = "; ".join(sorted({f"jax {cell['jax']}, {cell['device']}" for cell in results.cells.values()}))
    weights = "averaged weights" if base["optimizer"]["ema_decay"] else "last weights"
    total = len(results.grid["variants"]) * len(results.grid["seeds"])
    budget = f"{results.grid['steps']:,} steps" if results.grid["steps"] else f"{results.grid['flops'] / 1e12:g} TFLOP"
    scales = ", ".join(f"x{scale}" for scale in results.scales)
    return (
        f"{len(results.cells)} of {total} cells are finished: {len(results.grid['variants'])} variants, "
        f"{len(results.grid['seeds'])} seeds. Each was trained for {budget} on {data['train']} with "
        f"{data['batch_size']} patches of {data['patch_size']} pixels per step for {scales} together. The "
        f"networks have {model['features']} features, depth {model['depth']} and {model['recursions']} recursions. "
        f"Scores are those of the {weights} by protocol A ({used}).\n"
        f"\n`python -m studies.report` generates this page from grid.json, cells/VARIANT-SEED.json and times.json in "
        f"this folder. A seed determines the initial parameters and the batches, equally for all variants, and "
        f"differences are paired by seed. Intervals are over seeds, not over pictures."
    )


def _claims(found: Sequence[Claim]) -> str:
    lines = []
    for claim in found:
        lines.append(f"- {claim.text} **{claim.verdict.capitalize()}.**")
        lines += [f"    - {figure}" for figure in claim.figures] + [f"    - from {claim.files}"]
    return "\n".join(lines)


def _costs(results: Results) -> str:
    rows = []
    for name in results.variants:
        cell = results.cells[name, results.seeds(name)[0]]
        rows.append([
            name, meaning(results.grid["variants"][name]), str(len(results.seeds(name))), f"{cell['parameters']:,}",
            f"{cell['step_flops'] / 1e9:,.2f}", f"{cell['config']['training']['steps']:,}",
            *(_ratio(results, kind, name) for kind in ("step", "picture")),
        ])  # fmt: skip
    notes = [
        "The adjoint orientation swaps channels and flips taps, which gives the transpose of the convolution; plain "
        "does neither.",
        "GFLOP counts the convolutions in a training step. It excludes kernel gradients that a `stop_gradient` makes "
        "unnecessary, so the same budget allows more steps. Data from cells/\\*.json.",
    ]
    if results.times:
        notes.append(
            f"Times are those of a step and of a picture at x{results.times['scale']} relative to MS-LapSRN, measured "
            f"in turns in one process: median of the paired ratios [95 %]. Data from times.json "
            f"({results.times['machine']})."
        )
    columns = ["variant", "what is shared", "seeds", "parameters", "GFLOP a step", "steps", "step time", "picture time"]
    return _table("Variants", columns, rows, notes)


def _ratio(results: Results, kind: str, name: str) -> str:
    reference = results.reference(name)
    if results.times is None or not {name, reference} <= results.times[kind].keys():
        return "-"
    if name == reference:
        return "1"
    return "{:.3f} [{:.3f}, {:.3f}]".format(*ratio_interval(results.times[kind][name], results.times[kind][reference]))


def _places(results: Results) -> list[tuple[str, int]]:
    return [(of, scale) for of in results.sets for scale in results.scales]


def _scores(results: Results, measure: str) -> str:
    digits = DIGITS[measure]
    rows = []
    for name in results.variants:
        values = [[results.score(name, seed, s, of, measure) for seed in results.seeds(name)]
                  for of, s in _places(results)]  # fmt: skip
        rows.append([name, *(_spread(v, digits) for v in values)])
    columns = ["variant", *(f"{of} x{scale}" for of, scale in _places(results))]
    notes = ("Values are mean and standard error over the seeds. Data from `scores` in cells/\\*.json.",)
    return _table(UNITS[measure], columns, rows, notes)


def _spread(values: Sequence[float], digits: int) -> str:
    """Formats the mean with its standard error, if there is one."""
    error = f" ± {standard_error(values):.{digits + 1}f}" if len(values) > 1 else ""
    return f"{np.mean(values):.{digits}f}{error}"


def _gains(results: Results, measure: str, whose: str, other: Callable[[str], str | None]) -> str:
    """Returns the table of the differences between each variant and `other(variant)`, or "" if there are none."""
    rows = []
    for name, beside in results.compared(other):
        gains = [t_interval(results.differences(name, beside, s, of, measure)) for of, s in _places(results)]
        rows.append([name, *(show(gain, DIGITS[measure] + 1) for gain in gains), str(gains[0].n)])
    columns = ["variant", *(f"{of} x{scale}" for of, scale in _places(results)), "pairs"]
    notes = [_ALONE.format(data="scores")]
    return _table(f"{UNITS[measure]} above {whose}", columns, rows, notes) if rows else ""


def _losses(results: Results) -> str:
    rows = []
    for name, paper in results.compared(results.paper):
        if results.steps(name) != results.steps(paper):
            continue
        fits = [t_interval(values) for values in excess(results, name, paper).T]
        rows.append([name, *(show(fit) for fit in fits), str(fits[0].n)])
    columns = ["variant", "at the end (%)", "change with each doubling of the steps (%)", "pairs"]
    notes = [
        "A line over the logarithm of the steps is fitted to the relative differences on equal batches in the last "
        f"{1 - 2.0**-DOUBLINGS:.1%} of the steps. A variant that takes another number of steps is left out, as its "
        "learning rate differs at the same step. The loss of a soft tie includes its penalty.",
        _ALONE.format(data="loss"),
    ]
    return _table(f"Training loss above {_OF_PAPER}", columns, rows, notes) if rows else ""


_OF_PAPER = "that of the paper's tying"
_ALONE = (
    "Values are the mean [95 % t-interval] of differences paired by seed. Each interval stands alone: among twenty "
    "true zeros, one is expected to look like a difference. Data from `{data}` in cells/\\*.json."
)


def _moments(results: Results) -> str:
    """Returns a table of all probes at the start and at the end, as means over the seeds."""
    rows = []
    for name in results.variants:
        cells = [results.cells[name, seed]["moments"] for seed in results.seeds(name)]
        start, end = (np.mean([_numbers(results, name, cell[i]) for cell in cells], axis=0) for i in (0, -1))
        rows.append([name, *(f"{a:.3f} → {b:.3f}" for a, b in zip(start, end, strict=True))])
    columns = ["variant", "gradients' cosine", "their ratio up / conv", "kernels' cosine", "their distance",
               "inverse error"]  # fmt: skip
    notes = (
        "Values are means over the seeds and, for the inverse error, over the levels. Data from `moments` in "
        "cells/\\*.json.",
    )
    return _table("From the start to the end of training", columns, rows, notes)


def _numbers(results: Results, name: str, moment: dict[str, Any]) -> list[float]:
    gradients, lent = moment["gradients"], results.lent(name, moment)
    inverse = float(np.mean(moment["inverse"]))
    return [gradients["cosine"], gradients["ratio"], lent["cosine"], lent["distance"], inverse]


def _picture(pictures: dict[str, str], what: str, text: str) -> str:
    """Returns a picture with its caption, or "" if it was not drawn."""
    source = {"losses": "`loss`", "differences": "`scores`", "progress": "`validation`"}.get(what, "`moments`")
    if what not in pictures:
        return ""
    return f"![{what}]({pictures[what]})\n\n*{text} Data from {source} in cells/\\*.json.*"


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], notes: Sequence[str]) -> str:
    return render([Table(title, columns, rows, [], notes)], "markdown").rstrip("\n")


def main() -> None:
    """Reads the results, draws the pictures and writes the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path, help="the folder of the study")
    folder = parser.parse_args().folder
    with reported():
        results = read_results(folder)
        page = report(results, folder.resolve().name, draw(results, folder))
        with atomic_write(folder / "README.md") as partial:
            partial.write_text(page)
        print(folder / "README.md")


if __name__ == "__main__":
    main()
