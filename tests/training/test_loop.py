import concurrent.futures
import json
import pathlib
import shutil

import jax
import numpy as np
import pytest
from safetensors.numpy import load_file

from lapsrn_jax import models
from lapsrn_jax.errors import UserError
from lapsrn_jax.files import atomic_write
from lapsrn_jax.training import loop
from lapsrn_jax.training.folder import RunFolder
from lapsrn_jax.training.loop import train_and_evaluate
from lapsrn_jax.training.state import create_state, make_optimizer
from lapsrn_jax.weights.files import load_weights, read_info
from tests import tiny


@pytest.fixture
def photographs(tmp_path):
    return tiny.write_photographs(tmp_path / "photographs")


def log(workdir: pathlib.Path) -> list[dict]:
    return [json.loads(line) for line in (workdir / "log.jsonl").read_text().splitlines()]


def on_batch(monkeypatch, change) -> None:
    """Replaces the n-th batch, counted from 1, by `change(n, batch)` before it goes to the devices."""
    original, calls = loop.shard_batch, []

    def changed(batch, mesh):
        calls.append(1)
        return original(change(len(calls), batch), mesh)

    monkeypatch.setattr(loop, "shard_batch", changed)


def test_a_run_leaves_a_folder_that_explains_itself(tmp_path, photographs):
    workdir = tmp_path / "run"
    assert train_and_evaluate(tiny.config(photographs, data__validation=str(photographs)), workdir)
    assert {path.name for path in workdir.iterdir()} == {
        "best.safetensors", "checkpoints", "config.json", "lock", "log.jsonl", "manifests", "tensorboard",
        "weights.safetensors",
    }  # fmt: skip
    records = log(workdir)
    assert records[0]["jax"] == jax.__version__
    assert {"revision", "devices", "python", "orbax-checkpoint"} <= records[0].keys()
    assert [record["step"] for record in records if "loss" in record] == [1, 2, 3, 4, 5, 6]
    assert all({"images_per_second", "waiting"} <= record.keys() for record in records if record.get("step") == 4 and
               "loss" in record)  # fmt: skip
    assert [record["step"] for record in records if "psnr_x2" in record and "psnr_x4" in record] == [2, 4, 6]
    assert json.loads((workdir / "config.json").read_text())["model"]["tying"]["layer"] == 3
    model, params = load_weights(workdir)
    assert (model.features, model.tying.layer) == (8, 3)
    assert read_info(workdir / "weights.safetensors")["step"] == 6
    assert "upsample" not in params


def test_a_run_can_go_on_in_parts(tmp_path, photographs):
    """A run stopped between checkpoints and resumed ends with the same bits; a finished run does not change."""
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    config = tiny.config(photographs)
    train_and_evaluate(config, whole)

    def interrupt(n, batch):
        if n == 4:
            raise KeyboardInterrupt
        return batch

    with pytest.MonkeyPatch.context() as patch:
        on_batch(patch, interrupt)
        with pytest.raises(KeyboardInterrupt):
            train_and_evaluate(config, parts)
    train_and_evaluate(config, parts)
    assert [record["step"] for record in log(parts) if "loss" in record] == [1, 2, 3, 3, 4, 5, 6]
    weights = load_file(parts / "weights.safetensors")
    for name, array in load_file(whole / "weights.safetensors").items():
        np.testing.assert_array_equal(array, weights[name])

    before = (parts / "weights.safetensors").read_bytes()
    (parts / "weights.safetensors").unlink()  # as after a kill between the last checkpoint and the weights
    assert train_and_evaluate(config, parts)
    assert (parts / "weights.safetensors").read_bytes() == before
    config.training.steps = 4
    with pytest.raises(UserError, match=r"has taken 6 steps: training.steps=4 must not be less"):
        train_and_evaluate(config, parts)


def test_the_average_is_what_is_saved(tmp_path, photographs):
    """The average does not affect the steps; after the first step it has moved by 9/10 of the difference."""
    config = tiny.config(photographs, training__steps=1, optimizer__warmup=0.0)
    train_and_evaluate(config, tmp_path / "average")
    config.optimizer.ema_decay = 0.0
    train_and_evaluate(config, tmp_path / "last")
    state = create_state(models.from_settings(config.model), make_optimizer(config), config.seed, ema=False)
    average, last = (load_weights(tmp_path / name)[1] for name in ("average", "last"))
    expected = jax.tree.map(lambda start, end: 0.1 * start + 0.9 * end, state.params, last)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-8), average, expected)


