"""The commands as a user runs them: output, files and exit status."""

import json
import os
import pathlib
import shutil
import subprocess
import sys

import jax
import numpy as np
import PIL.Image
import pytest

from lapsrn_jax.images.io import read_image, write_image
from lapsrn_jax.training.loop import train_and_evaluate
from tests import tiny
from tests.conftest import ROOT


def run(*command: object, cwd=ROOT) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, *map(str, command)], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )


def complaint(result: subprocess.CompletedProcess[str]) -> str:
    """Returns the only error line of a failed command."""
    assert result.returncode == 2, result.stderr
    assert "Traceback" not in result.stderr
    lines = [line for line in result.stderr.splitlines() if "error: " in line]
    assert len(lines) == 1, result.stderr
    return lines[0]


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    return tiny.write_photographs(tmp_path_factory.mktemp("photographs"))


@pytest.fixture(scope="module")
def trained(tmp_path_factory, photographs):
    workdir = tmp_path_factory.mktemp("runs") / "tiny"
    train_and_evaluate(tiny.config(photographs, training__steps=2), workdir)
    return workdir


@pytest.mark.slow
def test_train_evaluate_upscale(tmp_path, photographs):
    workdir = tmp_path / "run"
    result = run("train.py", *tiny.flags(photographs), f"--workdir={workdir}")
    assert result.returncode == 0, result.stderr
    assert "step/s" in result.stderr

    scores = tmp_path / "scores.json"
    result = run("evaluate.py", "--ckpt", workdir, "--data", photographs, "--scales", "2,4", "--json", scores,
                 "--save-images", tmp_path / "images")  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert "protocol A" in result.stdout
    records = json.loads(scores.read_text())
    assert [(r["model"], r["scale"]) for r in records] == [("bicubic", 2), ("run", 2), ("bicubic", 4), ("run", 4)]
    assert set(records[0]) == {"model", "set", "scale", "psnr", "ssim", "images", "protocol"}
    assert (tmp_path / "images" / photographs.name / "x2" / "0_comparison.png").exists()

    result = run("-m", "lapsrn_jax.cli", "upscale", photographs / "0.png", "-o", tmp_path / "large.png",
                 "--scale", "3", "--weights", workdir / "weights.safetensors")  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert read_image(tmp_path / "large.png").shape == (144, 144, 3)


CONFIG = "--config=configs/cms_x2.py"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ([], "--config"),
        (["--config=configs/nope.py"], "no such config: configs/nope.py"),
        (["--config", "nope.py"], "no such config: nope.py"),
        (["--config=README.md"], "is wrong: SyntaxError"),
        ([CONFIG, "--config.training.stepz=1"], "stepz"),
        ([CONFIG, "--config.training.steps=many"], "many"),
        ([CONFIG, "--stepz=1"], "stepz"),
        ([CONFIG, "extra"], "extra"),
        (["--config"], "argument --config: expected one argument"),
        (["-config=nope.py"], "arguments are required: --config"),
        (["--config={wrong}"], "ModuleNotFoundError"),
        ([CONFIG, "--config.data.scales=(3,)"], "data.scales must be"),
        ([CONFIG, "--processes", "2", "--process", "0"], "--processes and --process need --coordinator"),
        ([CONFIG, "--config.data.train="], "name folders"),
        (
            [CONFIG, "--workdir={photographs}/0.png/run", "--config.data.train=bundled", "--config.data.patch_size=64"],
            "cannot write to",
        ),
        (["--config=configs/ms_x2.py", "--config.model.tying.layer=1"], "model.tying.layer"),
        ([CONFIG, "--config.model.tying.layer=9"], "tying.layer is 9"),
        ([CONFIG, "--config.data.train=/nowhere"], "no such image folder: /nowhere"),
        ([CONFIG, "--config.data.train={empty}"], "no images in"),
        ([CONFIG, "--config.data.train={broken}"], "broken.png is damaged"),
        ([CONFIG, "--config.data.train={photographs}"], "smaller than a patch of 512 pixels"),
        ([CONFIG, "--workdir=/proc/none", "--config.data.train=bundled", "--config.data.patch_size=64"], "/proc/none"),
    ],
)
def test_bad_training_input_gets_one_line(tmp_path, photographs, flags, words):
    places = {"empty": tmp_path / "empty", "broken": tmp_path / "broken", "photographs": photographs}
    places["wrong"] = tmp_path / "wrong.py"
    places["wrong"].write_text("import nothing_of_that_name\n")
    places["empty"].mkdir()
    tiny.write_photographs(places["broken"], count=1)
    (places["broken"] / "broken.png").write_bytes((photographs / "0.png").read_bytes()[:500])
    flags = [flag.format(**places) for flag in flags]
    workdir = [] if any("workdir" in flag for flag in flags) else [f"--workdir={tmp_path / 'run'}"]
    assert words in complaint(run("train.py", *workdir, *flags))
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_bad_evaluation_input_gets_one_line(tmp_path, photographs, trained):
    (tmp_path / "text.safetensors").write_text("not weights")
    (tmp_path / "text.mat").write_text("not weights")
    for ckpt, words in (
        (tmp_path / "nowhere", "no such weights file or run folder"),
        (tmp_path, "no weights.safetensors in"),
        (tmp_path / "text.safetensors", "text.safetensors is not a weights file"),
        (tmp_path / "text.mat", "text.mat is not a LapSRN or MS-LapSRN .mat file"),
        (tmp_path / ("x" * 300), "File name too long"),
    ):
        assert words in complaint(run("evaluate.py", "--ckpt", ckpt, "--data", photographs))
    for flags, words in (
        (["--scales=2,x"], "--scales takes whole numbers"),
        (["--scales=16"], "too small to be scored at x16"),
        (["--data=/nowhere"], "no such image folder: /nowhere"),
        (["--protocol=C"], "protocol"),
        (["--scales="], "--scales takes whole numbers"),
        (["--scales=\u00b2"], "--scales takes whole numbers"),
        ([f"--data={photographs},{photographs}"], "two sets of --data are named"),
        ([f"--data={photographs},"], "an empty entry"),
        (["--json=/nowhere/scores.json"], "its folder does not exist"),
    ):
        data = [] if flags[0].startswith("--data") else [f"--data={photographs}"]
        assert words in complaint(run("evaluate.py", "--ckpt", trained, *data, *flags))


