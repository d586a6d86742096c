"""Parsing of the commands' options."""

import argparse
import sys

import pytest

from lapsrn_jax.cli import main, options
from lapsrn_jax.cli.train import read_config
from lapsrn_jax.errors import UserError
from lapsrn_jax.evaluation.networks import read_networks
from tests.conftest import ROOT


def parsed(*arguments: str) -> argparse.Namespace:
    parser = options.Parser(prog="lapsrn test")
    options.add_networks(parser, ["CMS=cms-lapsrn"])
    options.add_scoring(parser)
    return parser.parse_args(["--data", "x", *arguments])


@pytest.mark.parametrize(
    "arguments",
    ["--scales 2,4 --ckpt A=a,B=b", "--scales 2 4 --ckpt A=a B=b", "--scales 2 --ckpt A=a --weights B=b --scales=4"],
)
def test_a_list_has_commas_or_spaces_or_a_repeated_option(arguments):
    found = parsed(*arguments.split())
    assert (found.scales, found.weights, found.data) == ([2, 4], ["A=a", "B=b"], ["x"])


def test_given_values_replace_the_default():
    assert parsed().scales == [2, 4, 8]
    assert parsed().weights == ["CMS=cms-lapsrn"]
    assert parsed("--ckpt", "a").weights == ["a"]
    assert parsed().weights == ["CMS=cms-lapsrn"]  # the default itself is unchanged


def test_networks_are_named_by_the_option_or_by_their_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rate=1e-3").mkdir()
    weights = (ROOT / "lapsrn_jax" / "weights" / "ms-lapsrn.safetensors").read_bytes()
    for path in ("rate=1e-3/weights.safetensors", "best.safetensors"):
        (tmp_path / path).write_bytes(weights)
    names = [network.name for network in read_networks(["cms-lapsrn", "rate=1e-3", "best.safetensors", "MS=ms-lapsrn"])]
    assert names == ["bicubic", "cms-lapsrn", "rate=1e-3", "best", "MS"]
    with pytest.raises(UserError, match="two networks would be called bicubic: name one of them"):
        read_networks(["bicubic.safetensors"])


@pytest.mark.parametrize("text", ["0", "0M", "0.0000001M", "-1", "1K", "many"])
def test_a_limit_is_a_number_of_pixels(text):
    """None at all would be no limit for some formats."""
    with pytest.raises(argparse.ArgumentTypeError, match="is not a number of pixels, such as 500M"):
        options.pixels(text)
    assert (options.pixels("1"), options.pixels("0.5m"), options.pixels("179M")) == (1, 500_000, 179_000_000)


@pytest.mark.parametrize(
    "command", ["upscale", "train", "evaluate", "tables 1", "tables 2", "figure", "export", "prepare div2k", "cache"]
)
def test_every_command_has_help_with_dashes_alone(command, capsys):
    with pytest.raises(SystemExit) as status:
        main([*command.split(), "--help"])
    assert status.value.code == 0
    words = capsys.readouterr().out.split()
    assert not [word for word in words if word.startswith("--") and "_" in word]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("evaluate --data x", "arguments are required: --ckpt/--weights"),
        ("evaluate --data x --ckpt a --nonsense", "unrecognized arguments: --nonsense"),
        ("tables 2 --data x --format html", "--format: invalid choice"),
        ("upscle", "invalid choice: 'upscle'"),
        ("", "COMMAND"),
    ],
)
def test_a_wrong_command_line_gets_one_line(arguments, words, capsys):
    with pytest.raises(SystemExit) as status:
        main(arguments.split())
    assert status.value.code == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert words in error
    assert "--help)" in error


def test_a_config_may_import_its_neighbours_from_anywhere(tmp_path, monkeypatch):
    """configs/*.py import configs.default. This works wherever `lapsrn train` runs."""
    monkeypatch.setattr("sys.path", [path for path in sys.path if path not in ("", str(ROOT))])
    monkeypatch.chdir(tmp_path)
    (tmp_path / "project" / "mine").mkdir(parents=True)
    (tmp_path / "project" / "mine" / "base.py").write_text(
        "import ml_collections\nget_config = lambda: ml_collections.ConfigDict({'seed': 1, 'data': {'scales': (2,)}})\n"
    )
    file = tmp_path / "project" / "mine" / "x.py"
    file.write_text("from mine import base\n\ndef get_config(seed='3'):\n    config = base.get_config()\n"
                    "    config.seed = int(seed)\n    return config\n")  # fmt: skip
    assert read_config(str(file), []).seed == 3
    config = read_config(f"{file}:5", ["--config.data.scales=(2,4)"])
    assert (config.seed, config.data.scales) == (5, (2, 4))
    assert read_config(f"{file}:5", ["--config.seed", "7"]).seed == 7
    with pytest.raises(UserError, match="sead"):
        read_config(str(file), ["--config.sead=1"])
