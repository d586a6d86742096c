"""One page about a study, made from its results files alone.

    python -m studies.report runs/tying_mini

writes FOLDER/README.md and the pictures in it; also of a study that is not finished yet.
"""

import argparse
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from lapsrn_jax.errors import reported
from lapsrn_jax.evaluation.tables import Table, render
from lapsrn_jax.files import atomic_write
from studies.claims import Claim, claims, show
from studies.intervals import standard_error, t_interval
from studies.plots import draw
from studies.results import Results, meaning, read_results
from tools.timing import ratio_interval

DIGITS = {"psnr": 2, "ssim": 4}
UNITS = {"psnr": "PSNR (dB)", "ssim": "SSIM"}


def report(results: Results, name: str, pictures: dict[str, str]) -> str:
    """The page, in Markdown.

    Args:
      results: of the study.
      name: of its folder.
      pictures: from `plots.draw`.
    """
    verdicts = claims(results)
    parts = [f"# The tying study: {name}", _setting(results, name)]
    parts += ["## The paper's claims", _claims(verdicts) if verdicts else _NO_CLAIMS]
    parts += ["## Variants and what they cost", _costs(results)]
    parts += ["## Quality", _picture(pictures, "differences", _DIFFERENCES)]
    for measure in ("psnr", "ssim"):
        parts += [_scores(results, measure), _gains(results, measure)]
    parts += ["## Along the training"]
    parts += [_picture(pictures, what, text) for what, text in _ALONG.items()]
    parts += [_moments(results)]
    return "\n\n".join(part for part in parts if part) + "\n"


