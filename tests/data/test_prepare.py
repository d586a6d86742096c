import errno
import hashlib
import io
import pathlib
import stat
import subprocess
import sys
import tarfile
import zipfile

import numpy as np
import PIL.Image
import pytest

from lapsrn_jax.cli import main
from lapsrn_jax.data import benchmarks as benchmark_sets
from lapsrn_jax.data.archives import extract_images
from lapsrn_jax.data.benchmarks import SETS, BenchmarkSet, Source, prepare_benchmarks
from lapsrn_jax.data.div2k import PARTS, Part, open_div2k, prepare_div2k
from lapsrn_jax.data.downloads import Patience, download
from lapsrn_jax.data.folders import MANIFEST, fingerprint
from lapsrn_jax.errors import UserError
from lapsrn_jax.images.io import find_images, read_image
from tests.conftest import ROOT
from tests.data.server import Fault, serving

HASTY = Patience(timeout=0.3, attempts=3, pause=0.01)
ONE_TRY = Patience(timeout=0.3, attempts=1)
BODY = bytes(range(256)) * 4000  # about 1 MB: more than what sockets swallow at once


@pytest.fixture
def server():
    with serving() as server:
        server.files["/file"] = BODY
        yield server


def one_line(error: pytest.ExceptionInfo[UserError]) -> str:
    assert "\n" not in str(error.value)
    return str(error.value)


