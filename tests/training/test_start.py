import json

import jax
import numpy as np
import pytest
from safetensors.numpy import load_file

from lapsrn_jax import models
from lapsrn_jax.errors import UserError
from lapsrn_jax.training import loop
from lapsrn_jax.training.loop import train_and_evaluate
from lapsrn_jax.training.start import begin_from
from lapsrn_jax.training.state import create_state, make_optimizer
from lapsrn_jax.training.step import make_train_step
from tests import tiny


@pytest.fixture
def photographs(tmp_path):
    return tiny.write_photographs(tmp_path / "photographs")


def fresh(config):
    return create_state(models.from_settings(config.model), make_optimizer(config), config.seed, ema=True)


def test_a_run_goes_on_from_another_with_more_recursions(tmp_path, photographs, monkeypatch):
    """It starts with the other run's parameters, average and moments, and with a new schedule."""
    steps: list[dict] = []
    config = tiny.config(photographs)
    train_and_evaluate(config, tmp_path / "first")
    config.model.recursions, config.data.patch_size, config.optimizer.learning_rate = 2, 16, 3e-4
    state, start = begin_from(str(tmp_path / "first"), fresh(config)), fresh(config)
    average = load_file(tmp_path / "first" / "weights.safetensors")
    np.testing.assert_array_equal(state.ema["block"]["conv_1"]["kernel"], average["block/conv_1/kernel"])
    assert int(state.step) == 0
    moments = jax.tree_util.tree_flatten_with_path(state.opt_state)[0]
    counts = {jax.tree_util.keystr(path): int(leaf) for path, leaf in moments if leaf.ndim == 0}
    assert sorted(counts.values()) == [0, 6]  # the schedule's count, and that of the moments' bias correction
    assert all(np.abs(leaf).max() > 0 for _, leaf in moments if leaf.ndim)
    assert jax.tree.structure(state) == jax.tree.structure(start)

    config.start = str(tmp_path / "first")
    with monkeypatch.context() as patch:
        patch.setattr(loop, "make_train_step", lambda *a, **k: steps.append(k) or make_train_step(*a, **k))
        train_and_evaluate(config, tmp_path / "second")
    assert [options["ema_warmup"] for options in steps] == [False]  # the average continues as well
    records = [json.loads(line) for line in (tmp_path / "second" / "log.jsonl").read_text().splitlines()]
    assert [record["step"] for record in records if "loss" in record] == [1, 2, 3, 4, 5, 6]


def test_a_run_with_two_schedules_goes_on_from_another(tmp_path, photographs):
    """Muon and its AdamW part each count their steps. Both counts restart, in arrays of their own for the donation."""
    config = tiny.config(photographs)
    config.optimizer.muon_learning_rate = 3e-3
    train_and_evaluate(config, tmp_path / "first")
    config.start, config.optimizer.schedule = str(tmp_path / "first"), "cooldown"
    state = begin_from(str(tmp_path / "first"), fresh(config))
    counts = [int(leaf) for leaf in jax.tree.leaves(state.opt_state) if leaf.ndim == 0]
    assert sorted(counts) == [0, 0, 6, 6]
    leaves = jax.tree.leaves(state)
    assert len({id(leaf) for leaf in leaves}) == len(leaves)
    assert train_and_evaluate(config, tmp_path / "second")


def test_another_optimiser_starts_with_moments_of_its_own(tmp_path, photographs):
    """A run whose config is older than the choice of optimisers counts as AdamW's."""
    config = tiny.config(photographs)
    train_and_evaluate(config, tmp_path / "first")
    path = tmp_path / "first" / "config.json"
    older = json.loads(path.read_text())
    del older["optimizer"]["muon_learning_rate"], older["optimizer"]["schedule"]
    path.write_text(json.dumps(older))
    config.optimizer.muon_learning_rate = 3e-3
    start = fresh(config)
    state = begin_from(str(tmp_path / "first"), start)
    average = load_file(tmp_path / "first" / "weights.safetensors")
    np.testing.assert_array_equal(state.ema["block"]["conv_1"]["kernel"], average["block/conv_1/kernel"])
    jax.tree.map(np.testing.assert_array_equal, state.opt_state, start.opt_state)