@pytest.mark.slow
def test_the_script_and_the_command_agree(tmp_path, photographs, trained):
    arguments = ["--ckpt", trained, "--data", photographs, "--scales", "2,4", "--json"]
    results = [
        run(*program, *arguments, tmp_path / f"{i}.json")
        for i, program in enumerate((["evaluate.py"], ["-m", "lapsrn_jax.cli", "evaluate"]))
    ]
    assert results[0].returncode == results[1].returncode == 0, results[0].stderr
    assert results[0].stdout == results[1].stdout
    assert (tmp_path / "0.json").read_bytes() == (tmp_path / "1.json").read_bytes()


def test_several_networks_are_scored_beside_each_other(tmp_path, photographs, trained, capsys):
    """Each at the scales that it has; none of them having one is an error."""
    from lapsrn_jax.cli import main
    from lapsrn_jax.models import LapSRN, initial
    from lapsrn_jax.weights.files import save_weights

    small = LapSRN(levels=1, features=4, depth=1)
    save_weights(tmp_path / "small.safetensors", small, initial(small, jax.random.key(0)), {})
    arguments = ["evaluate", "--data", str(photographs), "--json", str(tmp_path / "scores.json"), "--ckpt"]
    main([*arguments, f"A={trained}", f"B={tmp_path / 'small.safetensors'}", "--scales", "2,4"])
    header, _, x2, x4, *_ = capsys.readouterr().out.splitlines()
    assert [cell.strip() for cell in header.split("|")[4:-1]] == ["bicubic", "A", "B"]
    assert [cell.strip() == "-" for cell in x2.split("|")[4:-1]] == [False, False, False]
    assert [cell.strip() == "-" for cell in x4.split("|")[4:-1]] == [False, False, True]
    records = json.loads((tmp_path / "scores.json").read_text())
    assert [(r["model"], r["scale"]) for r in records] == [
        ("bicubic", 2), ("A", 2), ("B", 2), ("bicubic", 4), ("A", 4)
    ]  # fmt: skip
    with pytest.raises(SystemExit):
        main([*arguments, str(tmp_path / "small.safetensors"), "--scales", "4"])
    assert "small can enlarge by at most x2, not by x4" in capsys.readouterr().err