def test_before_its_first_checkpoint_a_run_may_change_its_mind(tmp_path, photographs, monkeypatch):
    with pytest.MonkeyPatch.context() as patch:
        on_batch(patch, lambda n, batch: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            train_and_evaluate(tiny.config(photographs, training__steps=2), tmp_path / "run")
    train_and_evaluate(tiny.config(photographs, training__steps=2, seed=1), tmp_path / "run")


def test_a_folder_belongs_to_one_run(tmp_path, photographs):
    train_and_evaluate(tiny.config(photographs, training__steps=2), tmp_path / "run")
    for change, name in (({"model__tying__layer": 1}, "model.tying.layer"), ({"seed": 1}, "seed")):
        with pytest.raises(UserError, match=f"holds a run with a different value of {name}: pass another --workdir"):
            train_and_evaluate(tiny.config(photographs, training__steps=2, **change), tmp_path / "run")
    (tmp_path / "run" / "config.json").write_text("{")
    with pytest.raises(UserError, match=r"config\.json is damaged"):
        train_and_evaluate(tiny.config(photographs, training__steps=2), tmp_path / "run")


def test_workers_and_intervals_may_change(tmp_path, photographs):
    """These settings affect neither batches nor steps."""
    train_and_evaluate(tiny.config(photographs, training__steps=2), tmp_path / "run")
    changes = {"data__workers": 3, "training__log_every": 7, "training__checkpoint_every": 9, "training__keep": 1}
    with RunFolder(tmp_path / "run", tiny.config(photographs, **changes)):
        pass


def test_a_run_goes_on_after_settings_were_added_to_the_package(tmp_path, photographs):
    """Its config lacks them, which means their neutral values and no others."""
    train_and_evaluate(tiny.config(photographs, training__steps=2), tmp_path / "run")
    path = tmp_path / "run" / "config.json"
    older = json.loads(path.read_text())
    del older["optimizer"]["muon_learning_rate"], older["optimizer"]["schedule"]
    path.write_text(json.dumps(older))
    with pytest.raises(UserError, match=r"a different value of optimizer\.muon_learning_rate"):
        train_and_evaluate(
            tiny.config(photographs, training__steps=3, optimizer__muon_learning_rate=1e-3), tmp_path / "run"
        )
    assert train_and_evaluate(tiny.config(photographs, training__steps=3), tmp_path / "run")


def test_a_checkpoint_of_another_model_is_refused(tmp_path, photographs):
    """This holds even if config.json was edited by hand."""
    workdir = tmp_path / "run"
    train_and_evaluate(tiny.config(photographs, training__steps=2), workdir)
    path = workdir / "config.json"
    path.write_text(path.read_text().replace('"features": 8', '"features": 4'))
    with pytest.raises(UserError, match="belongs to a different model"):
        train_and_evaluate(tiny.config(photographs, training__steps=4, model__features=4), workdir)


@pytest.mark.usefixtures("nans")
def test_a_run_that_cannot_step_stops_with_its_last_good_state(tmp_path, photographs, monkeypatch):
    config = tiny.config(photographs, training__max_skipped=2, training__steps=50)
    workdir = tmp_path / "run"

    def poison(n, batch):  # batch 4 and all batches from 6
        bad = n == 4 or n >= 6
        return {k: tuple(image * np.float32(np.nan) for image in v) for k, v in batch.items()} if bad else batch

    on_batch(monkeypatch, poison)
    with pytest.raises(UserError, match="losses of 3 steps in a row, up to step 8, were not finite"):
        train_and_evaluate(config, workdir)
    assert [record["skipped"] for record in log(workdir) if "skipped" in record][:8] == [0, 0, 0, 1, 0, 1, 2, 3]
    assert max(int(path.name) for path in (workdir / "checkpoints").iterdir()) >= 8
    assert all(np.isfinite(array).all() for array in load_file(workdir / "weights.safetensors").values())


def test_the_best_weights_stay(tmp_path, photographs, monkeypatch):
    """With scores 30, 33, 31 the second weights are kept, and a resumed run still compares with 33."""
    scores = iter([30.0, 33.0, 31.0, 32.0])
    monkeypatch.setattr(loop.Validation, "__call__", lambda self, params: ({"psnr_x2": next(scores)}, {}))
    config = tiny.config(photographs, data__validation=str(photographs))
    train_and_evaluate(config, tmp_path / "run")
    config.training.steps = 8
    train_and_evaluate(config, tmp_path / "run")
    best = read_info(tmp_path / "run" / "best.safetensors")
    assert (best["step"], best["validation_psnr"]) == (4, 33.0)
    assert read_info(tmp_path / "run" / "weights.safetensors")["step"] == 8


@pytest.mark.parametrize("victim", ["Validation.__call__", "RunFolder.save_if_best"])
def test_a_kill_before_a_validation_is_made_up_for(tmp_path, photographs, monkeypatch, victim):
    """The resumed run has the scores and the best weights of a run that was never killed."""
    config = tiny.config(photographs, data__validation=str(photographs))
    train_and_evaluate(config, tmp_path / "whole")
    owner, name = victim.split(".")
    original, calls = getattr(getattr(loop, owner), name), []

    def killed(*arguments):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return original(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(getattr(loop, owner), name, killed)
        with pytest.raises(KeyboardInterrupt):
            train_and_evaluate(config, tmp_path / "killed")
    train_and_evaluate(config, tmp_path / "killed")
    scores = [[record for record in log(tmp_path / name) if "psnr_x2" in record] for name in ("whole", "killed")]
    assert scores[0] == scores[1]
    best = [read_info(tmp_path / name / "best.safetensors") for name in ("whole", "killed")]
    assert best[0] == best[1]


def test_a_signal_in_the_last_step_leaves_out_nothing(tmp_path, photographs, monkeypatch):
    """A run that a signal stops earlier validates when it is resumed; this one is not resumed."""
    monkeypatch.setattr(loop, "any_process", lambda _: True)
    config = tiny.config(photographs, data__validation=str(photographs), training__steps=1)
    assert train_and_evaluate(config, tmp_path / "run")
    assert any("psnr_x2" in record for record in log(tmp_path / "run"))
    assert (tmp_path / "run" / "best.safetensors").exists()


def test_small_photographs_are_named_and_left_out(tmp_path, photographs, capsys):
    tiny.write_photographs(photographs / "small", count=1, size=20)
    train_and_evaluate(tiny.config(photographs, training__steps=1), tmp_path / "run")
    assert f"smaller than a patch of 32 pixels: {photographs}/small/0.png" in capsys.readouterr().out


class Mine(models.Pyramid):
    """A network that the package does not know."""


def test_a_network_of_ones_own_is_trained_and_resumed(tmp_path, photographs):
    """The scales are checked against it, and its weights say that the package cannot make the network."""
    config = tiny.config(photographs, training__steps=2, data__scales=(2,))
    config.model.name = "mdsr"  # which does not count
    mine = Mine(**tiny.MODEL)
    assert train_and_evaluate(config, tmp_path / "run", mine)
    config.training.steps = 3
    assert train_and_evaluate(config, tmp_path / "run", mine)
    with pytest.raises(UserError, match=r"unreadable model description: .*Mine"):
        load_weights(tmp_path / "run")
    config.data.scales = (3,)
    with pytest.raises(UserError, match=r"data\.scales must be among 2, 4, 8, 16"):
        train_and_evaluate(config, tmp_path / "other", mine)


def test_photographs_too_small_for_validation_are_named_and_left_out(tmp_path, photographs, capsys):
    small = tiny.write_photographs(tmp_path / "small", count=1, size=15)
    config = tiny.config(photographs, training__steps=1, data__validation=f"{photographs},{small}")
    assert train_and_evaluate(config, tmp_path / "run")
    said = f"left out of the validation, too small to be scored at x4: {small}/0.png"
    assert said in capsys.readouterr().out
    assert any("psnr_x2" in record for record in log(tmp_path / "run"))


def test_training_works_outside_of_the_main_thread(tmp_path, photographs):
    """It gets no signals there."""
    config = tiny.config(photographs, training__steps=1)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        assert pool.submit(train_and_evaluate, config, tmp_path / "run").result()


def test_leftovers_of_a_kill_are_removed(tmp_path, photographs):
    config, run = tiny.config(photographs, training__steps=1), tmp_path / "run"
    assert train_and_evaluate(config, run)
    before = {path.name for path in [*run.iterdir(), *(run / "checkpoints").iterdir()]}
    (run / "checkpoints" / "7.orbax-checkpoint-tmp").mkdir()
    with atomic_write(run / "weights.safetensors") as partial:
        shutil.copy(run / "weights.safetensors", partial)
        shutil.copy(partial, run / partial.name.replace("-", "-0"))  # what a kill leaves
    assert train_and_evaluate(config, run)
    assert {path.name for path in [*run.iterdir(), *(run / "checkpoints").iterdir()]} == before
