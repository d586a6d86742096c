import os
import pickle
import shutil
import threading

import numpy as np
import pytest

from lapsrn_jax.cache import cache_folder
from lapsrn_jax.data import sources
from lapsrn_jax.data.photographs import Photographs
from lapsrn_jax.data.photographs import read_photographs as read_pictures
from lapsrn_jax.data.prepare import div2k
from lapsrn_jax.data.sources import evaluation_pictures, hold_out, training_pictures
from lapsrn_jax.errors import UserError
from lapsrn_jax.files import locked
from lapsrn_jax.images.io import find_images, read_image, write_image
from tests import tiny


def read_photographs(paths, smallest) -> Photographs:
    return read_pictures(sources._files(paths), smallest)


@pytest.fixture
def paths(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return find_images(tiny.write_photographs(tmp_path / "photographs"))


def test_pictures_are_decoded_once(paths, monkeypatch):
    first = read_photographs(paths, 1)
    monkeypatch.setattr(sources, "read_image", lambda path: pytest.fail("decoded again"))
    again = read_photographs(paths, 1)
    for path, a, b in zip(paths, first, again, strict=True):
        np.testing.assert_array_equal(a, read_image(path))
        np.testing.assert_array_equal(a, b)


def test_the_cache_knows_contents_not_names(paths, rng):
    read_photographs(paths, 1)
    paths[0].rename(paths[0].with_name("new.png"))
    read_photographs([paths[0].with_name("new.png"), *paths[1:]], 1)
    assert len(list(cache_folder().iterdir())) == 1
    write_image(paths[1], rng.integers(0, 256, (40, 40, 3), dtype=np.uint8))
    photographs = read_photographs(paths[1:], 1)
    assert photographs[0].shape == (40, 40, 3)


def test_a_cut_cache_is_made_again(paths):
    read_photographs(paths, 1)
    (pixels,) = cache_folder().glob("*/pixels")
    pixels.write_bytes(pixels.read_bytes()[:-1])
    np.testing.assert_array_equal(read_photographs(paths, 1)[2], read_image(paths[2]))


def test_two_processes_decode_the_same_pictures_once(paths):
    """The second waits. It does not remove the first one's cache, which that one's workers read."""
    pictures, begun, results = sources._files(paths), threading.Event(), []

    def read() -> np.ndarray:
        begun.set()
        other.start()
        other.join(0.3)
        assert not results
        return pictures[0].read()

    def second() -> None:
        results.append(read_pictures([*pictures[:2], pictures[2]._replace(read=pytest.fail)], 1))

    other = threading.Thread(target=second)
    read_pictures([pictures[0]._replace(read=read), *pictures[1:]], 1)
    assert begun.is_set()
    other.join()
    np.testing.assert_array_equal(results[0][2], read_image(paths[2]))
    assert len(list(cache_folder().iterdir())) == 1


def test_killed_decoders_leave_nothing_for_long(paths):
    cache_folder().mkdir(parents=True)
    for name in ("killed", "working"):
        (cache_folder() / f".{name}.partial").mkdir()
        (cache_folder() / f".{name}.partial" / "pixels").write_bytes(b"part")
    with locked(cache_folder() / ".working.lock"):
        read_photographs(paths, 1)
    assert {path.name for path in cache_folder().glob(".*")} == {".working.partial"}


def test_the_cache_forgets_what_was_unused_for_the_longest_time(paths, monkeypatch):
    sets = [paths[:1], paths[1:2], paths[2:]]

    def found() -> list[bool]:
        cached = {photographs._folder for photographs in kept if photographs._folder.exists()}
        return [photographs._folder in cached for photographs in kept]

    kept = [read_photographs(part, 1) for part in sets[:2]]
    for age, photographs in enumerate(kept):
        os.utime(photographs._folder / "index.json", (1000 - age, 1000 - age))
    enough_for_two = read_image(paths[0]).nbytes + read_image(paths[2]).nbytes + 100
    monkeypatch.setattr("lapsrn_jax.data.photographs.MAX_DECODED", enough_for_two)
    kept.append(read_photographs(sets[2], 1))
    assert found() == [True, False, True]
    monkeypatch.setattr("lapsrn_jax.data.photographs.MAX_DECODED", 1)
    with locked(cache_folder() / ".room.lock"):  # another process is removing
        read_photographs(sets[0], 1)
    assert found() == [True, False, True]
    read_photographs(sets[0], 1)  # the one in use stays, however large it is
    assert found() == [True, False, False]


def test_a_broken_picture_leaves_no_cache(paths):
    paths[1].write_bytes(paths[1].read_bytes()[:300])
    with pytest.raises(UserError, match=r"1\.png is damaged"):
        read_photographs(paths, 1)
    assert list(cache_folder().iterdir()) == []


def test_a_cache_that_cannot_be_written_is_named(paths, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(UserError, match="set XDG_CACHE_HOME"):
        read_photographs(paths, 1)


def test_only_the_place_travels_to_a_worker(paths):
    photographs = read_photographs(paths, 1)
    photographs[0]
    pickled = pickle.dumps(photographs)
    assert len(pickled) < 2000
    np.testing.assert_array_equal(pickle.loads(pickled)[1], photographs[1])


def test_sources_repeat_and_small_pictures_drop_out(tmp_path, paths, rng, capsys):
    folder = paths[0].parent
    write_image(folder / "gray.png", rng.integers(0, 256, (50, 50), dtype=np.uint8))
    write_image(folder / "small.png", rng.integers(0, 256, (20, 90), dtype=np.uint8))
    other = tiny.write_photographs(tmp_path / "other", count=1)
    listed = training_pictures(f" {folder} , {other},{other}")
    assert len(listed) == 7
    photographs = read_pictures(listed, 32)
    assert len(photographs) == 6
    assert capsys.readouterr().out.count("small.png") == 1
    gray = photographs[3]
    assert gray.shape == (50, 50, 3)
    assert np.ptp(gray, axis=2).max() == 0


def test_no_sources_are_refused(tmp_path):
    with pytest.raises(UserError, match="no such image folder"):
        training_pictures("/nowhere")
    with pytest.raises(UserError, match="name folders, separated by commas"):
        training_pictures("bundled,")


def test_bundled_photographs_for_training_and_for_scoring_differ():
    training, scoring = training_pictures("bundled"), evaluation_pictures("bundled")
    assert len(training) == 9
    assert len(scoring) == 3
    assert not {picture.name for picture in training} & {picture.name for picture in scoring}
    assert all(picture.read().dtype == np.uint8 for picture in training)


def test_held_out_photographs_are_never_trained_on(tmp_path):
    """The split does not depend on folder and order, has about the requested size, and is disjoint."""
    tiny.write_photographs(tmp_path / "a", count=60, size=16)
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    training, held_out = hold_out(training_pictures(f"{tmp_path / 'a'},{tmp_path / 'b'}"), 4)
    digests = [{picture.digest() for picture in part} for part in (training, held_out)]
    assert not digests[0] & digests[1]
    assert len(digests[0] | digests[1]) == 60
    assert 5 <= len(digests[1]) <= 25
    assert len(held_out) == 2 * len(digests[1])  # the copies are separate photographs
    assert len(training) == 2 * len(digests[0])
    other = hold_out(training_pictures(str(tmp_path / "b")), 4)[1]
    assert {picture.digest() for picture in other} == digests[1]
    assert hold_out(training, 0) == (training, [])
    with pytest.raises(UserError, match=r"data\.hold_out=1 leaves none of \d+ photograph\(s\) to train on"):
        hold_out(training, 1)


def test_div2k_is_read_from_its_dataset(tmp_path, paths, monkeypatch):
    """The dataset that `lapsrn prepare div2k` packs has the pictures of the folders."""
    pytest.importorskip("tensorflow_datasets", reason="DIV2K's dataset is read with the extra `datasets`")
    for name in ("DIV2K_train_HR", "DIV2K_valid_HR"):
        tiny.write_photographs(tmp_path / "DIV2K" / name)
    div2k._pack(tmp_path / "DIV2K", div2k.PARTS)
    photographs = read_pictures(training_pictures(f"div2k:{tmp_path / 'DIV2K'}"), 32)
    assert len(photographs) == 3
    for path, image in zip(find_images(tmp_path / "DIV2K" / "DIV2K_train_HR"), photographs, strict=True):
        np.testing.assert_array_equal(image, read_image(path))
