"""`--weights auto`: the weights fit the picture's compression."""

import json
import pathlib
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import PIL.Image
import pytest
import tifffile

import lapsrn_jax
from lapsrn_jax import models
from lapsrn_jax.images.formats import PILLOW_NAMES
from lapsrn_jax.models import Pyramid, Tying
from lapsrn_jax.weights import files
from tests import tiny
from tests.upscaling.command import upscale

MODEL = Pyramid(**tiny.MODEL, tying=Tying())
NAMES = {False: "cms-lapsrn", True: "cms-lapsrn-photo"}  # by whether a picture is lossy
PAIR = {"save_all": True, "append_images": [PIL.Image.new("RGB", (24, 20), "blue")]}
PICTURES = {
    "a.png": ({}, False),
    "b.jpg": ({}, True),
    "c.webp": ({"lossless": True}, False),
    "d.webp": ({"quality": 80}, True),
    "e.avif": ({}, True),
    "f.bmp": ({}, False),
    "g.tif": ({}, False),
    "h.gif": ({}, False),
    "i.tif": ({"compression": "jpeg"}, True),
    "j.jpg": ({"format": "MPO"} | PAIR, True),
    "k.webp": ({"quality": 80} | PAIR, True),
    "l.webp": ({"lossless": True} | PAIR, False),
}
if "HEIF" in PILLOW_NAMES:
    PICTURES["m.heic"] = ({}, True)
if "AVIF" not in PILLOW_NAMES:
    del PICTURES["e.avif"]


@pytest.fixture(autouse=True)
def weights(tmp_path_factory, monkeypatch):
    """The package's weights: two small networks that differ."""
    folder, params = tmp_path_factory.mktemp("weights"), models.initial(MODEL, jax.random.key(0))
    for name, factor in zip(NAMES.values(), (1.0, 0.5), strict=True):
        path = folder / f"{name}.safetensors"
        files.save_weights(path, MODEL, jax.tree.map(lambda x, factor=factor: factor * x, params), {})
        monkeypatch.setitem(files.PRETRAINED, name, path)
    return folder


@pytest.fixture
def folder(tmp_path):
    image = PIL.Image.fromarray(tiny.photograph(np.random.default_rng(0), 20, 24))
    (tmp_path / "in").mkdir()
    for name, (options, _) in PICTURES.items():
        image.save(tmp_path / "in" / name, **options)
    return tmp_path


def test_a_batch_takes_both(folder, capsys):
    """Each picture is what the weights alone make of it, and the report and the last line name them."""
    arguments = [folder / "in", "--scale", "2", "--format", "png"]
    assert upscale(*arguments, "-o", folder / "auto", "--json", folder / "report.json") == 0
    lossy = sum(lossy for _, lossy in PICTURES.values())
    said = f"{len(PICTURES)} done; weights: cms-lapsrn ({len(PICTURES) - lossy}), cms-lapsrn-photo ({lossy})"
    assert said in capsys.readouterr().err
    for name in NAMES.values():
        assert upscale(*arguments, "-o", folder / name, "--weights", name) == 0
        assert f"{len(PICTURES)} done; weights: {name}\n" in capsys.readouterr().err
    for report in json.loads((folder / "report.json").read_text()):
        source, target = report["source"].split("/")[-1], report["target"].split("/")[-1]
        expected, other = (NAMES[lossy == PICTURES[source][1]] for lossy in (True, False))
        assert report["weights"] == expected
        result = (folder / "auto" / target).read_bytes()
        assert result == (folder / expected / target).read_bytes() != (folder / other / target).read_bytes()


def test_each_page_takes_what_fits_it(tmp_path, rng, capsys):
    pages = [tiny.photograph(rng, 20, 24) for _ in range(2)]
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        for page, compression in zip(pages, ("jpeg", "zlib"), strict=True):
            writer.write(page, compression=compression, photometric="rgb")
    for weights in ("auto", *NAMES.values()):
        assert upscale(tmp_path / "a.tif", "-o", tmp_path / f"{weights}.tif", "--scale", 2, "--weights", weights) == 0
    assert "auto.tif: 48 x 40 pixels; weights: cms-lapsrn+cms-lapsrn-photo\n" in capsys.readouterr().out
    found, clean, lossy = (
        tifffile.imread(tmp_path / f"{weights}.tif", key=[0, 1]) for weights in ("auto", *NAMES.values())
    )
    np.testing.assert_array_equal(found, [lossy[0], clean[1]])
    assert (lossy[0] != clean[0]).any()
    assert (lossy[1] != clean[1]).any()


