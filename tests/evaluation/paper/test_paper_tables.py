"""The paper's tables and figures: `lapsrn tables` and `lapsrn figure`."""

import json

import jax
import numpy as np
import pytest

from lapsrn_jax import models
from lapsrn_jax.cli import main
from lapsrn_jax.cli.figure import parse_crop
from lapsrn_jax.data.sources import BENCHMARKS, evaluation_sets, picture_file
from lapsrn_jax.errors import UserError
from lapsrn_jax.evaluation.figures import GAP, MARGIN, Crop, comparison
from lapsrn_jax.evaluation.networks import Network, read_networks
from lapsrn_jax.evaluation.paper.published import TABLE_1, cms_score, original_score
from lapsrn_jax.evaluation.paper.quality import GRAY_AS_RGB, evaluate_readings, printed, table_2
from lapsrn_jax.evaluation.paper.systems import SYSTEMS, name_of, table_1, variant_of
from lapsrn_jax.evaluation.protocol import Protocol, bicubic
from lapsrn_jax.evaluation.scoring import score_picture
from lapsrn_jax.evaluation.tables import TABLE_FORMATS, Table, render
from lapsrn_jax.images.io import read_image, write_image
from lapsrn_jax.models import LapSRN, Pyramid, Tying
from lapsrn_jax.weights.files import save_weights
from tests import tiny

NEAREST = Network("nearest", None, lambda lr, scale: lr.repeat(scale, 0).repeat(scale, 1))
BICUBIC = Network("bicubic", None, bicubic)


@pytest.fixture
def weights(tmp_path):
    model = Pyramid(features=4, depth=3, recursions=1, tying=Tying())
    params = jax.tree.map(np.asarray, models.initial(model, jax.random.key(0)))
    save_weights(tmp_path / "w.safetensors", model, params, {})
    return tmp_path / "w.safetensors"


@pytest.fixture
def pictures(tmp_path, rng):
    """A folder of two colour pictures and a gray one."""
    folder = tiny.write_photographs(tmp_path / "Set14", count=2)
    write_image(folder / "gray.png", tiny.photograph(rng)[:, :, 0])
    return folder


def test_table_1_agrees_with_the_paper():
    """Parameters agree to the printed digits; depths agree except for MDSR's, which the paper counts differently."""
    table = table_1()
    assert [record["system"] for record in table.records] == list(SYSTEMS)
    for record in table.records:
        assert record["filters"] == record["printed_filters"]
        assert (record["depth"] == record["printed_depth"]) == (record["system"] != "MDSR")
    agreement = {row[0]: row[list(table.columns).index("agreement")] for row in table.rows}
    assert agreement.pop("MDSR") == "equal, rounded to 0.1 M"
    assert all(text.startswith("equal") for text in agreement.values())
    assert {name.split(" (")[0] for name in SYSTEMS} == set(TABLE_1)


def test_systems_are_known_by_their_models():
    assert [name_of(system.model) for system in SYSTEMS.values()] == list(SYSTEMS)
    assert name_of(Pyramid(features=8, recursions=2, use_bias=True)) == "MS-LapSRN"
    assert variant_of(Pyramid(recursions=2)) == "MS-LapSRN D5R2"
    assert name_of(Pyramid(tying=Tying(layer=2))) is None
    assert name_of(Pyramid(tying=Tying(strength="init"))) is None


def test_published_scores():
    assert cms_score("CMS-LapSRN (3rd)", "Urban100", 8)[:2] == (22.12, 0.598)
    assert cms_score("CMS-LapSRN (3rd)", "mine", 8) is None
    assert original_score("MS-LapSRN D5R8", "Set5", 4)[0] == (31.74, None, "31.74 / -")
    assert original_score("MS-LapSRN D5R8", "Manga109", 4) is None
    assert all(cms_score("bicubic", name, scale) for name in BENCHMARKS for scale in (2, 4, 8))


def test_a_lapsrn_stands_beside_the_printed_one_of_its_own_scale():
    network = Network("LapSRN", LapSRN(levels=2), bicubic)
    assert printed(network, "Set5", 4)[0].psnr == 31.33
    assert printed(network, "Set5", 2) == (None, None, None)
    assert not network.can(8)


