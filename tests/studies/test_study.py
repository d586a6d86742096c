"""A small study is run, killed, shared between processes and reported."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import filelock
import jax
import numpy as np
import pytest

from lapsrn_jax import models
from lapsrn_jax.errors import UserError
from lapsrn_jax.training.interrupts import STOPPED
from studies import run, times
from studies.cells import result_file
from studies.claims import claims, show
from studies.grid import Cell, Grid, Variant, load_grid
from studies.intervals import t_interval
from studies.plots import draw
from studies.report import report
from studies.results import read_results
from studies.scaled import ScaledTying
from tests import tiny
from tests.conftest import ROOT

CONFIG = """
from lapsrn_jax.models import Tying
from studies.grid import Grid, Variant
from tests import tiny

def get_grid():
    base = tiny.config({photographs!r}, model__features=4, data__patch_size=16, data__hold_out=2)
    variants = {{"ms": Variant(None), "adjoint_3": Variant(Tying())}}
    return Grid(base, variants, (0, 1), ({photographs!r},), steps=40, moments=2)
"""


@pytest.fixture(scope="module")
def config(tmp_path_factory) -> pathlib.Path:
    """The file of a grid with two variants and two seeds."""
    folder = tmp_path_factory.mktemp("config")
    photographs = tiny.write_photographs(folder / "photographs", count=4)
    (folder / "grid.py").write_text(CONFIG.format(photographs=str(photographs)))
    return folder / "grid.py"


def start(config, folder) -> subprocess.Popen:
    """Starts the command in a new process group; its output goes to a file beside the folder."""
    command = [sys.executable, "-m", "studies.tying", "--config", str(config), "--folder", str(folder)]
    with pathlib.Path(f"{folder}.said").open("a") as said:
        return subprocess.Popen(command, cwd=ROOT, stdout=said, stderr=said, start_new_session=True)


def said(folder) -> str:
    return pathlib.Path(f"{folder}.said").read_text()


def numbers(folder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((folder / "cells").iterdir())}


@pytest.fixture(scope="module")
def whole(config, tmp_path_factory) -> pathlib.Path:
    """The folder of a study that ran without interruption."""
    folder = tmp_path_factory.mktemp("studies") / "whole"
    assert start(config, folder).wait() == 0, said(folder)
    return folder


@pytest.mark.slow
def test_every_cell_is_measured_from_the_start_to_the_end(whole):
    assert list(numbers(whole)) == ["adjoint_3-0.json", "adjoint_3-1.json", "ms-0.json", "ms-1.json"]
    for text in numbers(whole).values():
        cell = json.loads(text)
        assert [moment["step"] for moment in cell["moments"]] == [0, 20, 40]
        assert [step for step, _ in cell["loss"]] == list(range(1, 41))
        scores = {(score["set"], score["scale"]): score for score in cell["scores"]}
        assert list(scores) == [("held out", 2), ("held out", 4), ("photographs", 2), ("photographs", 4)]
        assert [len(score["pictures"]) for score in scores.values()] == [2, 2, 4, 4]
        assert [row[0] for row in cell["validation"]] == [20, 40]
        assert cell["validation"][-1][1:] == pytest.approx([scores["held out", s]["psnr"] for s in (2, 4)], abs=1e-3)
    assert not [path for path in (whole / "runs").iterdir() if path.is_dir()]


@pytest.mark.slow
def test_a_seed_draws_the_start_and_a_tied_kernel_stays_tied(config, whole):
    grid, cells = load_grid(config), read_results(whole).cells
    assert cells["ms", 0]["loss"][0] != cells["ms", 1]["loss"][0]
    free, tied = (models.initial(grid.model(name), jax.random.key(0)) for name in ("ms", "adjoint_3"))
    jax.tree.map(np.testing.assert_array_equal, {name: free[name] for name in tied}, tied)
    tied = cells["adjoint_3", 0]["moments"]
    assert all(moment["kernels"]["adjoint"]["distance"][2] == 0 for moment in tied)
    assert cells["ms", 0]["parameters"] - cells["adjoint_3", 0]["parameters"] == 9 * 4**2


@pytest.mark.slow
def test_killed_and_stopped_it_gives_the_same_bytes(config, whole, tmp_path):
    """The kills come in the middle of a run, at its last checkpoint, and during the measurement."""
    folder = tmp_path / "killed"
    for cell, step, number in (
        ("ms-0", 20, signal.SIGKILL),
        ("ms-0", 40, signal.SIGKILL),
        ("ms-1", 20, signal.SIGTERM),
    ):
        process = start(config, folder)
        while not (folder / "runs" / cell / "manifests" / f"{step}.json").exists():
            assert process.poll() is None, said(folder)
            time.sleep(0.01)
        os.killpg(process.pid, number)
        status = process.wait(60)
        assert status == (STOPPED if number == signal.SIGTERM else -number), said(folder)
    assert numbers(folder).keys() < numbers(whole).keys()
    assert start(config, folder).wait() == 0, said(folder)
    assert numbers(folder) == numbers(whole)


@pytest.mark.slow
def test_two_processes_share_the_cells(config, whole, tmp_path):
    folder = tmp_path / "shared"
    processes = [start(config, folder) for _ in range(2)]
    assert [process.wait() for process in processes] == [0, 0], said(folder)
    assert numbers(folder) == numbers(whole)
    for cell in load_grid(config).cells:
        assert said(folder).count(f"{cell.name}: a new run") == 1


@pytest.mark.slow
def test_a_tying_of_the_study_alone_is_trained_to_the_end(tmp_path):
    """The package does not know it, and a run reads the score of its best weights at each validation."""
    photographs = tiny.write_photographs(tmp_path / "photographs", count=4)
    base = tiny.config(photographs, model__features=4, data__patch_size=16, data__hold_out=2)
    variants = {"ms": Variant(None), "gain": Variant(ScaledTying(gain=2.0, learn_gain=True))}
    assert run.run_grid(Grid(base, variants, (0,), (str(photographs),), steps=4, moments=2), tmp_path / "study") == 0
    cell = json.loads((tmp_path / "study" / "cells" / "gain-0.json").read_text())
    assert [step for step, *_ in cell["validation"]] == [2, 4]


def test_times_are_of_all_variants_and_of_one_twice(config):
    measured = times.measure(load_grid(config), rounds=2)
    for kind in ("step", "picture"):
        assert list(measured[kind]) == ["ms", "adjoint_3", "ms again"]
        assert all(len(seconds) == 2 and min(seconds) > 0 for seconds in measured[kind].values())


@pytest.mark.slow
def test_the_report_is_made_from_the_results_alone(whole, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(whole, folder, ignore=shutil.ignore_patterns("runs"))
    results = read_results(folder)
    pictures = draw(results, folder)
    page = report(results, "a study", pictures)
    assert all((folder / picture).stat().st_size > 1000 and f"]({picture})" in page for picture in pictures.values())
    for word in ("4 of 4 cells", "Better at x4.", "adjoint_3", "undecided", "ms-\\*.json"):
        assert word in page
    (folder / "cells" / "ms-1.json").unlink()
    assert "3 of 4 cells" in report(read_results(folder), "a study", pictures)
    (folder / "cells" / "ms-0.json").unlink()
    assert not {"differences", "losses", "progress"} & draw(read_results(folder), folder).keys()


REPORTS = sorted(path.parent for path in (ROOT / "docs").glob("*/grid.json"))


@pytest.mark.parametrize("folder", REPORTS, ids=lambda folder: folder.name)
def test_the_committed_reports_are_those_of_their_results(folder):
    results = read_results(folder)
    pictures = {path.stem: path.name for path in folder.glob("*.png")}
    assert (folder / "README.md").read_text() == report(results, folder.name, pictures)


PAGE = {
    "ms": "MS-LapSRN: nothing is shared (222k parameters)",
    "init_3": "two kernels that start equal (222k parameters)",
    "adjoint_1": "layer 1 instead of 3",
    "adjoint_5": "layer 5 instead of 3",
    "plain_3": "plain orientation",
    "from_upsample_3": "only the upsampler trains the kernel",
    "half_conv": "the convolution's gradient counts half",
    "gain_2": "the upsampler uses twice the kernel",
    "gain_channel": "the same with a learned gain for each channel",
}


def test_the_page_of_the_study_quotes_its_results():
    results, page = read_results(ROOT / "docs" / "tying_midi"), (ROOT / "docs" / "study.md").read_text()
    assert {"adjoint_3", *PAGE} == set(results.variants)
    for name, words in PAGE.items():
        gains = [t_interval(results.differences(name, "adjoint_3", scale)) for scale in results.scales]
        cells = [f"{gain.mean:+.3f}" if gain.low <= 0 <= gain.high else f"**{gain.mean:+.3f}**" for gain in gains]
        assert f"| {words} | {' | '.join(cells)} |" in page
    verdicts = {claim.text: claim.verdict for claim in claims(results)}
    for scale, words in ((2, "comparable at x2"), (4, "better at x4"), (8, "better at x8")):
        [verdict] = [verdict for text, verdict in verdicts.items() if text.lower().startswith(words)]
        gain = t_interval(results.differences("adjoint_3", "ms", scale))
        assert f"| {words} | {show(gain, unit=' dB')} | {verdict} |" in page


def grid(folder, steps=4) -> Grid:
    variants = {"ms": Variant(None), "ms_bias": Variant(None, use_bias=True)}
    return Grid(tiny.config(folder), variants, (0, 1), (str(folder),), steps=steps, moments=2)


@pytest.fixture
def quick(monkeypatch):
    """Replaces the training of cells: `quick["fails"]` names a cell that fails, `quick["done"]` lists finished ones."""
    state: dict = {"done": [], "fails": None}

    def finish(grid, cell, sets, folder):
        if cell.name == state["fails"]:
            raise UserError("no luck")
        state["done"].append(cell.name)
        result_file(folder, cell).write_text("{}")
        return True

    monkeypatch.setattr(run, "finish", finish)
    return state


@pytest.fixture
def photographs(tmp_path):
    return tiny.write_photographs(tmp_path / "photographs")


def test_finished_cells_are_skipped(photographs, tmp_path, quick):
    assert run.run_grid(grid(photographs), tmp_path / "study") == 0
    assert quick["done"] == ["ms-0", "ms_bias-0", "ms-1", "ms_bias-1"]
    result_file(tmp_path / "study", Cell("ms", 1)).unlink()
    assert run.run_grid(grid(photographs), tmp_path / "study") == 0
    assert quick["done"][4:] == ["ms-1"]


def test_a_cell_that_fails_is_named_and_the_others_are_done(photographs, tmp_path, quick, capsys):
    quick["fails"] = "ms-0"
    assert run.run_grid(grid(photographs), tmp_path / "study") == 1
    assert len(quick["done"]) == 3
    assert "error: ms-0: no luck" in capsys.readouterr().err


def test_a_cell_that_another_process_has_is_left_to_it(photographs, tmp_path, quick, capsys):
    (tmp_path / "study" / "runs").mkdir(parents=True)
    with filelock.FileLock(tmp_path / "study" / "runs" / "ms-1.lock"):
        assert run.run_grid(grid(photographs), tmp_path / "study") == 0
    assert "ms-1" not in quick["done"]
    assert "other processes have ms-1;" in capsys.readouterr().out


def test_another_grid_is_refused(photographs, tmp_path, quick):
    run.run_grid(grid(photographs), tmp_path / "study")
    with pytest.raises(UserError, match=r"holds a study with a different value of steps: pass another --folder"):
        run.run_grid(grid(photographs, steps=5), tmp_path / "study")


def test_missing_sets_name_the_remedy(photographs, tmp_path, quick):
    missing = Grid(tiny.config(photographs), {"ms": Variant(None)}, (0,), (str(tmp_path / "Set5"),), steps=4)
    with pytest.raises(UserError, match="lapsrn prepare benchmarks"):
        run.run_grid(missing, tmp_path / "study")


def test_no_study_is_said(tmp_path):
    with pytest.raises(UserError, match="no study in"):
        read_results(tmp_path)