@pytest.mark.parametrize(("codec", "lossy"), [("libx264", True), ("ffv1", False)])
def test_a_video_takes_what_fits_its_codec(tmp_path, rng, capsys, codec, lossy):
    pytest.importorskip("av")  # needs Python 3.12
    from tests.videos import clips

    source = clips.write(tmp_path / "a.mkv", clips.frames(rng, 3), codec=codec)
    for weights in ("auto", *NAMES.values()):
        assert clips.enlarge(source, tmp_path / f"{weights}.mkv", weights, "--codec", "ffv1") == 0
    assert f"auto.mkv: 96 x 64 pixels; weights: {NAMES[lossy]}\n" in capsys.readouterr().out
    results = {name: (tmp_path / f"{name}.mkv").read_bytes() for name in ("auto", *NAMES.values())}
    assert results["auto"] == results[NAMES[lossy]] != results[NAMES[not lossy]]


def test_one_picture_says_what_it_took(folder, capsys):
    assert upscale(folder / "in" / "b.jpg", "-o", folder / "x.png", "--scale", "2") == 0
    assert capsys.readouterr().out.endswith("48 x 40 pixels; weights: cms-lapsrn-photo\n")


def test_the_api_takes_what_the_command_takes(folder):
    for name, (_, lossy) in PICTURES.items():
        if name in ("h.gif", "k.webp", "l.webp"):  # several frames, or colours beyond a palette
            continue
        path = folder / "in" / name
        expected = np.asarray(lapsrn_jax.upscale(path, 2, weights=NAMES[lossy]))
        np.testing.assert_array_equal(np.asarray(lapsrn_jax.upscale(path, 2)), expected)
        with PIL.Image.open(path) as image:
            if name == "c.webp":  # Pillow does not tell
                expected = np.asarray(lapsrn_jax.upscale(path, 2, weights=NAMES[True]))
            np.testing.assert_array_equal(np.asarray(lapsrn_jax.upscale(image, 2)), expected)
            array = np.asarray(image)
            expected = lapsrn_jax.upscale(array, 2, weights="cms-lapsrn")
            for unknown in (array, image.copy()):
                np.testing.assert_array_equal(np.asarray(lapsrn_jax.upscale(unknown, 2)), expected)


@pytest.mark.parametrize("name", ["a.png", "b.jpg"])
def test_either_weights_that_change_are_read_again(folder, weights, name):
    path = folder / "in" / name
    before = np.asarray(lapsrn_jax.upscale(path, 2))
    zeros = jax.tree.map(jnp.zeros_like, models.initial(MODEL, jax.random.key(0)))
    files.save_weights(weights / f"{NAMES[PICTURES[name][1]]}.safetensors", MODEL, zeros, {})
    assert (before != np.asarray(lapsrn_jax.upscale(path, 2))).any()


def test_a_path_to_weights_of_that_name_is_no_choice(folder, weights, monkeypatch):
    """`pathlib.Path("auto")` is a file or a folder, as with the names of packaged weights."""
    monkeypatch.chdir(folder)
    (folder / "auto").mkdir()
    shutil.copy(weights / "cms-lapsrn.safetensors", folder / "auto" / files.FILE_NAME)
    path = folder / "in" / "b.jpg"
    found, clean = (np.asarray(lapsrn_jax.upscale(path, 2, weights=x)) for x in (pathlib.Path("auto"), "cms-lapsrn"))
    np.testing.assert_array_equal(found, clean)
    assert (clean != np.asarray(lapsrn_jax.upscale(path, 2, weights="auto"))).any()


def test_copied_pictures_took_no_weights(folder, capsys):
    arguments = [folder / "in" / "b.jpg", "-o", folder / "copy.jpg", "--width", "24", "--copy-large"]
    assert upscale(*arguments, "--json", folder / "report.json") == 0
    assert "weights" not in capsys.readouterr().out + (folder / "report.json").read_text()


def test_results_of_other_weights_are_made_again(folder, weights, capsys):
    """Those of either network count."""
    arguments = [folder / "in", "-o", folder / "out", "--scale", "2"]
    assert upscale(*arguments) == 0
    for name in NAMES.values():
        params = jax.tree.map(lambda x: 0.9 * x, files.load_weights(name)[1])
        files.save_weights(weights / f"{name}.safetensors", MODEL, params, {})
        assert upscale(*arguments) == 0
        assert f"{len(PICTURES)} done" in capsys.readouterr().err
    assert upscale(*arguments) == 0
    assert f"{len(PICTURES)} skipped\n" in capsys.readouterr().err