def test_sets_with_gray_pictures_are_scored_in_both_readings(pictures):
    sets = evaluation_sets([str(pictures)])
    records = evaluate_readings([BICUBIC, NEAREST], sets, [2], Protocol())
    found = {(record["set"], record["model"]): record for record in records}
    assert len(found) == len(records) == 4
    assert all(record["images"] == 3 for record in records)
    for suffix, as_rgb in (("", False), (GRAY_AS_RGB, True)):
        protocol = Protocol(gray_as_rgb=as_rgb)
        scores = []
        for picture in sets["Set14"]:
            hr, lr = protocol.degrade(picture.read(), 2)
            scores.append(protocol.score(bicubic(lr, 2), hr, 2))
        record = found["Set14" + suffix, "bicubic"]
        assert (record["psnr"], record["ssim"]) == pytest.approx(tuple(np.mean(scores, axis=0)))
    table = table_2([BICUBIC, NEAREST], records, [2])
    assert table.records[0]["cms_paper_psnr"] == table.records[2]["cms_paper_psnr"] == 30.25
    assert table.rows[0][4:] == ["30.25 / 0.870", f"{records[0]['psnr'] - 30.25:+.2f}", "-", "-"]
    notes = " ".join(table.notes)
    assert "protocol A" in notes
    assert "Set14 with gray pictures" in notes
    assert "Set5, BSD100, Urban100, Manga109" in notes


def test_a_folder_of_sets_is_all_of_them(tmp_path, pictures):
    tiny.write_photographs(tmp_path / "Set5", count=1)
    assert list(evaluation_sets([str(tmp_path)])) == ["Set5", "Set14"]
    assert list(evaluation_sets([f" {tmp_path}"])) == ["Set5", "Set14"]  # after a comma
    with pytest.raises(UserError, match="two sets of --data are named Set14"):
        evaluation_sets([str(tmp_path), str(pictures)])


def test_tables_in_all_formats():
    table = Table("A & B", ["a", "b"], [["1", "x_y"], ["22", "50%"]], [{"a": 1, "b": float("inf")}] * 2, ["a note"])
    texts = {form: render([table, table], form) for form in TABLE_FORMATS}
    header, rule, *rows = texts["markdown"].splitlines()[2:6]
    assert (header, rule, rows) == ("| a  | b   |", "| -- | --- |", ["| 1  | x_y |", "| 22 | 50% |"])
    assert texts["csv"].count("22,50%\n") == 2
    assert r"22 & 50\% \\" in texts["latex"]
    assert texts["latex"].count(r"\begin{table}") == texts["latex"].count(r"\end{table}") == 2
    assert json.loads(texts["json"])[1]["records"][0] == {"a": 1, "b": None}


def test_the_tables_commands(tmp_path, pictures, weights, capsys):
    main(["tables", "1", "--format", "csv"])
    assert 'CMS-LapSRN (3rd),post,progressive,yes,yes,84,64,"185,488",185k' in capsys.readouterr().out
    main(["tables", "2", "--weights", f"mine={weights}", "--data", str(pictures), "--scales", "2",
          "--plot", str(tmp_path / "plot.png"), "-o", str(tmp_path / "tables.json"), "--format", "json"])  # fmt: skip
    scores, costs = json.loads((tmp_path / "tables.json").read_text())
    assert [(r["model"], r["set"]) for r in scores["records"]] == [
        (model, name) for name in ("Set14", "Set14" + GRAY_AS_RGB) for model in ("bicubic", "mine")
    ]
    assert scores["records"][1]["cms_paper_psnr"] == 32.61
    assert [record["parameters"] for record in costs["records"]] == [None, 4 * 9 * 2 + 3 * 144 + 16]
    assert min(read_image(tmp_path / "plot.png").shape[:2]) > 300
    with pytest.raises(SystemExit):  # no network has the scale as its own
        main(["tables", "2", "--weights", f"mine={weights}", "--data", str(pictures), "--scales", "3",
              "--plot", str(tmp_path / "none.png")])  # fmt: skip
    assert "nothing to plot" in capsys.readouterr().err
    assert not (tmp_path / "none.png").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["2", "--data", "/nowhere"], "no such image folder"),
        (["2", "--data", "{data}", "--ckpt", "={weights}"], "--ckpt takes PATH or NAME=PATH"),
        (["2", "--data", "{data}", "--weights", "a={weights}", "a={weights}"], "would be called a"),
        (["2", "--data", "{data}", "--ckpt", "a={weights},b={weights}", "--ckpt", "a={weights}"], "would be called a"),
        (["2", "--data", "{data}", "--scales", "1"], "--scales takes"),
        (["2", "--data", "{data}", "--weights", "a={weights}", "--plot", "a.xyz"], "suffix"),
        (["1", "-o", "/nowhere/table.md"], "cannot write /nowhere/table.md"),
        (["1", "--json", "/nowhere/table.json"], "cannot write /nowhere/table.json"),
    ],
)
def test_bad_arguments_get_one_line(pictures, weights, capsys, arguments, words):
    with pytest.raises(SystemExit):
        main(["tables", *(argument.format(data=pictures, weights=weights) for argument in arguments)])
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1


