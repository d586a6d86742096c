import hashlib
import io
import pathlib
import tarfile

import numpy as np
import PIL.Image
import pytest

from lapsrn_jax.data.prepare import benchmark_sets
from lapsrn_jax.data.prepare.archives import extract_images
from lapsrn_jax.data.prepare.benchmark_sets import SETS, BenchmarkSet, Source, prepare_benchmarks
from lapsrn_jax.data.prepare.folders import MANIFEST, fingerprint
from lapsrn_jax.errors import UserError
from lapsrn_jax.images.io import find_images, read_image
from tests.data.prepare.making import HASTY, ONE_TRY, one_line, png, tree
from tests.data.prepare.server import Fault

PICTURES = [png(n, size) for n, size in enumerate([(8, 6), (6, 8), (8, 8)], start=1)]
SIZES = {(8, 6): 1, (6, 8): 1, (8, 8): 1}


@pytest.fixture
def repository(server):
    for n, picture in enumerate(PICTURES, start=1):
        server.files[f"/data/Set3/img_{n:03}_HR.png"] = picture
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for folder in ("all/HR", "all/LR"):
            for n, picture in enumerate(PICTURES):
                info = tarfile.TarInfo(f"{folder}/{n}.png")
                info.size = len(picture)
                archive.addfile(info, io.BytesIO(picture))
    server.files["/all.tar.gz"] = buffer.getvalue()
    return server


def sets(**changes) -> dict[str, BenchmarkSet]:
    return {"Set3": BenchmarkSet("Set3/img_{n:03}_HR.png", 3, sizes=SIZES)._replace(**changes)}


def test_benchmarks_are_fetched_once_and_resumed(repository, tmp_path, capsys):
    repository.faults = [Fault(), Fault(after=60)]
    with pytest.raises(UserError, match="60 bytes are kept"):
        prepare_benchmarks(tmp_path, f"{repository.url}/data", None, ONE_TRY, sets())
    assert not (tmp_path / "Set3").exists()
    prepare_benchmarks(tmp_path, f"{repository.url}/data/", None, ONE_TRY, sets())
    assert sum(sent for _, sent in repository.answers) == sum(map(len, PICTURES))
    assert tree(tmp_path) == {"Set3", "Set3/001.png", "Set3/002.png", "Set3/003.png", f"Set3/{MANIFEST}"}
    assert f"{hashlib.sha256(PICTURES[0]).hexdigest()}  001.png" in (tmp_path / "Set3" / MANIFEST).read_text()

    capsys.readouterr()
    prepare_benchmarks(tmp_path, "http://127.0.0.1:9", None, ONE_TRY, sets())
    said = capsys.readouterr().out.splitlines()
    assert said[0].endswith("Set3: done already, 3 images verified")
    assert "--manga109 FOLDER" in said[1]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda folder: (folder / "002.png").unlink(), "002.png is missing: remove or rename"),
        (lambda folder: (folder / "002.png").write_bytes(PICTURES[0]), "002.png was changed"),
        (lambda folder: (folder / "004.png").write_bytes(PICTURES[0]), "004.png does not belong there"),
        (lambda folder: (folder / MANIFEST).unlink(), f"has no {MANIFEST}"),
    ],
)
def test_a_changed_set_is_named(repository, tmp_path, change, words):
    prepare_benchmarks(tmp_path, f"{repository.url}/data", None, HASTY, sets())
    change(tmp_path / "Set3")
    with pytest.raises(UserError) as error:
        prepare_benchmarks(tmp_path, f"{repository.url}/data", None, HASTY, sets())
    assert words in one_line(error)


