import io
import json
import signal
import subprocess
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np
import PIL.Image
import pytest

import lapsrn_jax
from lapsrn_jax import models
from lapsrn_jax.errors import UserError
from lapsrn_jax.images.io import write_image
from lapsrn_jax.models import Pyramid, Tying
from lapsrn_jax.photos.photo import Photo
from lapsrn_jax.photos.reading import read_photo
from lapsrn_jax.photos.writing import write_photo
from lapsrn_jax.upscaling import picture
from lapsrn_jax.weights.files import save_weights
from tests import tiny
from tests.conftest import ROOT
from tests.photos.test_photo_damage import whole_files
from tests.upscaling.command import snapshot, upscale


def test_a_folder_with_a_bad_picture_in_it(folder, weights, capsys):
    """The others are done, the bad one is named, the exit status is 1, and no partial file remains."""
    (folder / "in" / "bad.png").write_bytes(b"no picture")
    before = snapshot(folder / "in")
    status = upscale(folder / "in", "-o", folder / "out", "--weights", weights, "--json", folder / "report.json")
    assert status == 1
    assert "bad.png is not a picture" in capsys.readouterr().err
    assert snapshot(folder / "in") == before
    results = {"a.png", "deep/b.jpg", "deep/c d.webp"}
    assert snapshot(folder / "out").keys() == results | {".lapsrn.jsonl"}
    assert all(read_photo(folder / "out" / name).pixels.shape == (80, 96, 3) for name in results)
    reports = json.loads((folder / "report.json").read_text())
    assert [report["status"] for report in reports] == ["done", "failed", "done", "done"]
    assert reports[0]["size"] == [96, 80]


def test_finished_results_are_skipped(folder, weights, capsys):
    """A result is only made again if the picture, the settings or the result have changed. Dates do not count."""
    arguments = [folder / "in", "-o", folder / "out", "--weights", weights]
    assert upscale(*arguments, "--scale", "2") == 0
    first = snapshot(folder / "out")
    assert "3 done" in capsys.readouterr().err
    assert upscale(*arguments, "--scale", "2") == 0
    assert "3 skipped" in capsys.readouterr().err
    (folder / "out" / "a.png").write_bytes(b"damaged")
    write_image(folder / "in" / "deep" / "b.jpg", tiny.photograph(np.random.default_rng(9), 20, 24))
    assert upscale(*arguments, "--scale", "2", "--overwrite") == 0
    assert "2 done, 1 skipped" in capsys.readouterr().err
    assert snapshot(folder / "out")["a.png"] == first["a.png"]
    assert snapshot(folder / "out")["deep/b.jpg"] != first["deep/b.jpg"]
    assert upscale(*arguments, "--scale", "3") == 0
    assert "3 done" in capsys.readouterr().err


def test_one_picture_in_a_new_folder_is_skipped_too(folder, weights, capsys):
    arguments = [folder / "in" / "a.png", "-o", f"{folder}/new/", "--weights", weights, "--scale", "2"]
    assert upscale(*arguments) == 0
    assert "48 x 40 pixels" in capsys.readouterr().out
    assert upscale(*arguments) == 0
    assert "done before" in capsys.readouterr().out


def test_fast_takes_half_of_the_recursions(folder, tmp_path, capsys):
    """`--fast` is part of the settings, so results without it are made again."""
    model = Pyramid(**{**tiny.MODEL, "recursions": 4}, tying=Tying())
    params = model.init(jax.random.key(0), jnp.zeros((1, 8, 8, 1)), 2)["params"]
    for recursions in (4, 2):
        save_weights(tmp_path / f"{recursions}.safetensors", model.clone(recursions=recursions), params, {})
    picture, results = folder / "in" / "a.png", f"{tmp_path}/results/"
    whole, half = (lapsrn_jax.upscale(picture, 2, weights=tmp_path / f"{n}.safetensors") for n in (4, 2))
    for flags, expected in (([], whole), (["--fast"], half)):
        assert upscale(picture, "-o", results, "--scale", "2", "--weights", tmp_path / "4.safetensors", *flags) == 0
        np.testing.assert_array_equal(PIL.Image.open(f"{results}a.png"), expected)
    np.testing.assert_array_equal(lapsrn_jax.upscale(picture, 2, weights=tmp_path / "4.safetensors", fast=True), half)
    assert (np.asarray(whole) != half).any()
    capsys.readouterr()
    assert upscale(picture, "-o", results, "--fast", "--weights", tmp_path / "2.safetensors") == 2
    assert "four or more recursions" in capsys.readouterr().err


def test_inputs_are_never_overwritten(folder, weights, capsys):
    before = snapshot(folder / "in")
    assert upscale(folder / "in", "-o", folder / "in", "--weights", weights) == 1
    assert snapshot(folder / "in").items() >= before.items()
    assert capsys.readouterr().err.count("is one of the inputs") == 3


