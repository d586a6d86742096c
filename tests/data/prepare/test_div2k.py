import hashlib
import io
import stat
import subprocess
import sys
import zipfile

import numpy as np
import pytest

from lapsrn_jax.data.div2k import open_div2k
from lapsrn_jax.data.prepare.benchmark_sets import SELF_EX_SR, SETS
from lapsrn_jax.data.prepare.div2k import PARTS, URL, Part, prepare_div2k
from lapsrn_jax.data.sources import evaluation_pictures
from lapsrn_jax.errors import UserError
from lapsrn_jax.images.io import find_images, read_image
from tests.conftest import ROOT
from tests.data.prepare.making import HASTY, ONE_TRY, one_line, png, tree, zipped
from tests.data.prepare.server import Fault

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
    """Returns an archive whose table of contents claims ten gigabytes."""
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
    div2k.files["/DIV2K_train_HR.zip"] = good  # repaired
    prepare_div2k(tmp_path / "d", div2k.url, HASTY, SMALL)
    assert len(find_images(tmp_path / "d" / "DIV2K_train_HR")) == 3


def test_an_archive_with_another_digest_is_refused(div2k, tmp_path):
    """A downloaded archive is removed; the user's own archive is kept and named."""
    archive = div2k.files["/DIV2K_train_HR.zip"]
    pinned = SMALL | {"train": SMALL["train"]._replace(digest=hashlib.sha256(archive).hexdigest())}
    div2k.files["/DIV2K_train_HR.zip"] = zipped(dict(reversed(TRAIN.items())))  # the same pictures
    with pytest.raises(UserError) as error:
        prepare_div2k(tmp_path / "d", div2k.url, HASTY, pinned)
    assert f"DIV2K_train_HR.zip is not DIV2K's archive: its SHA-256 is not {pinned['train'].digest}" in one_line(error)
    assert tree(tmp_path) == {"d"}
    (tmp_path / "d" / "DIV2K_train_HR.zip").write_bytes(b"?")
    with pytest.raises(UserError, match=r"remove .*zip and run the command again"):
        prepare_div2k(tmp_path / "d", div2k.url, HASTY, pinned)
    (tmp_path / "d" / "DIV2K_train_HR.zip").write_bytes(archive)
    prepare_div2k(tmp_path / "d", div2k.url, HASTY, pinned)


def test_all_downloads_use_tls():
    urls = [URL, *SELF_EX_SR, *(mirror.url for each in SETS.values() for mirror in each.mirrors)]
    assert all(url.startswith("https://") for url in urls)
    assert all(len(part.digest) == 64 for part in PARTS.values())


def test_a_server_that_claims_too_little_gives_no_archive(div2k, tmp_path):
    div2k.faults = [Fault(length=700)]
    with pytest.raises(UserError, match="is not a whole zip"):
        prepare_div2k(tmp_path / "d", div2k.url, HASTY, SMALL)
    assert tree(tmp_path) == {"d"}


def test_an_interruption_leaves_no_half_folder(div2k, tmp_path, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("lapsrn_jax.data.prepare.div2k.decoded", interrupted)
    with pytest.raises(KeyboardInterrupt):
        prepare_div2k(tmp_path, div2k.url, HASTY, SMALL)
    assert tree(tmp_path) == {"DIV2K_train_HR.zip"}


def test_the_dataset_returns_the_photographs(div2k, tmp_path, monkeypatch):
    need_tfds()
    monkeypatch.setattr("lapsrn_jax.data.prepare.div2k._SHARD", 2)
    prepare_div2k(tmp_path, div2k.url, HASTY, SMALL)
    for split, files in (("train", TRAIN), ("validation", VALID)):
        photographs = open_div2k(tmp_path, split)
        assert len(photographs) == len(files)
        assert len(photographs.files) == (len(files) + 1) // 2
        assert all(path.is_file() for path in photographs.files)
        for i, path in enumerate(sorted(files)):
            assert photographs[i].dtype == np.uint8
            np.testing.assert_array_equal(photographs[i], read_image(tmp_path / path))
    validation = evaluation_pictures(f" div2k:{tmp_path}")
    np.testing.assert_array_equal(validation[-1].read(), read_image(tmp_path / max(VALID)))
    assert len(validation) == len(VALID)
    with pytest.raises(UserError, match="no split 'test', only train and validation"):
        open_div2k(tmp_path, "test")
    with pytest.raises(UserError, match=r"no DIV2K dataset in .*: run lapsrn prepare div2k --folder"):
        open_div2k(tmp_path / "nowhere", "train")


def test_the_dataset_needs_neither_tensorflow_nor_jax(div2k, tmp_path):
    need_tfds()
    program = f"""
import pathlib, sys
from lapsrn_jax.data.div2k import open_div2k
from lapsrn_jax.data.prepare.div2k import Part, prepare_div2k
parts = {{name: Part(*part) for name, part in { ({name: tuple(part) for name, part in SMALL.items()})!r}.items()}}
prepare_div2k(pathlib.Path({str(tmp_path)!r}), {div2k.url!r}, parts=parts)
assert open_div2k({str(tmp_path)!r}, "train")[0].shape == (7, 10, 3)
assert not {{"tensorflow", "jax"}} & set(sys.modules), sys.modules.keys()
"""
    result = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def test_without_tfds_the_folder_is_named(div2k, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    prepare_div2k(tmp_path, div2k.url, HASTY, SMALL)
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.endswith(f"use --config.data.train={tmp_path / 'DIV2K_train_HR'}")