def test_dead_and_wrong_sources_are_passed_over(repository, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(benchmark_sets, "SELF_EX_SR", ("http://127.0.0.1:9", f"{repository.url}/elsewhere"))
    mirrors = [Source(f"{repository.url}/all.tar.gz"), Source(f"{repository.url}/all.tar.gz", "all/HR")]
    prepare_benchmarks(tmp_path, None, None, HASTY, sets(mirrors=mirrors))
    assert [path.read_bytes() for path in find_images(tmp_path / "Set3")] == PICTURES
    said = capsys.readouterr().out
    assert "404 Not Found" in said
    assert "holds 6 images, not 3" in said

    with pytest.raises(UserError) as error:
        prepare_benchmarks(tmp_path / "2", None, None, HASTY, sets(mirrors=mirrors[:1]))
    assert one_line(error).startswith(
        f"none of 3 sources provides {tmp_path / '2' / 'Set3'}; the last error: all.tar.gz"
    )
    assert "holds 6 images" in one_line(error)
    assert not (tmp_path / "2" / "Set3").exists()


def test_pictures_of_other_sizes_are_another_set(repository, tmp_path):
    repository.files["/data/Set3/img_002_HR.png"] = png(2, (16, 16))
    with pytest.raises(UserError, match="a different set: too many of its images have 16 x 16 pixels"):
        prepare_benchmarks(tmp_path, f"{repository.url}/data", None, HASTY, sets())
    assert not list(tmp_path.rglob("*.png"))


def test_odd_sides_and_other_orders_are_the_same_set(repository, tmp_path, capsys):
    images = [read_image(io.BytesIO(picture)) for picture in PICTURES]
    pixels = fingerprint(iter(images))
    taller = np.concatenate([images[2], images[2][:1]])
    buffer = io.BytesIO()
    PIL.Image.fromarray(taller).save(buffer, "PNG")
    for n, picture in enumerate([buffer.getvalue(), *PICTURES[:2]], start=1):
        repository.files[f"/data/Set3/img_{n:03}_HR.png"] = picture
    prepare_benchmarks(tmp_path, f"{repository.url}/data", None, HASTY, sets(pixels=pixels))
    assert "3 images, checked, pixels as in the papers" in capsys.readouterr().out


def test_other_pixels_are_said(repository, tmp_path, capsys):
    prepare_benchmarks(tmp_path, f"{repository.url}/data", None, HASTY, sets(pixels="0"))
    assert "scores may differ from papers'" in capsys.readouterr().out


def test_unsafe_and_exploding_tars_are_refused(tmp_path):
    def pack(name: str, size: int = 0, kind: bytes = tarfile.REGTYPE) -> pathlib.Path:
        with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as archive:
            info = tarfile.TarInfo(name)
            info.size, info.type, info.linkname = size, kind, "/etc/passwd"
            archive.addfile(info, io.BytesIO(bytes(size)))
        return tmp_path / "a.tar.gz"

    (tmp_path / "out").mkdir()
    for name, size, kind, words in [
        ("../a.png", 0, tarfile.REGTYPE, "not safe"),
        ("a.png", 0, tarfile.SYMTYPE, "not safe"),
        ("a.png", 0, tarfile.LNKTYPE, "not safe"),
        ("a.png", 200, tarfile.REGTYPE, "more than the 100 expected"),
        ("a.png", 2000, tarfile.REGTYPE, "far more than expected"),
    ]:
        with pytest.raises(UserError, match=words):
            extract_images(pack(name, size, kind), tmp_path / "out", 1, 100)
    cut = pack("a.png", 90)
    cut.write_bytes(cut.read_bytes()[:-20])
    with pytest.raises(UserError, match=r"damaged|not a whole"):
        extract_images(cut, tmp_path / "out", 1, 100)
    assert not list((tmp_path / "out").iterdir())


def test_manga109_is_copied_from_the_users(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(benchmark_sets, "MANGA109", 3)
    own = tmp_path / "own"
    own.mkdir()
    for n in (1, 2):
        (own / f"{n}.png").write_bytes(png(n))
    with pytest.raises(UserError, match="own holds 2 images, not 3"):
        prepare_benchmarks(tmp_path / "b", None, own, HASTY, {})
    (own / "3.png").write_bytes(png(3)[:-40])
    with pytest.raises(UserError, match=r"3\.png is damaged"):
        prepare_benchmarks(tmp_path / "b", None, own, HASTY, {})
    assert not (tmp_path / "b" / "Manga109").exists()
    (own / "3.png").write_bytes(png(3))
    prepare_benchmarks(tmp_path / "b", None, own, HASTY, {})
    prepare_benchmarks(tmp_path / "b", None, None, HASTY, {})
    assert capsys.readouterr().out.splitlines()[-1].endswith("Manga109: done already, 3 images verified")


@pytest.mark.parametrize("name", ["Set5", "Set14", "BSD100"])
def test_the_table_describes_the_pictures_of_the_papers(benchmarks, name):
    images = [read_image(path) for path in find_images(benchmarks / name)]
    assert len(images) == SETS[name].images == sum(SETS[name].sizes.values())
    assert sorted((w, h) for (w, h), n in SETS[name].sizes.items() for _ in range(n)) == sorted(
        (image.shape[1], image.shape[0]) for image in images
    )
    assert fingerprint(iter(images)) == SETS[name].pixels
