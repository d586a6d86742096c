"""Forecasts what more training would give, from the stages of the recipe whose learning rate fell to its end.

    python -m tools.forecast cms

fits PSNR on the held-out photographs as a + b log2(work) for each scale, where the work is that of a stage and of those
before it, and prints the fit beside the scores and what it expects of 2, 4, 8 and 16 times the work.
"""

import argparse
import json
import pathlib

import numpy as np

from configs import weights
from lapsrn_jax import models
from lapsrn_jax.data.patches import split_batch
from lapsrn_jax.evaluation.tables import Table, render
from lapsrn_jax.models import Pyramid
from tools.flops import step_flops

STATE = pathlib.Path(__file__).parents[1] / "state"
FINISHED = ("r2b", "r4", "r4b", "cool", "cooler", "slow")  # their learning rate falls to 1e-6
SCALES = (2, 4, 8)


def stage_work(family: str, name: str) -> float:
    """Returns the PFLOP of a stage, up to the last step in its log and in its saved state."""
    config = weights.get_config(f"{family}_{name}")
    model = models.from_settings(config.model)
    assert isinstance(model, Pyramid)
    each = step_flops(model, config.data.patch_size, split_batch(config.data.batch_size, config.data.scales, 1))
    saved = [int(path.stem) for path in (STATE / f"{family}_{name}" / "manifests").glob("*.json")]
    steps = [record.get("step", 0) for record in log(family, name)] + saved
    if not steps:
        raise FileNotFoundError(f"state/ has neither the log nor the state of {family}_{name}")
    return each * max(steps) / 1e15


def log(family: str, name: str) -> list[dict[str, float]]:
    """Returns the records of a stage; none if state/ does not have its log."""
    path = STATE / f"{family}_{name}.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def scores(family: str) -> dict[str, tuple[float, list[float]]]:
    """Returns (PFLOP, PSNR of each scale) of each finished stage that has a log in state/.

    The work is that of the stage and of all stages that it continues.
    """
    found = {}
    for name in FINISHED:
        validated = [record for record in log(family, name) if "psnr_x2" in record]
        if not validated:
            continue
        path = [name]
        while before := weights.STAGES[path[-1]].before:
            path.append(before.rpartition("_")[2])
        work = sum(stage_work(family, stage) for stage in path)
        found[name] = work, [validated[-1][f"psnr_x{scale}"] for scale in SCALES]
    return found


def table(found: dict[str, tuple[float, list[float]]]) -> Table:
    """Returns the scores, the fits and the forecasts. At least two stages must be finished."""
    work = np.array([done for done, _ in found.values()])
    fits = [np.polyfit(np.log2(work), [psnr[i] for _, psnr in found.values()], 1) for i in range(len(SCALES))]

    def fitted(done: float) -> list[str]:
        return [f"({np.polyval(fit, np.log2(done)):.2f})" for fit in fits]

    rows = []
    for name, (done, psnr) in found.items():
        both = (f"{value:.2f} {text}" for value, text in zip(psnr, fitted(done), strict=True))
        rows.append([name, f"{done:.2f}", *both])
    further = {f"{times} times the work": times * work[-1] for times in (2, 4, 8, 16)}
    rows += [[name, f"{done:.2f}", *fitted(done)] for name, done in further.items()]
    rows.append(["each doubling", "", *(f"(+{fit[0]:.3f})" for fit in fits)])
    columns = ["stage", "PFLOP", *(f"x{scale}" for scale in SCALES)]
    return Table(
        "Forecast", columns, rows, [], ("PSNR (dB) on the held-out photographs; in brackets, that of the fit.",)
    )


def main() -> None:
    """Prints a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("family", choices=("cms", "ms"))
    print(render([table(scores(parser.parse_args().family))], "markdown"))


if __name__ == "__main__":
    main()
