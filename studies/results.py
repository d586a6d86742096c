"""The files of a study, read back: all that the report is made from."""

import dataclasses
import json
import pathlib
from typing import Any

import numpy as np

from lapsrn_jax.errors import UserError
from lapsrn_jax.models import Tying
from studies.probes import ORIENTATIONS

Description = dict[str, Any]
"""A variant in grid.json: {"tying": the fields of a `Tying` or None, "use_bias": bool}."""


@dataclasses.dataclass(frozen=True)
class Results:
    """What a study's folder holds.

    Attributes:
      grid: grid.json.
      cells: cells/VARIANT-SEED.json, by (variant, seed).
      times: times.json, or None where nothing was timed.
    """

    grid: dict[str, Any]
    cells: dict[tuple[str, int], dict[str, Any]]
    times: dict[str, Any] | None

    @property
    def variants(self) -> list[str]:
        """Those with a finished cell, in the grid's order."""
        return [name for name in self.grid["variants"] if self.seeds(name)]

    @property
    def scales(self) -> list[int]:
        """All that were trained and scored."""
        return list(self.grid["base"]["data"]["scales"])

    @property
    def sets(self) -> list[str]:
        """The names of the sets that were scored."""
        return [pathlib.Path(folder).name for folder in self.grid["sets"]]

    def seeds(self, *variants: str) -> list[int]:
        """Those for which the cells of all these variants are finished."""
        return [seed for seed in self.grid["seeds"] if all((name, seed) in self.cells for name in variants)]

    def tying(self, name: str) -> Tying | None:
        """A variant's."""
        fields = self.grid["variants"][name]["tying"]
        return None if fields is None else Tying(**fields)

    def reference(self, name: str) -> str:
        """The MS-LapSRN that a variant is compared with: without biases, or with them if it has them."""
        bias = self.grid["variants"][name]["use_bias"]
        return self.find(None, bias)[0]

    def find(self, tying: Tying | None, use_bias: bool = False) -> list[str]:
        """The names, one or none, of the variants that are just this."""
        wanted = {"tying": None if tying is None else dataclasses.asdict(tying), "use_bias": use_bias}
        return [name for name, variant in self.grid["variants"].items() if variant == wanted]

    def score(self, name: str, seed: int, scale: int, of: str | None = None, measure: str = "psnr") -> float:
        """Of one cell on a set, or the mean over the sets."""
        scores = [s for s in self.cells[name, seed]["scores"] if s["scale"] == scale and of in (None, s["set"])]
        return float(np.mean([s[measure] for s in scores]))

    def differences(
        self, name: str, other: str, scale: int, of: str | None = None, measure: str = "psnr"
    ) -> list[float]:
        """For each seed that both have, how much higher the score of `name` is."""
        return [
            self.score(name, seed, scale, of, measure) - self.score(other, seed, scale, of, measure)
            for seed in self.seeds(name, other)
        ]

    def lent(self, name: str, moment: dict[str, Any]) -> dict[str, float]:
        """Of a cell's moment the "cosine" and "distance" between the upsampler's kernel and the oriented lender's.

        MS-LapSRN is looked at as if the third layer lent its adjoint.
        """
        tying = self.tying(name) or Tying()
        near = moment["kernels"][orientation(tying)]
        return {number: near[number][tying.layer - 1] for number in near}


def read_results(folder: pathlib.Path) -> Results:
    """The study in a folder.

    Raises:
      UserError: there is none, or no cell of it is finished.
    """
    if not (folder / "grid.json").exists():
        raise UserError(f"no study in {folder}: python -m studies.tying makes one")
    grid = json.loads((folder / "grid.json").read_text())
    cells = {}
    for variant in grid["variants"]:
        for seed in grid["seeds"]:
            path = folder / "cells" / f"{variant}-{seed}.json"
            if path.exists():
                cells[variant, seed] = json.loads(path.read_text())
    if not cells:
        raise UserError(f"no cell of {folder} is finished yet: let python -m studies.tying go on")
    times = folder / "times.json"
    return Results(grid, cells, json.loads(times.read_text()) if times.exists() else None)


def orientation(tying: Tying) -> str:
    """Its name among `ORIENTATIONS`."""
    return next(name for name, turns in ORIENTATIONS.items() if turns == (tying.swap_channels, tying.flip_taps))


def meaning(variant: Description) -> str:
    """A variant in words."""
    biases = " with biases" if variant["use_bias"] else ""
    if variant["tying"] is None:
        return f"MS-LapSRN{biases}: nothing is shared"
    tying = Tying(**variant["tying"])
    parts = [f"layer {tying.layer}, {orientation(tying)}"]
    if tying.gradient != "both":
        parts.append(
            {"conv": "trained by the convolution alone", "upsample": "trained by the upsampler alone"}[tying.gradient]
        )
    if tying.strength == "soft":
        parts.append(f"two kernels held near with penalty {tying.penalty:g}")
    if tying.strength == "init":
        parts.append("two kernels that start equal")
    if variant["use_bias"]:
        parts.append(f"bias {tying.bias}")
    return "; ".join(parts)
