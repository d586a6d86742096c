"""Properties of enlarging that hold for all pictures, names and moments of interruption."""

import gc
import pathlib
import sys

import jax
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lapsrn_jax.images.io import write_image
from lapsrn_jax.models import Pyramid, Tying, initial
from lapsrn_jax.upscaling import tiles
from lapsrn_jax.upscaling.jobs import find_jobs
from lapsrn_jax.upscaling.tiles import Tiles
from lapsrn_jax.weights.files import save_weights
from tests import tiny
from tests.upscaling.command import upscale

# The modules that change files. The rest of the work takes most of the time, but its interruptions are all alike.
INTERRUPTED = ("/lapsrn_jax/files.py", "/lapsrn_jax/upscaling/batch.py", "/lapsrn_jax/upscaling/record.py",
               "/lapsrn_jax/upscaling/picture.py",
               "/lapsrn_jax/photos/writing.py")  # fmt: skip
NAMES = st.text(st.sampled_from("aAb_2.\u00fc "), min_size=1, max_size=4).filter(lambda name: name.strip(". ") == name)
SUFFIXES = st.sampled_from([".png", ".PNG", ".jpg", ".tif"])


@settings(max_examples=4, deadline=None, print_blob=True)
@given(
    height=st.integers(1, 120),
    width=st.integers(1, 120),
    scale=st.sampled_from([2, 4]),
    depth=st.integers(1, 4),
    side=st.sampled_from([32, 48, 64]),
    seed=st.integers(0, 2**32 - 1),
)
def test_tiles_equal_the_whole(height, width, scale, depth, side, seed):
    rng = np.random.default_rng(seed)
    model = Pyramid(features=2, depth=depth, recursions=1, use_bias=True, tying=Tying(layer=depth))
    params = jax.tree.map(lambda x: x + 0.1 * rng.standard_normal(x.shape).astype(np.float32),
                          initial(model, jax.random.key(seed)))  # fmt: skip
    image = rng.random((height, width, 1), np.float32)
    expected = np.asarray(model.apply({"params": params}, image[None], scale)[-1])[0]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tiles, "AREA", side**2)
        bands = list(Tiles(model, params).bands(lambda a, b: image[a:b], (height, width), scale))
    np.testing.assert_allclose(np.concatenate(bands), expected, atol=1e-6 * np.abs(expected).max())


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    paths=st.lists(st.tuples(st.sampled_from(["", "sub"]), NAMES, SUFFIXES), min_size=1, max_size=8),
    suffix=st.sampled_from([None, ".png"]),
    place=st.sampled_from(["out", "in", "in/out"]),
    loose=st.booleans(),
)
def test_no_two_targets_are_equal(tmp_path_factory, paths, suffix, place, loose):
    """Not even if the file system ignores case. Each picture has one job, which keeps its name but for a number."""
    root = tmp_path_factory.mktemp("jobs")
    files = {root / "in" / folder / f"{name}{end}" for folder, name, end in paths}
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"a picture")
    inputs = [str(file) for file in sorted(files)] if loose else [str(root / "in")]
    jobs, left_out = find_jobs(inputs, f"{root / place}/", suffix)
    assert left_out == []
    assert {job.source for job in jobs} == {str(file) for file in files}
    assert len({job.target.casefold() for job in jobs}) == len(jobs) == len(files)
    for source, target in ((pathlib.Path(job.source), pathlib.Path(job.target)) for job in jobs):
        assert target.is_relative_to(root / place)
        assert target.suffix == (suffix or source.suffix)
        assert target.stem.startswith(source.stem)


class Interrupt(BaseException):
    """Stands for Ctrl-C."""


def interrupted(arguments: list[str], after: int) -> int:
    """Runs the command until its main thread has executed `after` lines of these modules; returns how many it has.

    Ctrl-C interrupts only the main thread, which ends the others where it is safe for the locks that they share.
    """
    lines = 0

    def trace(frame, event, _):
        nonlocal lines
        if not frame.f_code.co_filename.endswith(INTERRUPTED):
            return None
        if event == "line":
            lines += 1
            if lines == after:
                raise Interrupt
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        assert upscale(*arguments) == 0
    except Interrupt:
        pass
    finally:
        sys.settrace(before)
        gc.collect()  # an interrupt just before a release leaves the lock to the garbage collector, or to the end
    return lines


@pytest.fixture(scope="module")
def batch(tmp_path_factory):
    """The arguments of a command without its input and output, the lines that each input takes, and the results."""
    folder = tmp_path_factory.mktemp("batch")
    rng = np.random.default_rng(0)
    (folder / "in").mkdir()
    for name in ("a.png", "b.jpg", "c.webp"):
        write_image(folder / "in" / name, tiny.photograph(rng, 8, 9))
    model = Pyramid(**tiny.MODEL, tying=Tying())
    save_weights(folder / "tiny.safetensors", model, initial(model, jax.random.key(0)), {})
    arguments = ["--scale", "2", "--weights", str(folder / "tiny.safetensors")]
    inputs = [folder / "in", *sorted((folder / "in").iterdir())]  # the main thread does a picture alone
    assert upscale(*arguments, inputs[0], "-o", f"{folder}/out/") == 0  # compiles
    lines = {
        str(path): interrupted([*arguments, str(path), "-o", f"{folder}/{i}/"], 0) for i, path in enumerate(inputs)
    }
    return arguments, lines, contents(folder / "out")


def contents(folder: pathlib.Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.startswith(".")}


# Between the opening of a file and its `with`, an interrupt leaves the closing to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@settings(max_examples=30, deadline=None, print_blob=True)
@given(moments=st.lists(st.tuples(st.integers(0, 3), st.floats(0, 1)), min_size=1, max_size=3))
def test_an_interrupted_batch_is_finished_by_the_same_command(batch, tmp_path_factory, moments):
    """At whatever lines it is interrupted, nothing is damaged, and nothing is left behind."""
    arguments, lines, expected = batch
    out = tmp_path_factory.mktemp("moments") / "out"
    for which, moment in moments:
        path = [*lines][which]
        interrupted([*arguments, path, "-o", f"{out}/"], 1 + int(moment * lines[path]))
        if out.exists():
            assert contents(out).items() <= expected.items()
    assert upscale(*arguments, next(iter(lines)), "-o", out) == 0
    assert contents(out) == expected
    assert {path.name for path in out.iterdir()} == {*expected, ".lapsrn.jsonl"}