def test_streams(folder, weights, monkeypatch, capsysbinary):
    content = (folder / "in" / "a.png").read_bytes()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
    assert upscale("-", "-o", "-", "--scale", "2", "--weights", weights, "--format", "jpg") == 0
    with PIL.Image.open(io.BytesIO(capsysbinary.readouterr().out)) as image:
        assert (image.format, image.size) == ("JPEG", (48, 40))


def test_depth_profile_and_resolution_arrive(tmp_path, rng, weights, capsys):
    """16 bits stay 16 bits. For a JPEG, a note says what is lost."""
    import tifffile

    pixels = rng.integers(0, 2**16, (12, 10, 3), dtype=np.uint16)
    tifffile.imwrite(tmp_path / "deep.tif", pixels, photometric="rgb", iccprofile=b"profile", resolution=(300, 300),
                     resolutionunit=2)  # fmt: skip
    for name in ("x.png", "x.tif"):
        assert upscale(tmp_path / "deep.tif", "-o", tmp_path / name, "--scale", "2", "--weights", weights) == 0
        photo = read_photo(tmp_path / name)
        assert photo.pixels.dtype == np.uint16
        assert photo.pixels.shape == (24, 20, 3)
        assert photo.icc_profile == b"profile"
        assert photo.dpi == pytest.approx((300, 300), abs=0.1)
    assert upscale(tmp_path / "deep.tif", "-o", tmp_path / "x.jpg", "--scale", "2", "--weights", weights) == 0
    assert "rounded" in capsys.readouterr().err
    assert upscale(tmp_path / "x.png", "-o", tmp_path / "y.png", "--width", "30", "--strip", "--weights", weights) == 0
    stripped = read_photo(tmp_path / "y.png")
    assert (stripped.dpi, stripped.icc_profile) == (None, b"profile")


def test_losses_are_reported_before_the_work(tmp_path, rng, weights, monkeypatch, capsys):
    source, report = tmp_path / "a.png", tmp_path / "report.json"
    pixels = rng.integers(0, 2**16, (12, 10, 3), dtype=np.uint16)
    write_photo(source, (10, 12), [pixels], Photo(pixels, dpi=(300.0, 300.0)))
    arguments = [
        source, "-o", tmp_path / "a.webp", "--scale", "2", "--weights", weights, "--json", report, "--overwrite"
    ]  # fmt: skip
    note = (
        "WEBP cannot store resolution, which will be left out; "
        "it has 8 bits per sample: the picture's 16 bits will be rounded"
    )
    assert upscale(*arguments) == 0
    assert json.loads(report.read_text())[0]["note"] == note
    capsys.readouterr()

    def stop(*_, **__):
        raise UserError("no work today")

    monkeypatch.setattr(picture, "write_photo", stop)
    assert upscale(*arguments) == 2
    assert f"a.webp: {note}" in capsys.readouterr().err


def test_two_hundred_damaged_files(tmp_path, weights, rng, capsys):
    """Each is enlarged or named with a reason in one line, no partial file remains, and the good ones are done."""
    whole = list(whole_files().items())
    (tmp_path / "in").mkdir()
    for i in range(200):
        name, content = whole[i % len(whole)]
        damaged = bytearray(content)
        if i % 4 == 0:
            damaged = damaged[: rng.integers(len(damaged))]
        elif i % 4 < 3:
            for place in rng.integers(len(damaged), size=4):
                damaged[place] ^= 1 << rng.integers(8)
        suffix = ".png" if i % 4 == 3 else "." + name.split(".")[-1]
        (tmp_path / "in" / f"{i:03d}{suffix}").write_bytes(damaged)
    for name in ("000 first.png", "zzz last.png"):
        write_image(tmp_path / "in" / name, tiny.photograph(rng, 10, 12))
    report = tmp_path / "report.json"
    upscale(tmp_path / "in", "-o", tmp_path / "out", "--weights", weights, "--scale", "2", "--json", report)
    reports = json.loads(report.read_text())
    assert len(reports) == 202
    failed = [report for report in reports if report["status"] == "failed"]
    assert len(failed) > 20
    assert all(len(report["error"].splitlines()) == 1 for report in failed)
    assert capsys.readouterr().err.count("failed: ") == len(failed)
    done = {report["target"] for report in reports if report["status"] == "done"}
    assert {str(path) for path in (tmp_path / "out").iterdir()} == done | {str(tmp_path / "out" / ".lapsrn.jsonl")}
    assert all(read_photo(path).pixels.size for path in done)
    assert {f"{tmp_path}/out/000 first.png", f"{tmp_path}/out/zzz last.png"} <= done