def test_a_damaged_picture_stops_the_evaluation_or_is_left_out(tmp_path, photographs, capsys):
    from lapsrn_jax.cli import main

    shutil.copytree(photographs, tmp_path / "set")
    (tmp_path / "set" / "broken.png").write_bytes((photographs / "0.png").read_bytes()[:300])
    PIL.Image.new("RGB", (7, 90)).save(tmp_path / "set" / "small.png")
    report = tmp_path / "scores.json"
    arguments = ["evaluate", "--ckpt", "cms-lapsrn", "--scales", "2", "--json", str(report), "--data"]
    with pytest.raises(SystemExit):
        main([*arguments, str(tmp_path / "set")])
    assert "broken.png is damaged" in capsys.readouterr().err
    main([*arguments, str(photographs)])
    expected = [record | {"set": "set"} for record in json.loads(report.read_text())]
    main([*arguments, str(tmp_path / "set"), "--skip-damaged"])
    assert json.loads(report.read_text()) == expected
    error = capsys.readouterr().err
    assert error.count("left out: ") == 2
    assert "broken.png is damaged" in error
    assert "small.png is 7 x 90 pixels: too small to be scored at x2" in error
    for path in photographs.iterdir():
        (tmp_path / "set" / path.name).unlink()
    with pytest.raises(SystemExit):
        main([*arguments, str(tmp_path / "set"), "--skip-damaged"])
    assert "no picture of set can be scored" in capsys.readouterr().err


@pytest.mark.slow
def test_a_config_takes_an_argument(tmp_path, photographs):
    """It is a part of the run's name: the stages of a recipe do not share a folder."""
    flags = [flag for flag in tiny.flags(photographs) if not flag.startswith("--config=")]
    result = run(ROOT / "train.py", f"--config={ROOT / 'configs/weights.py'}:ms_r1", *flags, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    settings = json.loads((tmp_path / "runs" / "weights_ms_r1" / "config.json").read_text())
    assert settings["model"]["tying"] is None
    assert "the argument of this config is one of cms_r1, cms_r2, " in complaint(
        run("train.py", "--config=configs/weights.py:x")
    )


def test_the_exit_status_is_right_when_stderr_fails(tmp_path):
    """Standard error may be a file on a full disk."""
    command = [sys.executable, "-m", "lapsrn_jax.cli", "upscale", tmp_path / "none.png", "-o", tmp_path / "out.png"]
    with pathlib.Path("/dev/full").open("w") as full:
        assert subprocess.run(command, cwd=ROOT, stderr=full, check=False).returncode == 2


@pytest.mark.slow
def test_bad_upscaling_input_gets_one_line(tmp_path, photographs, trained):
    picture = tmp_path / "picture.png"
    picture.write_bytes((photographs / "0.png").read_bytes())
    before = picture.read_bytes()
    for arguments, words in (
        ([picture, "-o", tmp_path / "out.xyz"], "suffix"),
        ([picture, "-o", picture], "is one of the inputs"),
        ([tmp_path / "none.png", "-o", tmp_path / "out.png"], "no such picture, folder or pattern"),
        ([tmp_path, "-o", picture], "is a file"),
        ([picture, "-o", tmp_path / "out.png", "--width", "10"], "is smaller than the picture"),
        ([picture, "-o", tmp_path / "out.png", "--width", "100", "--scale", "2"], "either a scale, or a width"),
        ([picture, "-o", tmp_path / "out.png", "--max-memory", "lots"], "is not an amount of memory"),
        ([picture, "-o", tmp_path / "out.png", "--device", "abacus"], "--device abacus"),
        *([] if shutil.which("nvidia-smi") else [([picture, "-o", picture, "--device", "cuda"], "--device cuda")]),
        ([picture, "-o", tmp_path / "out.png", "--scale", "0.5"], "the scale must be a number above 1"),
        ([picture, "-o", picture / "out.png"], "File exists"),
        ([picture], "-o"),
        ([tmp_path / "none.png", "-o", picture], "no such picture"),
        ([picture, "-o", tmp_path / ("x" * 300 + ".png")], "File name too long"),
    ):
        assert words in complaint(run("-m", "lapsrn_jax.cli", "upscale", *arguments, "--weights", trained))
    assert picture.read_bytes() == before
    assert {path.name for path in tmp_path.iterdir()} == {"picture.png"}


@pytest.mark.slow
def test_included_weights_are_scored_by_name(photographs):
    result = run("evaluate.py", "--ckpt", "cms-lapsrn", "--data", photographs, "--scales", "2")
    assert result.returncode == 0, result.stderr
    assert "| cms-lapsrn " in result.stdout


def test_a_gray_picture_stays_gray(tmp_path, rng, trained):
    from lapsrn_jax.cli import main

    write_image(tmp_path / "gray.png", rng.integers(0, 256, (9, 11), dtype=np.uint8))
    main(["upscale", f"{tmp_path}/gray.png", "-o", f"{tmp_path}/large.png", "--scale", "2", "--weights", str(trained)])
    assert read_image(tmp_path / "large.png").shape == (18, 22)