def test_the_figure_shows_the_crops_pixels(pictures):
    models = {"bicubic": bicubic, "nearest": NEAREST.upscale}
    paths = [pictures / "0.png", pictures / "gray.png"]
    examples = [score_picture(picture_file(path), models, 2, Protocol()) for path in paths]
    figure = comparison(examples, 2, Crop(8, 4, 24, 18))
    hr = read_image(paths[0])[4:22, 8:32]
    enlarged = hr.repeat(20, 0).repeat(20, 1)  # 360 pixels for 18
    assert (figure[: MARGIN - 1] == 255).all()
    left = MARGIN + 360 + GAP  # right of the margin, the square original and a gap
    np.testing.assert_array_equal(figure[MARGIN : MARGIN + 360, left : left + 480], enlarged)


def test_the_figure_command(tmp_path, pictures, weights, capsys):
    arguments = ["figure", str(pictures / "0.png"), "--weights", f"mine={weights}", "--scale", "2"]
    main([*arguments, "-o", str(tmp_path / "figure.png"), "--json", str(tmp_path / "figure.json")])
    assert read_image(tmp_path / "figure.png").shape[0] > 400
    scores = json.loads((tmp_path / "figure.json").read_text())
    assert [(record["model"], record["scale"]) for record in scores] == [("bicubic", 2), ("mine", 2)]
    for more, words in (
        (["-o", str(tmp_path / "figure.xyz")], "suffix"),
        (["-o", str(tmp_path / "a.png"), "--crop", "40,0,20,20"], "is not inside"),
        (["-o", str(tmp_path / "a.png"), "--crop", "1,2,3"], "four whole numbers"),
        (["-o", str(tmp_path / "a.png"), "--scale", "1"], "--scale takes"),
    ):
        with pytest.raises(SystemExit):
            main([*arguments, *more])
        assert words in capsys.readouterr().err
    assert parse_crop("1,2,30,40") == (1, 2, 30, 40)


@pytest.mark.slow
def test_the_authors_networks_stand_beside_their_own_numbers(benchmarks, reference):
    """The table's scores on Set5 are within 0.03 dB of the published ones."""
    files = {"LapSRN_x2": 2, "LapSRN_x4": 4, "LapSRN_x8": 8, "MSLapSRN_D5R5": 4, "MSLapSRN_D5R8": 4}
    networks = read_networks([f"{name}={reference / name}.mat" for name in files])
    for scale in (2, 4, 8):
        these = [network for network in networks if files.get(network.name, scale) == scale]
        records = evaluate_readings(these, evaluation_sets([str(benchmarks / "Set5")]), [scale], Protocol())
        for record in table_2(these, records, [scale]).records:
            printed = record["cms_paper_psnr"] if record["model"] == "bicubic" else record["original_psnr"]
            assert record["psnr"] == pytest.approx(printed, abs=0.03), record
