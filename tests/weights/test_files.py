"""Weights files: a round trip preserves them, and bad files are refused."""

import pathlib

import jax
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from lapsrn_jax import models
from lapsrn_jax.errors import UserError
from lapsrn_jax.models import Pyramid, Tying
from lapsrn_jax.weights.files import load_weights, read_info, save_weights, weights_file
from tests import tiny


@pytest.fixture
def trained(tmp_path):
    """A run folder as training writes it."""
    model = Pyramid(**tiny.MODEL, tying=Tying())
    (tmp_path / "run").mkdir()
    save_weights(tmp_path / "run" / "weights.safetensors", model, models.initial(model, jax.random.key(0)), {"step": 2})
    return tmp_path / "run"


def test_weights_that_do_not_fit_are_refused(tmp_path, trained):
    arrays = load_file(trained / "weights.safetensors")
    save_file(arrays, tmp_path / "anonymous.safetensors")
    with pytest.raises(UserError, match="does not say which model"):
        load_weights(tmp_path / "anonymous.safetensors")

    (_, params), info = load_weights(trained), {}
    wider = Pyramid(**tiny.MODEL | {"features": 16}, tying=Tying())
    save_weights(tmp_path / "other.safetensors", wider, params, info)
    with pytest.raises(UserError, match="holds weights of a different model: block/conv_1/kernel should be"):
        load_weights(tmp_path / "other.safetensors")

    untied = Pyramid(**tiny.MODEL)
    save_weights(tmp_path / "missing.safetensors", untied, params, info)
    with pytest.raises(UserError, match=r"upsample/kernel should be .*, but is missing"):
        load_weights(tmp_path / "missing.safetensors")

    params["residual"]["kernel"] = np.full_like(params["residual"]["kernel"], np.nan)
    save_weights(tmp_path / "nan.safetensors", Pyramid(**tiny.MODEL, tying=Tying()), params, info)
    with pytest.raises(UserError, match="not finite in residual/kernel"):
        load_weights(tmp_path / "nan.safetensors")


@pytest.mark.parametrize("model", ["3", "null", "[]", '{"name": "pyramid", "features": "8"}', '{"name": ["pyramid"]}'])
def test_weights_that_describe_no_model_are_refused(tmp_path, trained, model):
    arrays = load_file(trained / "weights.safetensors")
    save_file(arrays, tmp_path / "odd.safetensors", {"lapsrn_jax": f'{{"model": {model}, "info": {{"step": 7}}}}'})
    assert read_info(tmp_path / "odd.safetensors") == {"step": 7}
    with pytest.raises(UserError, match=r"odd\.safetensors has an unreadable model description"):
        load_weights(tmp_path / "odd.safetensors")


def test_weights_come_back_as_they_were(tmp_path, rng, trained):
    model, params = load_weights(trained)
    save_weights(tmp_path / "copy.safetensors", model, params, {"step": 7})
    again, params_again = load_weights(tmp_path / "copy.safetensors")
    assert (again, read_info(tmp_path / "copy.safetensors")) == (model, {"step": 7})
    np.testing.assert_array_equal(params_again["conv_in"]["kernel"], params["conv_in"]["kernel"])


def test_the_name_of_packaged_weights_wins_over_a_folder(tmp_path, trained, monkeypatch):
    """As text. A path, also one in text, is a file or a folder."""
    trained.rename(tmp_path / "cms-lapsrn")
    monkeypatch.chdir(tmp_path)
    packaged = weights_file("cms-lapsrn")
    assert packaged.parent != tmp_path
    for own in ("./cms-lapsrn", tmp_path / "cms-lapsrn", pathlib.Path("cms-lapsrn")):
        assert weights_file(own).resolve() == tmp_path / "cms-lapsrn" / "weights.safetensors"
    assert weights_file(pathlib.Path("ms-lapsrn")).parent == packaged.parent