_NO_CLAIMS = "They need finished cells of MS-LapSRN and of the third layer's adjoint with a common seed."
_VERDICTS = (
    "Quality is the mean PSNR over the sets, with 95 % t-intervals of the paired differences; times are medians of "
    "paired ratios with 95 % bootstrap intervals. A claim is supported or contradicted where its intervals say so, "
    "else undecided: those of few seeds are wide. What holds for this budget need not hold for the paper's."
)
_DIFFERENCES = (
    "Mean PSNR over the sets above that of MS-LapSRN of the same seed: each seed (faint), their mean (diamond) and its "
    "95 % t-interval, which may go on beyond the panel."
)
_ALONG = {
    "losses": (
        "Training loss, smoothed, the mean over the seeds. Cells of one seed see the same batches in one order, so "
        "the right panel compares like with like, at the same step. The loss of a soft tie has its penalty in it."
    ),
    "gradients": (
        "The two contributions to the shared kernel, g_conv (as the block's convolution) and g_up (as the upsampler, "
        "turned back by the transpose of the orientation), of the loss on one batch, the same for all. Of "
        "MS-LapSRN, which shares nothing, as if it had the paper's tying. Means over the seeds. Here and below of the "
        "parameters as they are trained, not of their average."
    ),
    "kernels": (
        "Do free kernels drift towards a tied one? The cosine between the upsampler's kernel and each of the block's, "
        "K1 to Kd, in each orientation; mean over the seeds. Of two kernels drawn at random, C channels to C, the "
        "cosine lies within 2 / (3 C) of 0 in 95 %."
    ),
    "drift": (
        "The same along the training, for the lender in the variant's orientation; of MS-LapSRN, for the third layer's "
        "adjoint. Two random kernels are about 1.41 apart. Mean over the seeds, band from least to greatest."
    ),
    "inverse": (
        "How far the upsampler U is from an inverse of the convolution, on the features x that enter it: the least "
        "|a D U x - x| / |x| over all factors a, where D is the lender's convolution with stride 2 (the third layer's "
        "for MS-LapSRN), whose transpose U would be in the adjoint orientation. 0: D undoes U; 1: nothing of x comes "
        "back. Mean over the seeds, band from least to greatest."
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
        f"{len(results.grid['seeds'])} seeds. Each was trained for {budget} on {data['train']}, {data['batch_size']} "
        f"patches of {data['patch_size']} pixels a step, {scales} together; features {model['features']}, depth "
        f"{model['depth']}, recursions {model['recursions']}. Scores are of the {weights}, by protocol A; {used}.\n"
        f"\nThis page is made by `python -m studies.report` from grid.json, cells/VARIANT-SEED.json and times.json of "
        f"this folder and from nothing else. A seed draws the first parameters and the batches, alike for all "
        f"variants; differences are paired by it. Intervals are over seeds, not over pictures."
    )


def _claims(found: Sequence[Claim]) -> str:
    lines = []
    for claim in found:
        lines.append(f"- {claim.text} **{claim.verdict.capitalize()}.**")
        lines += [f"    - {figure}" for figure in claim.figures] + [f"    - from {claim.files}"]
    return "\n".join([*lines, "", _VERDICTS])


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
        "Adjoint: channels swapped and taps flipped, the transpose of the convolution; plain: neither of them.",
        "From cells/\\*.json. GFLOP: of the convolutions in a training step; where a `stop_gradient` makes a kernel's "
        "gradient unnecessary it is not counted, and the budget gives more steps.",
    ]
    if results.times:
        notes.append(
            f"Times, from times.json: a step and a picture at x{results.times['scale']} against MS-LapSRN's, all in "
            f"turns in one process; median of the paired ratios [95 %]. {results.times['machine']}."
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
    notes = ("Mean and standard error over the seeds; from `scores` in cells/\\*.json.",)
    return _table(UNITS[measure], columns, rows, notes)


def _spread(values: Sequence[float], digits: int) -> str:
    """The mean, and its standard error where there is one."""
    error = f" ± {standard_error(values):.{digits + 1}f}" if len(values) > 1 else ""
    return f"{np.mean(values):.{digits}f}{error}"


def _gains(results: Results, measure: str) -> str:
    rows = []
    for name in results.variants:
        reference = results.reference(name)
        if reference != name and results.seeds(name, reference):
            gains = [t_interval(results.differences(name, reference, s, of, measure)) for of, s in _places(results)]
            rows.append([name, *(show(gain, DIGITS[measure] + 1) for gain in gains), str(gains[0].n)])
    columns = ["variant", *(f"{of} x{scale}" for of, scale in _places(results)), "pairs"]
    notes = (
        "Paired by the seed; mean [95 % t-interval], each for itself: of twenty true zeros one is expected to look "
        "like a difference. From `scores` in cells/\\*.json.",
    )
    return _table(f"{UNITS[measure]} above MS-LapSRN's", columns, rows, notes) if rows else ""


def _moments(results: Results) -> str:
    """Start and end of all that was probed, as means over the seeds."""
    rows = []
    for name in results.variants:
        cells = [results.cells[name, seed]["moments"] for seed in results.seeds(name)]
        start, end = (np.mean([_numbers(results, name, cell[i]) for cell in cells], axis=0) for i in (0, -1))
        rows.append([name, *(f"{a:.3f} → {b:.3f}" for a, b in zip(start, end, strict=True))])
    columns = ["variant", "gradients' cosine", "their ratio up / conv", "kernels' cosine", "their distance",
               "inverse error"]  # fmt: skip
    notes = ("Means over the seeds, the inverse error's over the levels too; from `moments` in cells/\\*.json.",)
    return _table("From the start to the end of the training", columns, rows, notes)


def _numbers(results: Results, name: str, moment: dict[str, Any]) -> list[float]:
    gradients, lent = moment["gradients"], results.lent(name, moment)
    inverse = float(np.mean(moment["inverse"]))
    return [gradients["cosine"], gradients["ratio"], lent["cosine"], lent["distance"], inverse]


def _picture(pictures: dict[str, str], what: str, text: str) -> str:
    """A picture with its caption, or nothing."""
    source = "`loss`" if what == "losses" else "`scores`" if what == "differences" else "`moments`"
    if what not in pictures:
        return ""
    return f"![{what}]({pictures[what]})\n\n*{text} From {source} in cells/\\*.json.*"


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], notes: Sequence[str]) -> str:
    return render([Table(title, columns, rows, [], notes)], "markdown").rstrip("\n")


def main() -> None:
    """Reads, draws, writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path, help="of the study")
    folder = parser.parse_args().folder
    with reported():
        results = read_results(folder)
        page = report(results, folder.resolve().name, draw(results, folder))
        with atomic_write(folder / "README.md") as partial:
            partial.write_text(page)
        print(folder / "README.md")


if __name__ == "__main__":
    main()