def test_the_same_arrays_in_another_model_are_another_network(folder, tmp_path, capsys):
    """Four recursions and one have the same parameters but not the same results. Versions count too."""
    model = Pyramid(**{**tiny.MODEL, "recursions": 4}, tying=Tying())
    params = model.init(jax.random.key(0), jnp.zeros((1, 8, 8, 1)), 2)["params"]
    for recursions in (4, 1):
        save_weights(tmp_path / f"{recursions}.safetensors", model.clone(recursions=recursions), params, {})
    for recursions, said in ((4, "48 x 40 pixels"), (1, "48 x 40 pixels"), (1, "done before")):
        arguments = [folder / "in" / "a.png", "-o", f"{tmp_path}/results/", "--scale", "2"]
        assert upscale(*arguments, "--weights", tmp_path / f"{recursions}.safetensors") == 0
        assert said in capsys.readouterr().out


def test_other_parameters_are_another_network(folder, weights, tmp_path, capsys):
    model = Pyramid(**tiny.MODEL, tying=Tying())
    save_weights(tmp_path / "other.safetensors", model, models.initial(model, jax.random.key(1)), {})
    for path in (weights, tmp_path / "other.safetensors"):
        assert upscale(folder / "in" / "a.png", "-o", f"{tmp_path}/results/", "--scale", "2", "--weights", path) == 0
        assert "48 x 40 pixels" in capsys.readouterr().out


@pytest.mark.parametrize(
    "option",
    ["--strip", "--keep-hidden", "--self-ensemble", "--fast", "--scale=3"]
    + ["--quality=9", "--lossless", "--background=red"],
)
def test_every_setting_counts(folder, weights, capsys, option):
    """And the command passes them on: with another setting, what was done is done again."""
    weights = weights if option != "--fast" else "cms-lapsrn"
    common = [folder / "in" / "a.png", "-o", f"{folder}/out/", "--weights", weights]
    for options, said in (([], "done before"), ([option], "pixels")):
        upscale(*common, *options) if options else [upscale(*common) for _ in range(2)]
        assert said in capsys.readouterr().out.splitlines()[-1]


def test_the_report_is_written_when_the_batch_is_interrupted(folder, weights, monkeypatch):
    read, report = picture.open_album, folder / "report.json"

    def interrupted(path, name):
        if "b.jpg" in path:
            raise KeyboardInterrupt
        return read(path, name)

    monkeypatch.setattr(picture, "open_album", interrupted)
    assert upscale(folder / "in", "-o", folder / "out", "--weights", weights, "--json", report) == 130
    assert [report["status"] for report in json.loads(report.read_text())] == ["done"]


def test_a_lone_picture_that_fails_is_in_the_report(folder, weights):
    bad, report = folder / "bad.png", folder / "report.json"
    bad.write_bytes(b"no picture")
    assert upscale(bad, "-o", folder / "out.png", "--weights", weights, "--json", report) == 2
    assert [(report["source"], report["status"]) for report in json.loads(report.read_text())] == [(str(bad), "failed")]


TERMINATED = """
import sys, time
from lapsrn_jax.cli import main
from lapsrn_jax.upscaling import picture

def endless(*_, progress, **__):
    while True:
        time.sleep(0.1)
        progress(0)
    yield

picture.enlarged = endless
main(sys.argv[1:])
"""


def test_sigterm_leaves_no_partial_file(folder, weights):
    report = folder / "report.json"
    command = ["upscale", folder / "in", "-o", folder / "out", "--weights", weights, "--json", report]
    process = subprocess.Popen([sys.executable, "-c", TERMINATED, *command], cwd=ROOT)
    try:
        deadline = time.monotonic() + 120
        while not list((folder / "out").glob(".*.partial")):  # some formats are written only at the end
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.terminate()
        assert process.wait(60) == 128 + signal.SIGTERM
    finally:
        process.kill()
        process.wait()
    assert not snapshot(folder / "out")
    assert json.loads(report.read_text()) == []


def test_standard_streams_may_be_closed_or_replaced(folder, weights, monkeypatch, capsys):
    """Shells close them, Jupyter replaces them. Only the stream `-` needs them."""
    source = folder / "in" / "a.png"
    for stream in (None, io.StringIO()):
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", stream)
            patch.setattr(sys, "stdin", stream)
            assert upscale(source, "-o", folder / f"{stream is None}.png", "--weights", weights) == 0
            assert upscale(source, "-o", "-", "--weights", weights) == 2
            assert upscale("-", "-o", folder / "b.png", "--weights", weights) == 2
        errors = capsys.readouterr().err
        assert "standard output is closed or takes text only: give a file instead of -" in errors
        assert "standard input is closed or takes text only" in errors


def test_pictures_with_many_pixels_need_an_option(folder, weights, monkeypatch, capsys):
    monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", 100)
    arguments = [folder / "in" / "a.png", "-o", folder / "a.png", "--scale", "2", "--weights", weights]
    assert upscale(*arguments) == 2
    assert "a.png has more than 0.0002 million pixels: allow more with --max-pixels" in capsys.readouterr().err
    assert upscale(*arguments, "--max-pixels", "479") == 2
    assert upscale(*arguments, "--max-pixels", "0.00048M") == 0
    assert upscale(*arguments, "--max-pixels", "many") == 2
    assert "'many' is not a number of pixels, such as 500M" in capsys.readouterr().err