def png(shade: int, size: tuple[int, int] = (9, 7)) -> bytes:
    buffer = io.BytesIO()
    pixels = np.random.default_rng(shade).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    PIL.Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def tree(folder: pathlib.Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


# Downloads


def test_a_file_arrives(server, tmp_path):
    download(f"{server.url}/file", tmp_path / "file", HASTY)
    assert (tmp_path / "file").read_bytes() == BODY
    assert tree(tmp_path) == {"file"}


def test_a_dropped_connection_is_taken_up_where_it_broke(server, tmp_path, capsys):
    server.faults = [Fault(after=300_000), Fault(status=503), Fault(after=200_000)]
    download(f"{server.url}/file", tmp_path / "file", HASTY)
    assert (tmp_path / "file").read_bytes() == BODY
    assert server.answers == [(200, 300_000), (503, 0), (206, 200_000), (206, len(BODY) - 500_000)]
    assert "the connection ended after 300000 of 1024000 bytes; trying again in 0.01 s" in capsys.readouterr().err


def test_the_next_call_goes_on(server, tmp_path):
    server.faults = [Fault(after=300_000)]
    with pytest.raises(UserError) as error:
        download(f"{server.url}/file", tmp_path / "file", ONE_TRY)
    assert "300000 bytes are kept: run the same command again to go on" in one_line(error)
    assert not (tmp_path / "file").exists()
    download(f"{server.url}/file", tmp_path / "file", ONE_TRY)
    assert server.answers[1:] == [(206, len(BODY) - 300_000)]
    assert (tmp_path / "file").read_bytes() == BODY


def test_a_silent_connection_counts_as_dead(server, tmp_path):
    server.faults = [Fault(after=100_000, stalls=True)]
    download(f"{server.url}/file", tmp_path / "file", HASTY)
    assert (tmp_path / "file").read_bytes() == BODY
    assert (206, len(BODY) - 100_000) in server.answers


def test_many_breaks_are_forgiven_while_bytes_arrive(server, tmp_path):
    server.faults = [Fault(after=100_000)] * 8
    download(f"{server.url}/file", tmp_path / "file", HASTY)
    assert (tmp_path / "file").read_bytes() == BODY
    assert sum(sent for _, sent in server.answers) == len(BODY)


def test_a_server_that_brings_nothing_new_is_given_up(server, tmp_path):
    server.ranges = False
    server.faults = [Fault(after=100_000)] * 50
    with pytest.raises(UserError, match="ended after 100000 of"):
        download(f"{server.url}/file", tmp_path / "file", HASTY)
    assert len(server.answers) <= 4


@pytest.mark.parametrize("what", ["ranges", "validators"])
def test_without_ranges_or_validators_it_starts_again(server, tmp_path, what):
    setattr(server, what, False)
    server.faults = [Fault(after=300_000)]
    download(f"{server.url}/file", tmp_path / "file", HASTY)
    assert (tmp_path / "file").read_bytes() == BODY
    assert server.answers == [(200, 300_000), (200, len(BODY))]


@pytest.mark.parametrize("splices", [False, True])
@pytest.mark.parametrize("size", [len(BODY), 200_000])
def test_a_file_that_changed_meanwhile_is_not_spliced(server, tmp_path, splices, size):
    server.splices = splices
    server.faults = [Fault(after=300_000)]
    with pytest.raises(UserError):
        download(f"{server.url}/file", tmp_path / "file", ONE_TRY)
    server.files["/file"] = new = BODY[::-1][:size]
    if splices and size < 300_000:
        server.faults = [Fault(status=416)]
    download(f"{server.url}/file", tmp_path / "file", HASTY)
    assert (tmp_path / "file").read_bytes() == new


@pytest.mark.parametrize("claimed", [len(BODY) + 5])
def test_less_than_the_promised_length_is_not_a_file(server, tmp_path, claimed):
    server.validators = False
    server.faults = [Fault(length=claimed)] * 9
    with pytest.raises(UserError) as error:
        download(f"{server.url}/file", tmp_path / "file", HASTY)
    assert f"after {len(BODY)} of {claimed} bytes: run the same command again" in one_line(error)
    assert not (tmp_path / "file").exists()


@pytest.mark.parametrize(
    ("fault", "words", "requests"),
    [
        (Fault(status=404), "the server says 404 Not Found", 1),
        (Fault(status=500), "the server says 500 Internal Server Error", 3),
        (Fault(kind="text/html; charset=utf-8"), "leads to a web page", 1),
        (Fault(location="file:///etc/passwd"), "says 302", 1),
        (Fault(location="ftp://127.0.0.1/file"), "redirected to ftp://", 1),
        (Fault(length=1 << 60), "make room", 1),
    ],
)
def test_refusals_are_one_line_and_cost_nothing_that_arrived(server, tmp_path, fault, words, requests):
    server.faults = [Fault(after=300_000)]
    with pytest.raises(UserError):
        download(f"{server.url}/file", tmp_path / "file", ONE_TRY)
    server.ranges = fault.length is None
    server.faults, server.answers = [fault] * requests, []
    with pytest.raises(UserError) as error:
        download(f"{server.url}/file", tmp_path / "file", HASTY)
    assert words in one_line(error)
    assert len(server.answers) == requests
    assert not (tmp_path / "file").exists()
    assert (tmp_path / "file.partial").read_bytes() == BODY[:300_000]


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/file", "file:///etc/hostname", "data/file", "http://127.0.0.1/a b"])
def test_what_is_no_web_address_is_named(tmp_path, url):
    with pytest.raises(UserError, match="web address"):
        download(url, tmp_path / "file", HASTY)
    assert not tree(tmp_path)


def test_no_server_at_all(tmp_path):
    with pytest.raises(UserError, match=r"no connection \(.*refused"):
        download("http://127.0.0.1:9/file", tmp_path / "file", HASTY)


def test_a_full_disk_is_said(server, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(pathlib.Path, "write_bytes", full)
    with pytest.raises(UserError, match=r"cannot write .*file: No space left on device"):
        download(f"{server.url}/file", tmp_path / "file", HASTY)


# DIV2K

SMALL = {"train": Part("DIV2K_train_HR", 3, 10_000), "validation": Part("DIV2K_valid_HR", 2, 10_000)}
TRAIN = {f"DIV2K_train_HR/{n:04}.png": png(n, (9 + n, 7)) for n in (1, 2, 3)}
VALID = {f"DIV2K_valid_HR/{n:04}.png": png(n) for n in (801, 802)}


@pytest.fixture
def div2k(server):
    server.files = {"/DIV2K_train_HR.zip": zipped(TRAIN), "/DIV2K_valid_HR.zip": zipped(VALID)}
    return server


def test_div2k_is_downloaded_once_and_resumed(div2k, tmp_path, capsys):
    div2k.faults = [Fault(after=400)]
    with pytest.raises(UserError, match="400 bytes are kept"):
        prepare_div2k(tmp_path / "d", div2k.url, ONE_TRY, SMALL)
    prepare_div2k(tmp_path / "d", div2k.url, ONE_TRY, SMALL)
    assert sum(sent for _, sent in div2k.answers) == sum(map(len, div2k.files.values()))
    for name, content in (TRAIN | VALID).items():
        assert (tmp_path / "d" / name).read_bytes() == content
    assert not [name for name in tree(tmp_path / "d") if "zip" in name or "partial" in name or "incomplete" in name]

    before, requests = tree(tmp_path), len(div2k.answers)
    capsys.readouterr()
    prepare_div2k(tmp_path / "d", div2k.url, ONE_TRY, SMALL)
    assert tree(tmp_path) == before
    assert len(div2k.answers) == requests
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 3
    assert said[0].endswith("DIV2K_train_HR: done already")


def test_an_archive_that_is_there_is_used_and_kept(div2k, tmp_path):
    (tmp_path / "DIV2K_train_HR.zip").write_bytes(div2k.files.pop("/DIV2K_train_HR.zip"))
    prepare_div2k(tmp_path, div2k.url, HASTY, SMALL)
    assert (tmp_path / "DIV2K_train_HR.zip").exists()
    assert len(find_images(tmp_path / "DIV2K_train_HR")) == 3


def test_a_folder_that_lost_a_picture_is_named(div2k, tmp_path):
    prepare_div2k(tmp_path, div2k.url, HASTY, SMALL)
    (tmp_path / "DIV2K_valid_HR" / "0801.png").unlink()
    with pytest.raises(UserError) as error:
        prepare_div2k(tmp_path, div2k.url, HASTY, SMALL)
    assert "DIV2K_valid_HR holds 1 images, not 2: remove it" in one_line(error)


def need_tfds() -> None:
    pytest.importorskip("tensorflow_datasets", reason="needs the extra `datasets`")


def altered(content: bytes, find: bytes, replace: bytes) -> bytes:
    assert find in content
    return content.replace(find, replace)


def linked() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        info = zipfile.ZipInfo("a/1.png")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "/etc/passwd")
    return buffer.getvalue()


def bomb() -> bytes:
    """Ten gigabytes, says its list of contents."""
    content = bytearray(zipped(TRAIN))
    at = content.index(b"PK\x01\x02") + 24
    content[at : at + 4] = (0xFFFF0000).to_bytes(4, "little")
    return bytes(content)


BAD_ARCHIVES = {
    "a page": (b"<!DOCTYPE html><p>Moved", "is not a whole zip or tar archive: it begins with b'<!DOCTYPE html>'"),
    "cut": (zipped(TRAIN)[:-30], "is not a whole zip"),
    "above": (zipped({"../../evil.png": png(1)}), "is not safe to unpack: it holds '../../evil.png'"),
    "windows": (zipped({"..\\evil.png": png(1)}), "not safe"),
    "absolute": (zipped({"/tmp/evil.png": png(1)}), "not safe"),
    "drive": (zipped({"C:/evil.png": png(1)}), "not safe"),
    "link": (linked(), "not safe"),
    "bomb": (bomb(), "bytes, more than the 10000 expected at most"),
    "too few": (zipped(VALID), "holds 2 images, not 3"),
    "twice": (zipped({f"{folder}/1.png": png(1) for folder in "abc"}), "not 3 of different names"),
    "checksum": (
        altered(zipped(TRAIN), TRAIN["DIV2K_train_HR/0002.png"], bytes(len(png(2, (11, 7))))),
        "is damaged: Bad CRC",
    ),
    "picture": (zipped(TRAIN | {"DIV2K_train_HR/0002.png": png(2)[:-40]}), "0002.png is damaged"),
    "no picture": (zipped(TRAIN | {"DIV2K_train_HR/0002.png": b"text"}), "0002.png is not a picture"),
}


@pytest.mark.parametrize("bad", BAD_ARCHIVES)
def test_bad_archives_leave_nothing(div2k, tmp_path, bad):
    content, words = BAD_ARCHIVES[bad]
    good, div2k.files["/DIV2K_train_HR.zip"] = div2k.files["/DIV2K_train_HR.zip"], content
    with pytest.raises(UserError) as error:
        prepare_div2k(tmp_path / "d", div2k.url, HASTY, SMALL)
    assert words in one_line(error)
    assert "DIV2K_train_HR.zip" in str(error.value)
    assert tree(tmp_path) == {"d"}
    div2k.files["/DIV2K_train_HR.zip"] = good  # mended
    prepare_div2k(tmp_path / "d", div2k.url, HASTY, SMALL)
    assert len(find_images(tmp_path / "d" / "DIV2K_train_HR")) == 3


def test_a_server_that_claims_too_little_gives_no_archive(div2k, tmp_path):
    div2k.faults = [Fault(length=700)]
    with pytest.raises(UserError, match="is not a whole zip"):
        prepare_div2k(tmp_path / "d", div2k.url, HASTY, SMALL)
    assert tree(tmp_path) == {"d"}


def test_an_interruption_leaves_no_half_folder(div2k, tmp_path, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("lapsrn_jax.data.div2k.decoded", interrupted)
    with pytest.raises(KeyboardInterrupt):
        prepare_div2k(tmp_path, div2k.url, HASTY, SMALL)
    assert tree(tmp_path) == {"DIV2K_train_HR.zip"}


def test_the_dataset_returns_the_photographs(div2k, tmp_path, monkeypatch):
    need_tfds()
    monkeypatch.setattr("lapsrn_jax.data.div2k._SHARD", 2)
    prepare_div2k(tmp_path, div2k.url, HASTY, SMALL)
    for split, files in (("train", TRAIN), ("validation", VALID)):
        photographs = open_div2k(tmp_path, split)
        assert len(photographs) == len(files)
        assert len(photographs.files) == (len(files) + 1) // 2
        assert all(path.is_file() for path in photographs.files)
        for (name, image), path in zip(photographs, sorted(files), strict=True):
            assert name == pathlib.Path(path).stem
            assert image.dtype == np.uint8
            np.testing.assert_array_equal(image, read_image(tmp_path / path))
    assert photographs[-1].name == "0802"
    with pytest.raises(UserError, match="no split 'test', only train and validation"):
        open_div2k(tmp_path, "test")
    with pytest.raises(UserError, match=r"no DIV2K dataset in .*: run lapsrn prepare div2k --folder"):
        open_div2k(tmp_path / "nowhere", "train")


def test_the_dataset_needs_neither_tensorflow_nor_jax(div2k, tmp_path):
    need_tfds()
    program = f"""
import pathlib, sys
from lapsrn_jax.data.div2k import Part, open_div2k, prepare_div2k
parts = {{name: Part(*part) for name, part in { ({name: tuple(part) for name, part in SMALL.items()})!r}.items()}}
prepare_div2k(pathlib.Path({str(tmp_path)!r}), {div2k.url!r}, parts=parts)
assert open_div2k({str(tmp_path)!r}, "train")[0].image.shape == (7, 10, 3)
assert not {{"tensorflow", "jax"}} & set(sys.modules), sys.modules.keys()
"""
    result = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def test_without_tfds_the_folder_is_named(div2k, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    prepare_div2k(tmp_path, div2k.url, HASTY, SMALL)
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.endswith(f"use --config.data.train={tmp_path / 'DIV2K_train_HR'}")


# Benchmarks

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
    assert "could be had from none of 3 sources, the last: all.tar.gz holds 6 images" in one_line(error)
    assert not (tmp_path / "2" / "Set3").exists()


def test_pictures_of_other_sizes_are_another_set(repository, tmp_path):
    repository.files["/data/Set3/img_002_HR.png"] = png(2, (16, 16))
    with pytest.raises(UserError, match="another set: too many of its images are of 16 x 16 pixels"):
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


# The commands


def test_the_command_prepares_div2k(server, tmp_path, monkeypatch, capsys):
    picture = png(1, (4, 4))
    for part, first in ((PARTS["train"], 1), (PARTS["validation"], 801)):
        files = {f"{part.name}/{n:04}.png": picture for n in range(first, first + part.images)}
        server.files[f"/{part.name}.zip"] = zipped(files)
    monkeypatch.chdir(tmp_path)
    main(["prepare", "div2k", "--url", server.url])
    assert len(find_images("data/DIV2K/DIV2K_train_HR")) == 800
    assert len(find_images("data/DIV2K/DIV2K_valid_HR")) == 100
    assert "data/DIV2K/DIV2K_train_HR: 800 photographs, checked" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["div2k"], "404 Not Found"),
        (["benchmarks"], "404 Not Found"),
        (["benchmarks", "--folder", "a_file"], "a_file"),
        (["div2k", "--folder", "a_file"], "cannot write to a_file"),
        (["div2k", "--url", "ftp://127.0.0.1"], "http://"),
    ],
)
def test_the_commands_fail_in_one_line(server, tmp_path, monkeypatch, capsys, arguments, words):
    (tmp_path / "a_file").write_text("")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as status:
        main(["prepare", arguments[0], "--url", server.url, *arguments[1:]])
    assert status.value.code == 2
    error = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(error) == 1
    assert words in error[0]
    assert not list(tmp_path.rglob("*.png"))
