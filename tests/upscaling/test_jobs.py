import pathlib

import pytest

from lapsrn_jax.errors import UserError
from lapsrn_jax.files import sha256
from lapsrn_jax.upscaling import jobs
from lapsrn_jax.upscaling.jobs import STREAM, Job
from lapsrn_jax.upscaling.record import Entry, Record


def find_jobs(*arguments) -> list[Job]:
    return jobs.find_jobs(*arguments)[0]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Pictures and other files, some with names that are easy to confuse."""
    monkeypatch.chdir(tmp_path)
    for name in ("in/a.png", "in/b.JPG", "in/deep/a.png", "in/deep/ü 日本.webp", "in/notes.txt", "c.png", "d.tif"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path


def test_one_file_becomes_one_file(folder):
    assert find_jobs(["c.png"], "x.jpg") == [Job("c.png", "x.jpg")]
    assert find_jobs(["c.png"], "in") == [Job("c.png", "in/c.png")]
    assert find_jobs(["c.png"], "new/") == [Job("c.png", "new/c.png")]
    assert find_jobs(["c.png"], "new", ".jpg") == [Job("c.png", "new/c.jpg")]
    assert find_jobs([STREAM], STREAM) == [Job(STREAM, STREAM)]
    assert find_jobs(["c.png"], STREAM) == [Job("c.png", STREAM)]


def test_folders_keep_their_structure(folder):
    assert [job.target for job in find_jobs(["in"], "out")] == [
        "out/a.png",
        "out/b.JPG",
        "out/deep/a.png",
        "out/deep/ü 日本.webp",
    ]
    assert [job.target for job in find_jobs(["in"], "out", ".png")][1::2] == ["out/b.png", "out/deep/ü 日本.png"]


def test_results_are_not_inputs(folder):
    """The output folder may lie in the input folder. It is not searched for inputs."""
    before = find_jobs(["in"], "in/out")
    (folder / "in" / "out").mkdir()
    (folder / "in" / "out" / "a.png").touch()
    assert find_jobs(["in"], "in/out") == before


def test_the_output_may_be_a_folder_above_or_beside_the_input(folder):
    for output in (".", "..", "a", "z"):  # names that sort before and after the input's
        (folder / output).mkdir(exist_ok=True)
        found = find_jobs(["in/deep"], output)
        assert [job.target for job in found] == [str(pathlib.Path(output) / name) for name in ("a.png", "ü 日本.webp")]


def test_patterns_and_files_together(folder):
    found = find_jobs(["in/*.png", "d.tif", "in/**/*.webp"], "out")
    assert [job.target for job in found] == ["out/a.png", "out/d.tif", "out/ü 日本.webp"]


def test_results_with_the_same_name_are_numbered(folder):
    (folder / "in" / "A.PNG").touch()
    found = find_jobs(["in/a.png", "in/deep/a.png", "in/A.PNG", "in/a.png"], "out")
    assert [job.target for job in found] == ["out/a.png", "out/a_2.png", "out/A_3.PNG"]


@pytest.mark.parametrize(
    ("inputs", "output", "words"),
    [
        (["none.png"], "out", "no such picture"),
        (["*.gif"], "out", "no such picture, folder or pattern"),
        (["dee*"], "out", "no such picture, folder or pattern of files: dee"),
        (["in", STREAM], "out", "one picture at a time"),
        (["in"], STREAM, "one picture at a time"),
        ([STREAM], "out", "Give it a suffix"),
        (["in"], "c.png", "is a file"),
        (["empty"], "out", "no pictures in empty"),
    ],
)
def test_bad_arguments_are_named(folder, inputs, output, words):
    (folder / "empty").mkdir()
    (folder / "deep").mkdir()
    with pytest.raises(UserError, match=words.replace("*", ".")):
        find_jobs(inputs, output)


def record_as_results(folder, *names):
    for name in names:
        Record(folder).add(Entry(name, "", "", sha256(folder / name)))


def test_earlier_results_are_named_first(folder):
    """One in the singular, several in the plural. If nothing else is left, that is an error."""
    record_as_results(folder / "in", "a.png")
    (folder / "in" / "link").symlink_to(folder)
    jobs_left, left_out = jobs.find_jobs(["in", "c.png"], "out")
    assert [job.source for job in jobs_left] == ["in/b.JPG", "in/deep/a.png", "in/deep/ü 日本.webp", "c.png"]
    assert left_out == [
        "1 earlier result, such as in/a.png: give one alone to enlarge it again",
        "files in formats that are not supported: 1 .txt",
        "in/link, which is a link to a folder: give it as an input",
    ]
    record_as_results(folder / "in", "deep/a.png", "b.JPG")
    assert jobs.find_jobs(["in"], "out")[1][0].startswith("3 earlier results, such as in/a.png: ")
    assert find_jobs(["in/a.png"], "out/") == [Job("in/a.png", "out/a.png")]
    with pytest.raises(UserError, match="all of the pictures are earlier results"):
        find_jobs(["in/a.png", "in/b.JPG"], "out")


def test_hidden_files_are_skipped_and_others_are_counted(folder):
    """As macOS and some servers leave them; formats that are not supported and linked folders are named."""
    for name in ("in/._a.png", "in/.thumbs/a.png", "in/@eaDir/a.png", "in/x.psd", "in/deep/y.PSD", "in/deep/z.xcf"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).touch()
    (folder / "elsewhere").mkdir()
    (folder / "elsewhere" / "e.png").touch()
    (folder / "in" / "link").symlink_to(folder / "elsewhere")
    found, left_out = jobs.find_jobs(["in"], "out")
    assert [job.target for job in found] == ["out/a.png", "out/b.JPG", "out/deep/a.png", "out/deep/ü 日本.webp"]
    assert left_out == [
        "files in formats that are not supported: 2 .psd, 1 .txt, 1 .xcf",
        "in/link, which is a link to a folder: give it as an input",
    ]
    assert [job.source for job in find_jobs(["in/.thumbs", "in/link"], "out")] == ["in/.thumbs/a.png", "in/link/e.png"]
