"""Grids: their cells, the cost of the cells, and bad grids."""

import pathlib

import pytest

from configs import default
from lapsrn_jax.errors import UserError
from lapsrn_jax.models import Tying
from studies.grid import Cell, Grid, Variant, load_grid
from tests.conftest import ROOT

CONFIGS = sorted(path for path in (ROOT / "studies" / "configs").glob("*.py") if path.stem != "__init__")


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_each_grid_builds_and_documents_itself(path):
    grid = load_grid(path)
    text = path.read_text()
    assert f"python -m studies.tying --config studies/configs/{path.name}" in text
    assert f'"""{len(grid.cells)} cells."""' in text
    assert len({repr(variant) for variant in grid.variants.values()}) == len(grid.variants)


@pytest.mark.parametrize("name", ["mini", "midi", "gpu"])
def test_the_grids_that_judge_the_claims_have_many_variants_and_seeds(name):
    grid = load_grid(ROOT / "studies" / "configs" / f"{name}.py")
    assert len(grid.variants) >= 8
    assert len(grid.seeds) >= 3


def test_the_large_grid_has_every_field_of_a_tying():
    variants = load_grid(ROOT / "studies" / "configs" / "gpu.py").variants.values()
    tyings = [variant.tying for variant in variants if variant.tying]
    assert {t.layer for t in tyings} == {1, 2, 3, 4, 5}
    assert len({(t.swap_channels, t.flip_taps) for t in tyings}) == 4
    for field, values in (("gradient", 3), ("strength", 3), ("penalty", 4), ("bias", 2)):
        assert len({getattr(t, field) for t in tyings}) == values


def grid(**changes):
    config = default.get_config()
    config.model.features, config.model.depth, config.model.recursions = 8, 3, 2
    config.data.scales, config.data.patch_size, config.data.batch_size = (2, 4), 16, 4
    variants = {"ms": Variant(None), "conv": Variant(Tying(gradient="conv")), "up": Variant(Tying(gradient="upsample"))}
    return Grid(**{"base": config, "variants": variants, "seeds": (0, 1), "sets": (), "flops": 1e9} | changes)


def test_a_budget_of_operations_is_the_same_for_all_variants():
    cells = grid().cells
    spent = [grid().config(cell).training.steps * grid().step_flops(cell.variant) for cell in cells]
    assert all(1e9 - grid().step_flops(cell.variant) < s <= 1e9 for cell, s in zip(cells, spent, strict=True))
    assert grid().config(Cell("up", 0)).training.steps > grid().config(Cell("ms", 0)).training.steps
    assert {grid(flops=None, steps=7).config(cell).training.steps for cell in cells} == {7}


def test_cells_differ_in_variant_and_seed_alone():
    a, b = (grid(flops=None, steps=7).config(cell).to_dict() for cell in (Cell("conv", 0), Cell("up", 1)))
    assert (a["seed"], b.pop("seed")) == (0, a.pop("seed") + 1)
    assert a["model"].pop("tying")["gradient"] == "conv"
    assert b["model"].pop("tying")["gradient"] == "upsample"
    assert a == b


@pytest.mark.parametrize(("changes", "message"), [
    ({"steps": 5}, "either steps or flops"),
    ({"variants": {"cms": Variant(Tying())}}, "cms needs one variant with tying=None"),
    ({"variants": {"ms": Variant(None), "b": Variant(Tying(), True)}}, "b needs one .* use_bias=True"),
    ({"variants": {"M S": Variant(None)}}, "cannot name a variant"),
    ({"sets": ("a/Set5", "b/Set5")}, "same name"),
    ({"flops": 10.0}, "training.steps must be"),
])  # fmt: skip
def test_bad_grids_are_refused(changes, message):
    with pytest.raises(UserError, match=message):
        grid(**changes)


def test_the_layer_that_an_untied_network_is_looked_at_by_must_be_there():
    base = grid().base
    base.model.depth = 2
    with pytest.raises(UserError, match=r"model\.depth 2 is too small: .* third"):
        grid(base=base, variants={"ms": Variant(None)})


def test_a_config_that_is_none_is_named(tmp_path):
    with pytest.raises(UserError, match="no such config"):
        load_grid(tmp_path / "none.py")
    pathlib.Path(tmp_path / "empty.py").write_text("")
    with pytest.raises(UserError, match=r"has no get_grid\(\)"):
        load_grid(tmp_path / "empty.py")
