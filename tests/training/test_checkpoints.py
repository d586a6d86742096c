"""Checkpoints by themselves, without a run around them."""

import dataclasses
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lapsrn_jax import models
from lapsrn_jax.errors import UserError
from lapsrn_jax.training import checkpoints
from lapsrn_jax.training.checkpoints import Checkpoints, read_state
from lapsrn_jax.training.state import TrainState, create_state, make_optimizer
from tests import tiny


def fresh(seed: int = 0, *, ema: bool = True, **overrides) -> TrainState:
    config = tiny.config("", **overrides)
    return create_state(models.from_settings(config.model), make_optimizer(config), seed, ema=ema)


@pytest.fixture(scope="module")
def start() -> TrainState:
    return fresh()


def at(state: TrainState, step: int) -> TrainState:
    """The state with another step, and with parameters that tell it from the others."""
    params = jax.tree.map(lambda x: x + step, state.params)
    return dataclasses.replace(state, step=jnp.int32(step), params=params)


def save(folder, state: TrainState, *steps: int, keep: int = 9) -> None:
    with Checkpoints(folder, keep, pytest.fail) as found:
        for step in steps:
            found.save(at(state, step))


def assert_equal(one: TrainState, other: TrainState) -> None:
    jax.tree.map(np.testing.assert_array_equal, one, other)


def names(folder) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.glob("*/*")}


def test_the_newest_checkpoints_are_kept(tmp_path, start):
    """Also in a run that was interrupted. Steps are ordered as numbers, not as text."""
    folder = tmp_path / "runs" / "run"
    save(folder, start, 8, 9, keep=2)
    save(folder, start, 10, 11, 100, keep=2)
    assert names(folder) == {"checkpoints/11", "checkpoints/100", "manifests/11.json", "manifests/100.json"}
    with Checkpoints(folder, 2, pytest.fail) as found:
        assert found.latest_step == 100
        assert_equal(found.restore(start), at(start, 100))


def test_a_step_that_is_saved_is_not_saved_again(tmp_path, start, monkeypatch):
    save(tmp_path, start, 4)
    monkeypatch.setattr(checkpoints, "write_manifest", pytest.fail)
    save(tmp_path, start, 4)


def test_a_damaged_checkpoint_is_none_of_those_to_keep(tmp_path, start):
    """The run goes on from the one before and stops early, so its next checkpoint is older than the damaged one."""
    save(tmp_path, start, 2, 4)
    (tmp_path / "manifests" / "4.json").write_text("{}")
    said: list[str] = []
    with Checkpoints(tmp_path, 1, said.append) as found:
        assert found.latest_step == 2
        found.save(at(start, 3))
    assert len(said) == 1
    assert names(tmp_path) == {"checkpoints/3", "manifests/3.json", "damaged/4"}


def test_a_step_may_be_damaged_twice(tmp_path, start):
    save(tmp_path, start, 2)
    for _ in range(2):
        save(tmp_path, start, 4)
        (tmp_path / "manifests" / "4.json").write_text("{}")
        said: list[str] = []
        with Checkpoints(tmp_path, 9, said.append) as found:
            assert found.latest_step == 2
        assert ["checkpoint 4 is damaged" in line for line in said] == [True]


def test_reading_a_state_changes_nothing(tmp_path, start):
    """It takes the newest intact checkpoint, or the one that is asked for."""
    save(tmp_path, start, 9, 10, 11)
    (tmp_path / "manifests" / "11.json").write_text("{}")
    before = names(tmp_path)
    assert_equal(read_state(tmp_path, start), at(start, 10))
    assert_equal(read_state(tmp_path, start, 9), at(start, 9))
    for step in (11, 12):
        with pytest.raises(UserError, match=f"no intact checkpoint {step} in .*checkpoints"):
            read_state(tmp_path, start, step)
    assert names(tmp_path) == before
    shutil.rmtree(tmp_path / "manifests")
    with pytest.raises(UserError, match="no intact checkpoint in"):
        read_state(tmp_path, start)


@pytest.mark.parametrize("other", [{"model__features": 4}, {"ema": False}, {"model__use_bias": True}], ids=str)
def test_a_state_of_another_kind_does_not_match(tmp_path, start, other):
    save(tmp_path, start, 2)
    with pytest.raises(UserError, match=r"checkpoint .*/2 belongs to a different model: \S+"):
        read_state(tmp_path, fresh(**other))


@pytest.mark.parametrize("error", [OSError, ValueError, RuntimeError])
def test_a_checkpoint_that_cannot_be_written_leaves_the_older_ones(tmp_path, start, monkeypatch, error):
    """Orbax and tensorstore report a full disk in several ways."""

    def full(*_):
        raise error("no space\nfor this")

    with Checkpoints(tmp_path, 1, pytest.fail) as found:
        found.save(at(start, 2))
        monkeypatch.setattr(checkpoints, "write_manifest", full)
        with pytest.raises(UserError, match=r"cannot save checkpoint 4 in .*; older checkpoints are kept: no space$"):
            found.save(at(start, 4))
        monkeypatch.undo()
    with Checkpoints(tmp_path, 1, pytest.fail) as found:
        assert_equal(found.restore(start), at(start, 2))
