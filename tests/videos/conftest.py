"""A small network and a folder with a picture."""

import importlib.util

import pytest

from lapsrn_jax.images.io import write_image
from tests import tiny
from tests.upscaling.conftest import weights

__all__ = ["folder_of_pictures", "weights"]

collect_ignore_glob = [] if importlib.util.find_spec("av") else ["test_*.py"]  # PyAV 19 needs Python 3.12


@pytest.fixture
def folder_of_pictures(tmp_path, rng):
    (tmp_path / "in").mkdir()
    write_image(tmp_path / "in" / "a.png", tiny.photograph(rng, 12, 14))
    return tmp_path / "in"
