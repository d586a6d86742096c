import pickle

import numpy as np
import pytest

from lapsrn_jax.data import photographs as module
from lapsrn_jax.data.photographs import cache_folder, read_photographs
from lapsrn_jax.data.sources import image_paths
from lapsrn_jax.errors import UserError
from lapsrn_jax.images.io import find_images, read_image, write_image
from tests import tiny


@pytest.fixture
def paths(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return find_images(tiny.write_photographs(tmp_path / "photographs"))


def test_pictures_are_decoded_once(paths, monkeypatch):
    first = read_photographs(paths, 1)
    monkeypatch.setattr(module, "read_image", None)  # decoding again would fail
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


def test_weights_repeat_and_small_pictures_drop_out(tmp_path, paths, rng, capsys):
    folder = paths[0].parent
    write_image(folder / "gray.png", rng.integers(0, 256, (50, 50), dtype=np.uint8))
    write_image(folder / "small.png", rng.integers(0, 256, (20, 90), dtype=np.uint8))
    other = tiny.write_photographs(tmp_path / "other", count=1)
    listed = image_paths(f" 2*{folder} , {other}")
    assert len(listed) == 11
    photographs = read_photographs(listed, 32)
    assert len(photographs) == 9
    assert capsys.readouterr().out.count("small.png") == 1
    gray = photographs[3]
    assert gray.shape == (50, 50, 3)
    assert np.ptp(gray, axis=2).max() == 0


def test_no_sources_are_refused(tmp_path):
    with pytest.raises(UserError, match="no such image folder"):
        image_paths("2*/nowhere")
    with pytest.raises(UserError, match="names no photographs"):
        image_paths("0*bundled")