def test_a_run_with_a_start_can_be_interrupted(tmp_path, photographs, monkeypatch):
    """The start is used once: the second part resumes from the run's own checkpoint, with the same bits."""
    train_and_evaluate(tiny.config(photographs), tmp_path / "first")
    config = tiny.config(photographs, start=str(tmp_path / "first"))
    train_and_evaluate(config, tmp_path / "whole")
    original, calls = loop.shard_batch, []

    def interrupt(batch, mesh):
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return original(batch, mesh)

    with monkeypatch.context() as patch:
        patch.setattr(loop, "shard_batch", interrupt)
        with pytest.raises(KeyboardInterrupt):
            train_and_evaluate(config, tmp_path / "parts")
    train_and_evaluate(config, tmp_path / "parts")
    whole, parts = (load_file(tmp_path / name / "weights.safetensors") for name in ("whole", "parts"))
    for name, array in whole.items():
        np.testing.assert_array_equal(array, parts[name])


def test_a_run_begins_from_weights(tmp_path, photographs):
    config = tiny.config(photographs)
    train_and_evaluate(config, tmp_path / "first")
    state = begin_from(str(tmp_path / "first" / "weights.safetensors"), fresh(config))
    average = load_file(tmp_path / "first" / "weights.safetensors")
    for tree in (state.params, state.ema):
        np.testing.assert_array_equal(tree["residual"]["kernel"], average["residual/kernel"])
    assert all(not np.any(leaf) for leaf in jax.tree.leaves(state.opt_state))


@pytest.mark.parametrize(("before", "after"), [(0.0, 0.99), (0.99, 0.0)])
def test_averaging_and_clipping_may_begin_and_end(tmp_path, photographs, before, after):
    """A run can start from one with other settings; a new average starts with the parameters."""
    config = tiny.config(photographs)
    config.optimizer.ema_decay = config.optimizer.clip_norm = before
    train_and_evaluate(config, tmp_path / "first")
    config.start, config.training.steps = str(tmp_path / "first"), 7
    config.optimizer.ema_decay = config.optimizer.clip_norm = after
    new = create_state(models.from_settings(config.model), make_optimizer(config), config.seed, ema=after > 0)
    state = begin_from(str(tmp_path / "first"), new)
    if after:
        np.testing.assert_array_equal(state.ema["residual"]["kernel"], state.params["residual"]["kernel"])
    else:
        assert state.ema is None
    assert train_and_evaluate(config, tmp_path / "second")


def test_what_cannot_be_begun_from_is_refused(tmp_path, photographs):
    config = tiny.config(photographs)
    with pytest.raises(UserError, match="no such weights file or run folder"):
        begin_from(str(tmp_path / "nowhere"), fresh(config))
    train_and_evaluate(config, tmp_path / "first")
    config.model.features = 4
    with pytest.raises(UserError, match="belongs to a different model"):
        begin_from(str(tmp_path / "first"), fresh(config))
    with pytest.raises(UserError, match="holds weights of a different model"):
        begin_from(str(tmp_path / "first" / "weights.safetensors"), fresh(config))
    config_file = tmp_path / "first" / "config.json"
    whole = config_file.read_text()
    for damaged in (whole[:50], "[]", "{}"):
        config_file.write_text(damaged)
        with pytest.raises(UserError, match=r"cannot start from .*first: .*config\.json: it is damaged"):
            begin_from(str(tmp_path / "first"), fresh(config))
    config_file.unlink()
    with pytest.raises(UserError, match=r"cannot start from .*first: .*config\.json: No such file"):
        begin_from(str(tmp_path / "first"), fresh(config))
    config_file.write_text(whole)
    for file in (tmp_path / "first" / "manifests").glob("*.json"):
        file.write_text("{}")
    with pytest.raises(UserError, match=r"no intact checkpoint in"):
        begin_from(str(tmp_path / "first"), fresh(config))


def test_the_name_of_packaged_weights_wins_over_a_folder(tmp_path, photographs, monkeypatch):
    """As for every command. "./NAME" is the folder."""
    monkeypatch.chdir(tmp_path)
    config = tiny.config(photographs)
    train_and_evaluate(config, tmp_path / "cms-lapsrn")
    assert begin_from("./cms-lapsrn", fresh(config)).params
    with pytest.raises(UserError, match="cms-lapsrn holds weights of a different model"):
        begin_from("cms-lapsrn", fresh(config))
