import pytest
from ml_collections import ConfigDict

from lapsrn_jax import models
from lapsrn_jax.errors import UserError
from lapsrn_jax.training.settings import RULES, check_settings
from tests import tiny


def test_the_default_config_has_every_setting_and_no_other(tmp_path):
    config = tiny.config(tmp_path)
    check_settings(config)
    with config.unlocked():
        config.data.colour = "blue"
    with pytest.raises(UserError, match=r"unknown setting data\.colour"):
        check_settings(config)
    for name in ("dtype", "remat"):
        config = tiny.config(tmp_path)
        with config.unlocked():
            config.model[name] = None
        with pytest.raises(UserError, match=rf"model\.{name} has no effect: set training\.{name}"):
            check_settings(config)
    for name in RULES:
        less = ConfigDict(tiny.config(tmp_path).to_dict())
        section, _, key = name.rpartition(".")
        with less.unlocked():
            del (less[section] if section else less)[key]
        with pytest.raises(UserError, match=f"lacks {name}"):
            check_settings(less)


def test_muon_needs_a_learning_rate_for_its_schedule(tmp_path):
    config = tiny.config(tmp_path, optimizer__learning_rate=0.0)
    check_settings(config)
    config.optimizer.muon_learning_rate = 1e-3
    with pytest.raises(UserError, match=r"optimizer\.learning_rate must be positive with Muon"):
        check_settings(config)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("data.scales", (1,)), ("data.scales", (2, 2)), ("data.scales", (3,)), ("data.scales", (2, 32)),
        ("data.scales", ()), ("data.scales", (2.5,)), ("data.scales", (2, 0)), ("data.batch_size", -4),
        ("data.patch_size", 0),
        ("data.workers", -1), ("seed", -1), ("training.keep", 0), ("training.log_every", 0),
        ("training.checkpoint_every", 0), ("training.steps", 0), ("training.dtype", "float8"),
        ("optimizer.ema_decay", 1.5), ("optimizer.ema_decay", -0.5), ("optimizer.clip_norm", -1.0),
        ("optimizer.learning_rate", -1.0), ("optimizer.learning_rate", float("nan")), ("optimizer.warmup", 1.0),
    ],
)  # fmt: skip
def test_values_out_of_range_are_named(tmp_path, name, value):
    config = tiny.config(tmp_path)
    config.update_from_flattened_dict({name: value})
    with pytest.raises(UserError, match=f"{name} must be"):
        check_settings(config)


@pytest.mark.parametrize(
    "change",
    [{"recursions": 0}, {"features": -1}, {"depth": "5"}, {"features": 8.0}, {"tying": {"penalty": -1.0}},
     {"tying": {"layer": 3.0}}, {"tying": {"layer": 0}}],
)  # fmt: skip
def test_models_check_their_own(change):
    with pytest.raises(UserError, match="bad model settings"):
        models.from_settings({"name": "pyramid"} | change)
