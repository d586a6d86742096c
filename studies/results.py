"""Reads the results files of a study."""

import dataclasses
import json
import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np

from lapsrn_jax.errors import UserError
from lapsrn_jax.models import Tying
from studies.grid import HELD_OUT
from studies.probes import ORIENTATIONS
from studies.scaled import ScaledTying

Description = dict[str, Any]
"""A variant in grid.json: {"tying": the fields of a `Tying` or None, "use_bias": bool}."""


@dataclasses.dataclass(frozen=True)
class Results:
    """The results in a study's folder.

    Attributes:
      grid: grid.json.
      cells: cells/VARIANT-SEED.json, by (variant, seed).
      times: times.json, or None if nothing was timed.
    """

    grid: dict[str, Any]
    cells: dict[tuple[str, int], dict[str, Any]]
    times: dict[str, Any] | None

    @property
    def variants(self) -> list[str]:
        """The variants with a finished cell, in the grid's order."""
        return [name for name in self.grid["variants"] if self.seeds(name)]

    @property
    def scales(self) -> list[int]:
        """The scales that were trained and scored."""
        return list(self.grid["base"]["data"]["scales"])

    @property
    def sets(self) -> list[str]:
        """The names of the sets that were scored, the held-out photographs first."""
        held_out = [HELD_OUT] if self.grid["base"]["data"]["hold_out"] else []
        return held_out + [pathlib.Path(folder).name for folder in self.grid["sets"]]

    @property
    def decisive(self) -> str | None:
        """The set that decides the claims: the held-out photographs, or None for the mean over all sets."""
        return HELD_OUT if HELD_OUT in self.sets else None

    def seeds(self, *variants: str) -> list[int]:
        """Returns the seeds for which all of these variants are finished."""
        return [seed for seed in self.grid["seeds"] if all((name, seed) in self.cells for name in variants)]

    def tying(self, name: str) -> Tying | None:
        """Returns the tying of a variant."""
        fields = self.grid["variants"][name]["tying"]
        return None if fields is None else _tying(fields)

    def reference(self, name: str) -> str:
        """Returns the MS-LapSRN to compare a variant with: the one with biases if the variant has them."""
        bias = self.grid["variants"][name]["use_bias"]
        return self.find(None, bias)[0]

    def steps(self, name: str) -> int:
        """Returns the number of training steps of a variant with a finished cell."""
        return int(self.cells[name, self.seeds(name)[0]]["config"]["training"]["steps"])

    def paper(self, name: str) -> str | None:
        """Returns the name of the paper's tying with biases if the variant has them; None if the study lacks it."""
        return next(iter(self.find(Tying(), self.grid["variants"][name]["use_bias"])), None)

    def compared(self, other: Callable[[str], str | None]) -> list[tuple[str, str]]:
        """Returns the pairs (variant, `other(variant)`) that differ and have finished a common seed."""
        pairs = [(name, beside) for name in self.variants if (beside := other(name)) and beside != name]
        return [(name, beside) for name, beside in pairs if self.seeds(name, beside)]

    def find(self, tying: Tying | None, use_bias: bool = False) -> list[str]:
        """Returns the name of the variant with exactly these settings, as a list of one name or none."""
        wanted = {"tying": None if tying is None else dataclasses.asdict(tying), "use_bias": use_bias}
        return [name for name, variant in self.grid["variants"].items() if variant == wanted]

    def score(self, name: str, seed: int, scale: int, of: str | None = None, measure: str = "psnr") -> float:
        """Returns the score of one cell on the set `of`, by default on the decisive one."""
        of = of or self.decisive
        scores = [s for s in self.cells[name, seed]["scores"] if s["scale"] == scale and of in (None, s["set"])]
        return float(np.mean([s[measure] for s in scores]))

    def differences(
        self, name: str, other: str, scale: int, of: str | None = None, measure: str = "psnr"
    ) -> list[float]:
        """Returns the score of `name` minus that of `other` for each seed that both have finished."""
        return [
            self.score(name, seed, scale, of, measure) - self.score(other, seed, scale, of, measure)
            for seed in self.seeds(name, other)
        ]

    def progress(self, name: str, other: str, scale: int) -> dict[int, dict[int, float]]:
        """Returns the differences in PSNR on the held-out photographs by step and seed.

        Only seeds that both have finished count, and only steps at which both were validated.
        """
        column = 1 + self.scales.index(scale)
        found: dict[int, dict[int, float]] = {}
        for seed in self.seeds(name, other):
            mine, theirs = ({row[0]: row[column] for row in self.cells[n, seed].get("validation", [])}
                            for n in (name, other))  # fmt: skip
            for step in sorted(mine.keys() & theirs.keys()):
                found.setdefault(step, {})[seed] = mine[step] - theirs[step]
        return found

    def lent(self, name: str, moment: dict[str, Any]) -> dict[str, float]:
        """Returns "cosine" and "distance" between the upsampler's kernel and the oriented lender's in a cell's moment.

        For MS-LapSRN, the lender is the third layer in the adjoint orientation.
        """
        tying = self.tying(name) or Tying()
        near = moment["kernels"][orientation(tying)]
        return {number: near[number][tying.layer - 1] for number in near}


def read_results(folder: pathlib.Path) -> Results:
    """Reads the results of the study in a folder.

    Raises:
      UserError: there is no study, or none of its cells is finished.
    """
    if not (folder / "grid.json").exists():
        raise UserError(f"no study in {folder}: run python -m studies.tying first")
    grid = json.loads((folder / "grid.json").read_text())
    cells = {}
    for variant in grid["variants"]:
        for seed in grid["seeds"]:
            path = folder / "cells" / f"{variant}-{seed}.json"
            if path.exists():
                cells[variant, seed] = json.loads(path.read_text())
    if not cells:
        raise UserError(f"no cell of {folder} is finished yet: run python -m studies.tying again")
    times = folder / "times.json"
    return Results(grid, cells, json.loads(times.read_text()) if times.exists() else None)


def _tying(fields: dict[str, Any]) -> Tying:
    return ScaledTying(**fields) if "gain" in fields else Tying(**fields)


def orientation(tying: Tying) -> str:
    """Returns the name of a tying's orientation in `ORIENTATIONS`."""
    return next(name for name, turns in ORIENTATIONS.items() if turns == (tying.swap_channels, tying.flip_taps))


def meaning(variant: Description) -> str:
    """Describes a variant in words."""
    biases = " with biases" if variant["use_bias"] else ""
    if variant["tying"] is None:
        return f"MS-LapSRN{biases}: nothing is shared"
    tying = _tying(variant["tying"])
    parts = [f"layer {tying.layer}, {orientation(tying)}"]
    if tying.gradient != "both":
        parts.append(
            {"conv": "trained by the convolution alone", "upsample": "trained by the upsampler alone"}[tying.gradient]
        )
    if tying.strength == "soft":
        parts.append(f"two kernels kept close by a penalty of {tying.penalty:g}")
    if tying.strength == "init":
        parts.append("two kernels that start equal")
    if isinstance(tying, ScaledTying):
        if tying.learn_gain:
            parts.append(f"a learned gain for each output channel of the upsampler, {tying.gain:g} at the start")
        elif tying.gain != 1:
            parts.append(f"the upsampler's kernel times {tying.gain:g}")
        if tying.conv_weight != 1:
            parts.append(f"the gradient of the convolution's use times {tying.conv_weight:g}")
    if variant["use_bias"]:
        parts.append(f"bias {tying.bias}")
    return "; ".join(parts)
