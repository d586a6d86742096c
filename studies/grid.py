"""Grids of the tying study: variants x seeds, each a training run, all at the same cost."""

import copy
import dataclasses
import json
import pathlib
import re
import runpy
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import ml_collections

from lapsrn_jax import models
from lapsrn_jax.data.patches import split_batch
from lapsrn_jax.errors import UserError
from lapsrn_jax.models import Tying
from lapsrn_jax.training.settings import check_settings
from tools.flops import step_flops

HELD_OUT = "held out"  # the set of the photographs that the grid holds out of its training data


@dataclasses.dataclass(frozen=True)
class Variant:
    """One meaning of "shared".

    Attributes:
      tying: the tying; None is MS-LapSRN, which shares nothing.
      use_bias: whether the network has biases.
    """

    tying: Tying | None
    use_bias: bool = False


class Cell(NamedTuple):
    """One run of the study: the name of a variant, and a seed."""

    variant: str
    seed: int

    @property
    def name(self) -> str:
        """The name of the cell's files."""
        return f"{self.variant}-{self.seed}"


@dataclasses.dataclass(frozen=True)
class Grid:
    """A study: every variant with every seed.

    A cell's seed determines its initial parameters and its patches, so cells with the same seed start alike and see the
    same data.

    Attributes:
      base: a run's config as in configs/default.py. Seed, tying, biases, steps and checkpoints are set for each cell.
      variants: the variants by name. They must include MS-LapSRN, with biases if variants have them, for comparison.
      seeds: the seeds, by which differences between variants are paired.
      sets: folders of photographs to score, in addition to those that base.data.hold_out holds out.
      steps: budget of each cell in steps; exactly one of `steps` and `flops` is set.
      flops: budget of each cell in floating-point operations, as counted by `flops.step_flops`.
      moments: number of times during training to probe kernels and gradients, in addition to the start.
    """

    base: ml_collections.ConfigDict
    variants: Mapping[str, Variant]
    seeds: Sequence[int]
    sets: Sequence[str]
    steps: int | None = None
    flops: float | None = None
    moments: int = 6

    def __post_init__(self) -> None:
        if (self.steps is None) == (self.flops is None):
            raise UserError("the grid's budget is either steps or flops: set one of them")
        for name in self.variants:
            if not re.fullmatch(r"[a-z0-9_]+", name):
                raise UserError(f"{name!r} cannot name a variant: use lower-case letters, digits and _")
        if len({HELD_OUT} | {pathlib.Path(folder).name for folder in self.sets}) <= len(self.sets):
            raise UserError("two of the grid's sets have the same name: rename one of the folders")
        for name in self.variants:
            self.reference(name)
        if (depth := self.base.model.depth) < Tying().layer:
            raise UserError(
                f"model.depth {depth} is too small: MS-LapSRN is probed at its third convolution, so use 3 or more"
            )
        for cell in self.cells:
            check_settings(self.config(cell))

    @property
    def cells(self) -> list[Cell]:
        """All cells, ordered by seed, so that an unfinished study has cells to compare."""
        return [Cell(variant, seed) for seed in self.seeds for variant in self.variants]

    def reference(self, name: str) -> str:
        """Returns the name of the MS-LapSRN to compare a variant with: the one with biases if the variant has them."""
        bias = self.variants[name].use_bias
        found = [n for n, v in self.variants.items() if v.tying is None and v.use_bias == bias]
        if len(found) != 1:
            raise UserError(f"{name} needs one variant with tying=None and use_bias={bias} to compare with")
        return found[0]

    def model(self, name: str) -> models.Pyramid:
        """Returns the network of a variant, for evaluation."""
        model = models.from_settings(self._of_variant(name).model)
        assert isinstance(model, models.Pyramid)
        return model.clone(tying=self.variants[name].tying)

    def step_flops(self, name: str) -> int:
        """Returns the floating-point operations of one training step of a variant."""
        data = self.base.data
        return step_flops(self.model(name), data.patch_size, split_batch(data.batch_size, data.scales, 1))

    def config(self, cell: Cell) -> ml_collections.ConfigDict:
        """Returns the config of a cell's run, for `training.loop.train_and_evaluate` with the variant's `model`."""
        steps = self.steps if self.steps is not None else int((self.flops or 0) // self.step_flops(cell.variant))
        config = self._of_variant(cell.variant)
        config.seed = cell.seed
        config.training.steps = steps
        config.training.checkpoint_every = -(-steps // self.moments)
        config.training.keep = max(steps, 1)  # keep all, even with additional ones from stops
        return config

    def _of_variant(self, name: str) -> ml_collections.ConfigDict:
        variant, config = self.variants[name], copy.deepcopy(self.base)
        config.model.use_bias = variant.use_bias
        fields = [field.name for field in dataclasses.fields(Tying)]  # a config has no place for those of a ScaledTying
        config.model.tying = variant.tying and ml_collections.ConfigDict({f: getattr(variant.tying, f) for f in fields})
        return config

    def describe(self) -> dict[str, Any]:
        """Returns the whole grid, JSON-ready."""
        values = {name: getattr(self, name) for name in ("seeds", "sets", "steps", "flops", "moments")}
        variants = {name: dataclasses.asdict(variant) for name, variant in self.variants.items()}
        base = json.loads(self.base.to_json_best_effort())
        return json.loads(json.dumps({"base": base, "variants": variants} | values))


def load_grid(path: pathlib.Path) -> Grid:
    """Returns the grid of `get_grid()` in a Python file.

    Raises:
      UserError: the file or the function does not exist, or the grid is invalid.
    """
    if not path.is_file():
        raise UserError(f"no such config: {path}; see studies/configs/")
    namespace = runpy.run_path(str(path))
    if "get_grid" not in namespace:
        raise UserError(f"{path} has no get_grid(): see studies/configs/mini.py")
    grid = namespace["get_grid"]()
    assert isinstance(grid, Grid)
    return grid
