"""`lapsrn export` writes correct files and refuses bad arguments."""

import json
import sys

import jax
import numpy as np
import pytest

from lapsrn_jax import models
from lapsrn_jax.cli import main
from lapsrn_jax.models import LapSRN, Pyramid, Tying
from lapsrn_jax.weights.files import save_weights
from tests.upscaling.test_tiles import random_params


def save(path, model):
    params = random_params(model, np.random.default_rng(0))
    save_weights(path, model, params, {"step": 7})
    return model, params


@pytest.fixture
def run(tmp_path):
    """A run folder as training writes it."""
    (tmp_path / "run").mkdir()
    save(tmp_path / "run" / "weights.safetensors", Pyramid(features=4, depth=1, recursions=1, tying=Tying(layer=1)))
    return tmp_path / "run"


def test_both_formats_enlarge_alike(tmp_path, run, rng):
    runtime = pytest.importorskip("onnxruntime")
    image = rng.random((1, 5, 7, 1), np.float32)
    for suffix in ("onnx", "stablehlo"):
        main(["export", f"{tmp_path}/x2.{suffix}", "--scale", "2", "--weights", str(run)])
    session = runtime.InferenceSession(tmp_path / "x2.onnx")
    (mine,) = session.run(None, {"image": image.transpose(0, 3, 1, 2)})
    other = jax.export.deserialize(bytearray((tmp_path / "x2.stablehlo").read_bytes())).call(image)
    np.testing.assert_allclose(mine[:, 0], other[..., 0], atol=1e-5)
    assert json.loads(session.get_modelmeta().custom_metadata_map["weights"]) == {"step": 7}


def test_fast_has_half_of_the_recursions(tmp_path):
    model, _ = save(tmp_path / "four.safetensors", Pyramid(features=4, depth=1, recursions=4, tying=Tying(layer=1)))
    main(["export", f"{tmp_path}/fast.onnx", "--fast", "--weights", f"{tmp_path}/four.safetensors"])
    onnx = pytest.importorskip("onnx")
    (settings,) = (p.value for p in onnx.load(tmp_path / "fast.onnx").metadata_props if p.key == "model")
    assert models.from_settings(json.loads(settings)) == model.clone(recursions=2)


def test_winograds_convolutions_enlarge_alike(tmp_path, run, rng):
    runtime = pytest.importorskip("onnxruntime")
    image, results = rng.random((1, 1, 9, 7), np.float32), []
    for options in ([], ["--winograd"]):
        main(["export", f"{tmp_path}/x2.onnx", "--scale", "2", "--weights", str(run), *options])
        session = runtime.InferenceSession(tmp_path / "x2.onnx")
        results += session.run(None, {"image": image})
    np.testing.assert_allclose(*results, atol=1e-5)
    assert (results[0] != results[1]).any()


def complaint(capsys, *arguments):
    with pytest.raises(SystemExit) as ended:
        main(["export", *map(str, arguments)])
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_what_cannot_be_is_refused(tmp_path, run, capsys):
    assert "exported as .onnx or .stablehlo" in complaint(capsys, tmp_path / "model.tflite", "--weights", run)
    line = complaint(capsys, tmp_path / "model.stablehlo", "--weights", run, "--winograd")
    assert "only .onnx files can have Winograd's convolutions" in line
    path = tmp_path / "model.onnx"
    assert "by x2, x4, x8, x16, not by x3" in complaint(capsys, path, "--weights", run, "--scale", 3)
    assert "no such weights file" in complaint(capsys, path, "--weights", tmp_path / "none")
    save(tmp_path / "lapsrn.safetensors", LapSRN(levels=1, features=4, depth=1))
    assert "by x2, not by x4" in complaint(capsys, path, "--weights", tmp_path / "lapsrn.safetensors")
    assert not path.exists()


def test_a_missing_package_is_named(tmp_path, run, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    monkeypatch.delitem(sys.modules, "lapsrn_jax.export.onnx", raising=False)
    line = complaint(capsys, tmp_path / "model.onnx", "--weights", run)
    assert "onnx" in line
    assert "pip install '.[export]'" in line
