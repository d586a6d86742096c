"""The weights in the package match their metadata and their model card."""

import pathlib

import numpy as np
import pytest

import lapsrn_jax
from lapsrn_jax import models
from lapsrn_jax.data.sources import evaluation_pictures
from lapsrn_jax.evaluation.protocol import Protocol
from lapsrn_jax.evaluation.scoring import evaluate
from lapsrn_jax.models import Pyramid
from lapsrn_jax.upscaling.upscale import Upscaler
from lapsrn_jax.weights import files
from tools.stability import LIMIT, excess

NAMES = sorted(files.PRETRAINED)
CARD = pathlib.Path(files.__file__).with_name("MODELS.md")
TITLES = {
    "A": "\nProtocol A, gray pictures left gray:",
    "A gray as RGB": "\nProtocol A, Set14's gray picture read as RGB:",
    "B": "\nProtocol B, small sets:",
}


def test_all_weights_are_there():
    assert NAMES == ["cms-lapsrn", "cms-lapsrn-photo", "ms-lapsrn"]


def test_the_choice_by_compression_is_between_weights_of_one_model():
    """`load_weights_for_photos` relies on it."""
    clean, lossy = (lapsrn_jax.load(files.weights_for("auto", lossy))[0] for lossy in (False, True))
    assert clean == lossy


def card_cell(protocol: str, row: str, column: str) -> str:
    """Returns a cell of the model card's table for a protocol."""
    table = CARD.read_text().split(TITLES[protocol])[1].split("\n\n")[1]
    head, _, *rows = ([cell.strip(" `") for cell in line.strip("|").split("|")] for line in table.splitlines())
    (found,) = (cells for cells in rows if cells[0] == row)
    return found[head.index(column)]


@pytest.mark.parametrize("name", NAMES)
def test_what_the_metadata_say(name):
    model, params = lapsrn_jax.load(name)
    info = files.read_info(name)
    assert isinstance(model, Pyramid)
    assert (model.tying is None) == (name == "ms-lapsrn")
    count = sum(np.size(array) for array in models.jax.tree.leaves(params))
    assert count == (222_352 if name == "ms-lapsrn" else 185_488)
    assert {"step", "revision", "jax", "licence", "scores"} <= info.keys()
    for record in info["scores"]:
        row = f"{record['set']} x{record['scale']}"
        assert card_cell(record["protocol"], row, name) == f"{record['psnr']:.2f} / {record['ssim']:.4f}"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.slow
def test_scores_on_set5_are_those_of_the_card(name, benchmarks):
    network = Upscaler(*lapsrn_jax.load(name))
    pictures = {"Set5": evaluation_pictures(str(benchmarks / "Set5"))}
    records = evaluate({name: network}, pictures, (2, 4, 8), Protocol())
    expected = {r["scale"]: r for r in files.read_info(name)["scores"] if (r["set"], r["protocol"]) == ("Set5", "A")}
    for record in records:
        assert record["psnr"] == pytest.approx(expected[record["scale"]]["psnr"], abs=0.005)
        assert record["ssim"] == pytest.approx(expected[record["scale"]]["ssim"], abs=0.0005)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("scale", [2, 4, 8])
def test_masks_of_black_and_white_stay_bounded(name, scale):
    """Gray pictures and transparency have edges that are harder than those of photographs."""
    assert excess(*lapsrn_jax.load(name), scale) < LIMIT


def test_an_unstable_network_is_found():
    model, params = lapsrn_jax.load("cms-lapsrn")
    kernels = params["block"] | {"conv_1": {"kernel": 3 * params["block"]["conv_1"]["kernel"]}}
    assert excess(model, params | {"block": kernels}, 4, masks=1) > LIMIT


def test_a_picture_gets_better_with_nothing_but_the_package(rng):
    """One call with default weights gets closer to the original than bicubic interpolation."""
    from skimage import data

    from lapsrn_jax.images.io import to_float
    from lapsrn_jax.images.resize import imresize

    hr = data.astronaut()[100:228, 180:308]
    lr = imresize(to_float(hr), 1 / 2)
    error = [
        np.abs(result - to_float(hr)).mean() for result in (lapsrn_jax.upscale(np.clip(lr, 0, 1), 2), imresize(lr, 2))
    ]
    assert error[0] < 0.9 * error[1]
